//! A working tree for a sandbox, and the git directory that the sandbox never sees.

mod folders;

pub(crate) use folders::past;

use crate::agent_git::write_whole;
use crate::git_dir::{AgentGitDir, empty_tree, write_trusted};
use crate::index::with_stats;
use crate::mirror::{Mirror, MirrorError};
use crate::names::{CommitId, RefName, TreeId};
use crate::notes::Notes;
use crate::patch::{Conflict, list};
use crate::process::{Call, Git, GitError};
use crate::tree_dir::TreeRoot;
use crate::tree_write::TreeWriter;
use crate::trusted::{Index, Trusted, parse_tree};
use crate::url::RepoUrl;
use folders::{clear, give, look_old, prepare};
use std::io;
use std::path::{Path, PathBuf};

/// Where a checkout is to be made. All paths are absolute.
#[derive(Debug, Clone)]
pub struct CheckoutRequest {
    /// The working tree, which a script may write. Made if missing; must be empty.
    pub directory: PathBuf,
    /// The trusted git directory. Must not exist, and must not be visible inside the sandbox.
    pub trusted_git_dir: PathBuf,
    /// Path at which the sandbox will see the mirror's objects, read-only.
    pub alternates_inside: PathBuf,
    /// The branch that the agent finds checked out; none: a detached HEAD.
    pub branch: Option<RefName>,
    /// Who is to own the working tree, on disk; none: the user that runs this.
    pub owner: Option<Owner>,
}

/// User and group of the host that the agent's user is mapped to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

/// A folder of the host that the sandbox must see, read-only, for the agent's git to work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOnlyBind {
    pub host: PathBuf,
    pub inside: PathBuf,
}

/// Tracked files that a script had changed and that were put back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Restored {
    /// The first of them, at most 20, escaped where they are not plain ASCII.
    pub paths: Vec<String>,
    pub total: usize,
}

