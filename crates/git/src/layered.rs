//! A checkout as a layer: only what differs from a snapshot's is written.

mod difference;
mod restore;

pub(crate) use restore::Look;

use crate::agent_git::{AgentFiles, write_files};
use crate::checkout::{
    CheckoutError, Origin, Owner, ReadOnlyBind, classify, folder_error, past, refs_of, tree_of,
};
use crate::diff::{Diff, DiffError};
use crate::git_dir::write_trusted;
use crate::index::{FileStat, with_stats};
use crate::mirror::Mirror;
use crate::names::{CommitId, RefName, TreeId};
use crate::notes::Notes;
use crate::place::Place;
use crate::process::GitError;
use crate::snapshot::SnapshotCheckout;
use crate::summary::FileMode;
use crate::tree_dir::{split, stat_in};
use crate::tree_write::TreeWriter;
use crate::trees::Trees;
use crate::trusted::{Index, PutError, Trusted, copy, link};
use crate::walk::DiffLimits;
use difference::Difference;
use rustix::fs::Timespec;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

/// How a checkout is to lie over a snapshot's.
#[derive(Debug, Clone)]
pub struct LayeredRequest<'a> {
    /// Where the difference is written, before anything is mounted: the checkout's place in an upper directory that nobody else has written
    /// yet. Made if missing, like directories above it, and only if there is a difference.
    pub upper: Place,
    /// The trusted git directory of this checkout. Must not exist, and must not be visible inside the sandbox.
    pub trusted_git_dir: PathBuf,
    /// Path at which the sandbox will see the mirror's objects, read-only.
    pub alternates_inside: PathBuf,
    /// The branch that the agent finds checked out; none: a detached HEAD.
    pub branch: Option<RefName>,
    /// Who is to own what is written, on disk; none: the user that runs this.
    pub owner: Option<Owner>,
    /// The user's own uncommitted changes; may be empty. They are part of the base, so the agent's diff will not repeat them.
    pub starting_diff: &'a [u8],
    /// The diff of an earlier turn; may be empty. It is part of this turn's diff, too.
    pub carried_diff: &'a [u8],
}

/// A checkout over a snapshot's, and what is needed to say later what changed in it.
#[derive(Debug)]
pub struct LayeredCheckout {
    trees: Trees,
    snapshot: SnapshotCheckout,
    agent_git: AgentGit,
    owner: Option<Owner>,
    binds: Vec<ReadOnlyBind>,
}

impl LayeredCheckout {
    pub(crate) async fn make(
        mirror: &Mirror,
        commit: &CommitId,
        snapshot: &SnapshotCheckout,
        request: &LayeredRequest<'_>,
    ) -> Result<Self, CheckoutError> {
        let (place, dir) = (&request.upper, &request.trusted_git_dir);
        let folder = |source| place_error(place, source);
        if snapshot.origin.url != *mirror.url() {
            let fault = "it is of another repository";
            return Err(broken(io::Error::new(io::ErrorKind::InvalidInput, fault)));
        }
        if let Some(parent) = dir.parent() {
            std::fs::create_dir_all(parent).map_err(folder)?;
        }
        std::fs::create_dir(dir).map_err(folder)?;
        let made = Self::lay(mirror, commit, snapshot, request).await;
        if made.is_err() {
            let removed = place.remove().and_then(|()| std::fs::remove_dir_all(dir));
            removed.map_err(folder)?;
        }
        made
    }

    async fn lay(
        mirror: &Mirror,
        commit: &CommitId,
        snapshot: &SnapshotCheckout,
        request: &LayeredRequest<'_>,
    ) -> Result<Self, CheckoutError> {
        let place = &request.upper;
        let folder = |source| place_error(place, source);
        let trusted = Trusted {
            git: mirror.git().clone(),
            dir: request.trusted_git_dir.clone(),
            commit: commit.clone(),
        };
        write_trusted(&trusted.dir, &mirror.objects_dir(), commit.object()).map_err(folder)?;
        let (tree, refs) = commit_of(mirror, &trusted, snapshot).await?;
        let agent_git = AgentGit {
            origin: Origin {
                url: mirror.url().clone(),
                branch: request.branch.clone(),
                alternates_inside: request.alternates_inside.clone(),
                refs: refs.unwrap_or_default(),
            },
            is_of_same_commit: commit == snapshot.commit(),
        };
        let (base, start) = apply(&trusted, tree, request).await?;
        let notes = if start == *snapshot.tree() {
            Notes::default()
        } else {
            write_difference(&trusted, snapshot, request).await?
        };
        let files = agent_git.different(&trusted, snapshot).map_err(broken)?;
        if !files.is_empty() {
            let mut writer = place.make(request.owner).map_err(folder)?;
            write_files(&mut writer, &files).map_err(folder)?;
        }
        Ok(Self {
            trees: Trees::new(trusted, base, start, notes),
            snapshot: snapshot.clone(),
            agent_git,
            owner: request.owner,
            binds: vec![mirror.bind(&request.alternates_inside)],
        })
    }

    pub fn commit(&self) -> &CommitId {
        &self.trees.trusted.commit
    }

    /// The tree that diffs are made against: the commit's, with the starting diff applied.
    pub fn base_tree(&self) -> &TreeId {
        &self.trees.base
    }

    /// The tree that the agent finds: the base, with the carried diff applied.
    pub fn start_tree(&self) -> &TreeId {
        &self.trees.start
    }

    /// What the sandbox must bind for the agent's `.git` to find its objects.
    pub fn binds(&self) -> &[ReadOnlyBind] {
        &self.binds
    }

    /// What the agent changed. `view` is the working tree as the agent saw it (all layers), `changed` its place in the topmost upper
    /// directory, which need not exist. Only what is in `changed` is looked at: all else is as it was at the start, by construction, and a file
    /// that git does not track is part of the diff only if it is in `changed`. May be called any number of times, also while the agent runs (a
    /// checkpoint).
    ///
    /// # Errors
    /// As [`DiffError`] says; work is not lost, since both are only read.
    pub async fn diff(
        &self,
        view: &Place,
        changed: &Place,
        limits: &DiffLimits,
    ) -> Result<Diff, DiffError> {
        self.trees.diff(view, changed, limits).await
    }

    /// The diff of an agent that changed nothing: the carried one, from the base tree to the start tree. Reads no working tree.
    pub async fn diff_at_start(&self, limits: &DiffLimits) -> Result<Diff, DiffError> {
        self.trees.diff_at_start(limits).await
    }
}

fn place_error(place: &Place, source: io::Error) -> CheckoutError {
    folder_error(&place.root.join(&place.below), source)
}

/// Makes the index of the commit, and names its tree and the mirror's branches. The snapshot's index is the beginning: what is the same keeps
/// how it looks.
async fn commit_of(
    mirror: &Mirror,
    trusted: &Trusted,
    snapshot: &SnapshotCheckout,
) -> Result<(TreeId, Option<String>), CheckoutError> {
    let folder = |source| folder_error(&trusted.dir, source);
    let theirs = snapshot.index().map_err(broken)?;
    if trusted.commit == *snapshot.commit() {
        link(&theirs, &trusted.index(Index::Commit)).map_err(folder)?;
        return Ok((snapshot.tree().clone(), None));
    }
    copy(&theirs, &trusted.index(Index::Commit)).map_err(folder)?;
    let mirror_dir = mirror.git_dir();
    let read = async {
        // There is no working tree, and `-i` means that none is looked at; without one named git refuses to keep how files look.
        let mut work_tree = std::ffi::OsString::from("--work-tree=");
        work_tree.push(&trusted.dir);
        let call = trusted.call("read the tree of the commit").arg(work_tree);
        call.args(["read-tree", "-i", "-m", "--no-recurse-submodules"])
            .arg(trusted.commit.as_str())
            .env("GIT_INDEX_FILE", trusted.index(Index::Commit))
            .success()
            .await
    };
    let (read, tree, refs) = tokio::join!(
        read,
        tree_of(&trusted.git, &mirror_dir, &trusted.commit),
        refs_of(&trusted.git, &mirror_dir)
    );
    let all = || -> Result<_, GitError> { Ok((tree?, Some(refs?))) };
    let found = all().map_err(classify)?;
    match read {
        Ok(_) => Ok(found),
        // Of the snapshot, which is where it comes from.
        Err(GitError::Failed { stderr, .. }) if is_of_an_index(&stderr) => {
            Err(broken(io::Error::new(io::ErrorKind::InvalidData, stderr)))
        }
        Err(fault) => Err(classify(fault)),
    }
}

fn is_of_an_index(stderr: &str) -> bool {
    ["index file", "bad signature", "bad index", "index entry"]
        .iter()
        .any(|sign| stderr.contains(sign))
}

fn broken(source: io::Error) -> CheckoutError {
    CheckoutError::Snapshot { source }
}

/// Applies the diffs, each to an index of its own: first what becomes part of the base, then what the agent finds beside.
async fn apply(
    trusted: &Trusted,
    commit_tree: TreeId,
    request: &LayeredRequest<'_>,
) -> Result<(TreeId, TreeId), CheckoutError> {
    let LayeredRequest {
        starting_diff,
        carried_diff,
        ..
    } = request;
    let base = apply_one(trusted, Index::Commit, Index::Base, starting_diff).await?;
    let base = base.unwrap_or(commit_tree);
    let start = apply_one(trusted, Index::Base, Index::Start, carried_diff).await?;
    let start = start.unwrap_or_else(|| base.clone());
    Ok((base, start))
}

async fn apply_one(
    trusted: &Trusted,
    from: Index,
    to: Index,
    diff: &[u8],
) -> Result<Option<TreeId>, CheckoutError> {
    let folder = |source| folder_error(&trusted.dir, source);
    if diff.is_empty() {
        trusted.link(from, to).map_err(folder)?;
        return Ok(None);
    }
    copy(&trusted.index(from), &trusted.index(to)).map_err(folder)?;
    let tree = trusted.apply(diff, to).await;
    tree.map(Some).map_err(|fault| match fault {
        CheckoutError::Git(fault) => classify(fault),
        other => other,
    })
}