impl Restored {
    pub(crate) fn of<'a>(paths: impl ExactSizeIterator<Item = &'a [u8]>) -> Self {
        const NAMED: usize = 20;
        Self {
            total: paths.len(),
            paths: paths
                .take(NAMED)
                .map(|path| path.escape_ascii().to_string())
                .collect(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    #[error("the local copy of the repository is damaged")]
    Damaged { source: GitError },
    #[error("the working tree {path} could not be made")]
    Folder { path: String, source: io::Error },
    /// What a snapshot's checkout has noted is gone or makes no sense: the snapshot has to be made anew.
    #[error("the checkout in the snapshot cannot be used")]
    Snapshot { source: io::Error },
    #[error("the diff does not apply to commit {commit}: {}", list(.conflicts))]
    DiffDoesNotApply {
        commit: CommitId,
        conflicts: Vec<Conflict>,
    },
    #[error(transparent)]
    Git(#[from] GitError),
}

/// A whole working tree, made from nothing. [`Checkout::seal`] makes it a part of a snapshot, over which later checkouts lie.
#[derive(Debug)]
pub struct Checkout {
    pub(crate) trusted: Trusted,
    pub(crate) tree: TreeId,
    pub(crate) notes: Notes,
    pub(crate) directory: PathBuf,
    pub(crate) origin: Origin,
    pub(crate) owner: Option<Owner>,
    pub(crate) binds: Vec<ReadOnlyBind>,
}

/// What the agent's `.git` says beside its commit.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) url: RepoUrl,
    pub(crate) branch: Option<RefName>,
    pub(crate) alternates_inside: PathBuf,
    /// Lines of `<id> <full ref name>`: branches of the origin and tags.
    pub(crate) refs: String,
}

impl Origin {
    pub(crate) fn agent_git_dir<'a>(&'a self, commit: &'a CommitId) -> AgentGitDir<'a> {
        AgentGitDir {
            alternates_inside: &self.alternates_inside,
            commit,
            branch: self.branch.as_ref(),
            url: &self.url,
            refs: &self.refs,
        }
    }
}

impl Checkout {
    pub(crate) async fn make(
        git: &Git,
        mirror: &Mirror,
        commit: &CommitId,
        request: &CheckoutRequest,
    ) -> Result<Self, CheckoutError> {
        let CheckoutRequest {
            directory,
            trusted_git_dir,
            alternates_inside,
            branch,
            owner,
        } = request;
        let folder = |source| folder_error(directory, source);
        prepare(directory, trusted_git_dir).map_err(folder)?;
        write_trusted(trusted_git_dir, &mirror.objects_dir(), commit.object()).map_err(folder)?;
        let mirror_dir = mirror.git_dir();
        let (written, tree, refs) = tokio::join!(
            write_files(git, trusted_git_dir, directory, commit),
            tree_of(git, &mirror_dir, commit),
            refs_of(git, &mirror_dir)
        );
        let (tree, refs) = match (written, tree, refs) {
            (Ok(()), Ok(tree), Ok(refs)) => (tree, refs),
            (Err(fault), _, _) | (_, Err(fault), _) | (_, _, Err(fault)) => {
                clear(directory, trusted_git_dir).map_err(folder)?;
                return Err(classify(fault));
            }
        };
        let trusted = Trusted {
            git: git.clone(),
            dir: trusted_git_dir.clone(),
            commit: commit.clone(),
        };
        let origin = Origin {
            url: mirror.url().clone(),
            branch: branch.clone(),
            alternates_inside: alternates_inside.clone(),
            refs,
        };
        let notes = finish(&trusted, &origin, directory, *owner).map_err(folder)?;
        Ok(Self {
            trusted,
            tree,
            notes,
            directory: directory.clone(),
            origin,
            owner: *owner,
            binds: vec![mirror.bind(alternates_inside)],
        })
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn commit(&self) -> &CommitId {
        &self.trusted.commit
    }

    /// What the sandbox must bind for the agent's `.git` to find its objects.
    pub fn binds(&self) -> &[ReadOnlyBind] {
        &self.binds
    }
}

/// What remains when git has written the files: their times, the agent's `.git`, their owner, and how they look.
fn finish(
    trusted: &Trusted,
    origin: &Origin,
    directory: &Path,
    owner: Option<Owner>,
) -> io::Result<Notes> {
    let root = TreeRoot::open(directory)?;
    let listing = trusted.listing(Index::Base)?;
    let stats = look_old(&root, &listing)?;
    let mut files = origin.agent_git_dir(&trusted.commit).files().to_vec();
    if let Some(index) = trusted.read(Index::Base)? {
        let index = with_stats(index, trusted.sha256(), |path| stats.get(path).copied());
        let index = index.map_err(io::Error::other)?;
        trusted.write(Index::Base, &index)?;
        files.push(("index", index));
    }
    trusted.link(Index::Base, Index::Commit)?;
    write_whole(&mut TreeWriter::new(root, owner), &files)?;
    if let Some(owner) = owner {
        give(directory, owner)?;
    }
    let paths = listing.entries().iter().map(|entry| entry.path.as_slice());
    Notes::take(&TreeRoot::open(directory)?, paths)
}

pub(crate) fn folder_error(path: &Path, source: io::Error) -> CheckoutError {
    CheckoutError::Folder {
        path: path.display().to_string(),
        source,
    }
}

/// A git with the trusted directory and the working tree, while the tree is still ours. Attributes of the repository do not apply: the files
/// get exactly the bytes that were committed.
fn in_tree<'a>(
    git: &'a Git,
    operation: &'static str,
    git_dir: &Path,
    tree: &Path,
    like: &CommitId,
) -> Call<'a> {
    let mut work_tree = std::ffi::OsString::from("--work-tree=");
    work_tree.push(tree);
    git.call(operation)
        .git_dir(git_dir)
        .arg(work_tree)
        .current_dir(tree)
        .env("GIT_ATTR_SOURCE", empty_tree(like.object()))
}

async fn write_files(
    git: &Git,
    git_dir: &Path,
    tree: &Path,
    commit: &CommitId,
) -> Result<(), GitError> {
    let call = in_tree(git, "write the files of the commit", git_dir, tree, commit);
    // Writing hundreds of files is mostly waiting for the file system: as many processes as there are processors, from 100 files on.
    let call = call.args(["-c", "checkout.workers=0"]);
    call.args(["read-tree", "--reset", "-u", "--no-recurse-submodules"])
        .arg(commit.as_str())
        .success()
        .await
        .map(drop)
}

pub(crate) async fn tree_of(
    git: &Git,
    mirror: &Path,
    commit: &CommitId,
) -> Result<TreeId, GitError> {
    let wanted = format!("{commit}^{{tree}}");
    let call = git
        .call("find the tree of the commit")
        .git_dir(mirror)
        .args(["rev-parse", "--verify", "--end-of-options"])
        .arg(wanted);
    parse_tree(&call.success().await?.text())
}

/// Branches and tags for the agent's repository, so that `git log origin/main` and `git describe` work.
pub(crate) async fn refs_of(git: &Git, mirror: &Path) -> Result<String, GitError> {
    let call = git
        .call("list the branches of the mirror")
        .git_dir(mirror)
        .arg("for-each-ref");
    let output = call
        .args([
            "--format=%(objectname) %(refname)",
            "refs/heads",
            "refs/tags",
        ])
        .success()
        .await?;
    Ok(output
        .text()
        .replace(" refs/heads/", " refs/remotes/origin/"))
}

/// A full disk or a missing permission is not the mirror's fault; anything that git says about objects is.
pub(crate) fn classify(fault: GitError) -> CheckoutError {
    const SIGNS: [&str; 9] = [
        "unable to read",
        "cannot read",
        "corrupt",
        "bad object",
        "bad tree",
        "missing",
        "packfile",
        "inflate",
        "not a valid object",
    ];
    let damaged = match &fault {
        GitError::Failed { stderr, .. } => {
            SIGNS.iter().any(|sign| stderr.contains(sign))
                || stderr.contains("failed to unpack tree object")
        }
        GitError::Start { .. } | GitError::TimedOut { .. } | GitError::OutputTooLarge { .. } => {
            false
        }
        GitError::Unexpected { .. } | GitError::Io { .. } => false,
    };
    if damaged {
        CheckoutError::Damaged { source: fault }
    } else {
        CheckoutError::Git(fault)
    }
}