/// Writes what the start tree has and the snapshot has not, and takes note of it.
async fn write_difference(
    trusted: &Trusted,
    snapshot: &SnapshotCheckout,
    request: &LayeredRequest<'_>,
) -> Result<Notes, CheckoutError> {
    let place = &request.upper;
    let folder = |source| place_error(place, source);
    let theirs = snapshot.index().map_err(broken)?;
    link(&theirs, &trusted.index(Index::Snapshot)).map_err(folder)?;
    let untracked = snapshot.untracked().map_err(broken)?;
    let below = trusted.listing(Index::Snapshot).map_err(broken)?;
    let start = trusted.listing(Index::Start).map_err(folder)?;
    let difference = Difference::of(&below, &start, &untracked);
    if difference.is_empty() {
        return Ok(Notes::default());
    }
    let mut writer = place.make(request.owner).map_err(folder)?;
    let date = date(&writer, snapshot).map_err(folder)?;
    writer.date(Some(date));
    for path in &difference.hide {
        writer.whiteout(path).map_err(folder)?;
    }
    let mut writer = match trusted.put(writer, difference.write.clone()).await {
        Ok(writer) => writer,
        Err(PutError::Folder(source)) => return Err(folder(source)),
        Err(PutError::Git(fault)) => return Err(classify(fault)),
    };
    let is_same_commit = trusted.commit == *snapshot.commit();
    record(trusted, &mut writer, &difference, is_same_commit).map_err(folder)
}

/// Old enough for git to believe its index, and not older than what a script built from other versions of the files.
fn date(writer: &TreeWriter, snapshot: &SnapshotCheckout) -> io::Result<Timespec> {
    let (past, sealed) = (past(&writer.root().stamp()?), snapshot.sealed_at);
    let is_later = (past.tv_sec, past.tv_nsec) > (sealed.tv_sec, sealed.tv_nsec);
    Ok(if is_later { past } else { sealed })
}

/// Tells the indexes how the written files look, so that the agent's git need not read them, and takes note for the diff.
fn record(
    trusted: &Trusted,
    writer: &mut TreeWriter,
    difference: &Difference,
    is_same_commit: bool,
) -> io::Result<Notes> {
    let files = || {
        let written = difference.write.iter();
        written.filter(|entry| entry.mode != FileMode::Gitlink)
    };
    let mut looks = HashMap::new();
    for entry in files() {
        let (parent, name) = split(&entry.path);
        if let Some(stat) = stat_in(writer.folder(parent)?, name)? {
            looks.insert(entry.path.as_slice(), (entry, FileStat::of(&stat)));
        }
    }
    let sha256 = trusted.sha256();
    if !is_same_commit && let Some(index) = trusted.read(Index::Commit)? {
        let commit = trusted.listing(Index::Commit)?;
        // A file that a diff changed has to look changed.
        let look = |path: &[u8]| {
            let (written, look) = looks.get(path)?;
            let (_, committed) = commit.find(path)?;
            committed.is_same(written).then_some(*look)
        };
        let index = with_stats(index, sha256, look).map_err(io::Error::other)?;
        trusted.write(Index::Commit, &index)?;
    }
    if let Some(index) = trusted.read(Index::Start)? {
        let look = |path: &[u8]| looks.get(path).map(|(_, look)| *look);
        let index = with_stats(index, sha256, look).map_err(io::Error::other)?;
        trusted.write(Index::Start, &index)?;
    }
    Notes::take(writer.root(), files().map(|entry| entry.path.as_slice()))
}

/// What the agent's `.git` is to say.
#[derive(Debug)]
struct AgentGit {
    /// With the branches of the time when the commit was looked for; without any if the snapshot knows them.
    origin: Origin,
    is_of_same_commit: bool,
}

impl AgentGit {
    /// The files that say something else than the snapshot's. Without a look at any file if nothing is different.
    fn different(&self, trusted: &Trusted, snapshot: &SnapshotCheckout) -> io::Result<AgentFiles> {
        let known = &snapshot.origin;
        if self.is_of_same_commit
            && self.origin.branch == known.branch
            && self.origin.alternates_inside == known.alternates_inside
        {
            return Ok(Vec::new());
        }
        let known = Origin {
            refs: snapshot.refs()?,
            ..known.clone()
        };
        let known = known.agent_git_dir(snapshot.commit()).files();
        let mut files = self.whole(trusted, snapshot)?;
        files.retain(|file| match file.0 {
            "index" => !self.is_of_same_commit,
            _ => !known.contains(file),
        });
        Ok(files)
    }

    /// All files.
    fn whole(&self, trusted: &Trusted, snapshot: &SnapshotCheckout) -> io::Result<AgentFiles> {
        let mut origin = self.origin.clone();
        if self.is_of_same_commit {
            origin.refs = snapshot.refs()?;
        }
        let mut files = origin.agent_git_dir(&trusted.commit).files().to_vec();
        files.extend(trusted.read(Index::Commit)?.map(|index| ("index", index)));
        Ok(files)
    }
}
