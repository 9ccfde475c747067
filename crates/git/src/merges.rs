//! Trying whether results merge: each diff as a commit in a directory of our own, merged there without a working tree. Nothing of it is
//! pushed, and no attribute, driver or hook of the repository is read.

use crate::credentials::Credentials;
use crate::mirror::{Mirror, MirrorError};
use crate::names::{CommitId, CommitRef, TreeId};
use crate::process::{Git, GitError};
use crate::publish::{PrepareError, Work, tree};
use crate::trusted::{Trusted, parse_tree};
use crate::url::RepoUrl;
use std::path::{Path, PathBuf};

/// The most paths that are told of a conflict.
const PATHS: usize = 100;
/// Merged texts are read by nobody; more than this in names is no answer.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// The bare copy of a repository that results are published from and merged in.
#[derive(Debug, Clone)]
pub struct Copy {
    mirror: Mirror,
    folder: PathBuf,
}

/// A result: patches, one after the other, against a commit.
#[derive(Debug, Clone)]
pub struct Side {
    pub base: CommitId,
    pub patches: Vec<Vec<u8>>,
}

/// Why results cannot be tried.
#[derive(Debug, thiserror::Error)]
pub enum MergesError {
    /// Which side's patches do not apply to its base.
    #[error("a diff does not apply to its commit")]
    DiffDoesNotApply { side: usize },
    /// None of the commits they started from contains the others.
    #[error("they started from commits of which none contains the others")]
    NoBase,
    #[error(transparent)]
    Prepare(#[from] PrepareError),
}

impl From<GitError> for MergesError {
    fn from(fault: GitError) -> Self {
        Self::Prepare(PrepareError::Git(fault))
    }
}

/// Commits that can be merged with each other. Their directory is removed when this is dropped.
#[derive(Debug)]
pub struct Merges {
    trusted: Trusted,
    base: CommitId,
    sides: Vec<CommitId>,
    _work: Work,
}

/// What a merge came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// A commit that has both.
    Clean(CommitId),
    /// The files that conflict, at most 100.
    Conflicts(Vec<String>),
}

impl Copy {
    /// The copy in `folder`, which nobody else can write; one for each tenant. Nothing is made yet.
    pub fn new(git: &Git, folder: &Path, url: RepoUrl, credentials: Credentials) -> Self {
        let mirrors = folder.join("mirrors");
        Self {
            mirror: Mirror::new(git.clone(), &mirrors, url, credentials),
            folder: folder.to_owned(),
        }
    }

    /// Sees that the commits are there; the repository is asked only if one is not.
    pub async fn ensure(&self, commits: &[CommitRef]) -> Result<Vec<CommitId>, MirrorError> {
        let mut found = Vec::with_capacity(commits.len());
        for commit in commits {
            found.push(self.mirror.ensure_commit(commit).await?);
        }
        Ok(found)
    }

    /// Makes a commit of each side, whose bases are there. `name` is that of the work; what an earlier one of that name left is removed.
    pub async fn merges(
        &self,
        git: &Git,
        name: &str,
        sides: &[Side],
    ) -> Result<Merges, MergesError> {
        let first = sides.first().ok_or(MergesError::NoBase)?;
        let work = Work::make(&self.folder, name, &self.mirror, &first.base)
            .map_err(|fault| MergesError::Prepare(PrepareError::Folder(fault)))?;
        let at = |commit: &CommitId| Trusted {
            git: git.clone(),
            dir: work.dir().to_owned(),
            commit: commit.clone(),
        };
        let trusted = at(&first.base);
        let base = newest(&trusted, sides).await?;
        let mut commits = Vec::with_capacity(sides.len());
        for (side, Side { base, patches }) in sides.iter().enumerate() {
            let tree = match tree(&at(base), patches).await {
                Err(PrepareError::DiffDoesNotApply { .. }) => {
                    return Err(MergesError::DiffDoesNotApply { side });
                }
                tree => tree?,
            };
            commits.push(commit(&trusted, &tree, &[base]).await?);
        }
        Ok(Merges {
            trusted,
            base,
            sides: commits,
            _work: work,
        })
    }
}

impl Merges {
    /// What they are merged into: of the commits that they started from that which contains the others.
    pub fn base(&self) -> &CommitId {
        &self.base
    }

    /// The commit of each side.
    pub fn sides(&self) -> &[CommitId] {
        &self.sides
    }

    /// Merges two commits: sides, the base, or what came of merging those.
    pub async fn merge(&self, ours: &CommitId, theirs: &CommitId) -> Result<Merged, GitError> {
        const OPERATION: &str = "merge two results";
        let call = self.trusted.call(OPERATION).args([
            // Nobody's settings are read; these are what git does by itself.
            "-c",
            "merge.conflictStyle=merge",
            "-c",
            "merge.directoryRenames=conflict",
            "merge-tree",
            "--write-tree",
            "-z",
            "--name-only",
            "--no-messages",
        ]);
        let call = call.arg(ours.as_str()).arg(theirs.as_str());
        let output = call.stdout_limit(ANSWER_BYTES).output().await?;
        match output.code {
            Some(0) => {
                let tree = parse_tree(output.text().trim_end_matches('\0'))?;
                let merged = commit(&self.trusted, &tree, &[ours, theirs]).await?;
                Ok(Merged::Clean(merged))
            }
            Some(1) => Ok(Merged::Conflicts(paths(&output.stdout))),
            code => Err(GitError::Failed {
                operation: OPERATION,
                code,
                stderr: output.stderr,
            }),
        }
    }
}

/// After the tree's name, each path once.
fn paths(answer: &[u8]) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    let names = answer.split(|&byte| byte == 0).skip(1);
    for name in names.filter(|name| !name.is_empty()) {
        let name = String::from_utf8_lossy(name).into_owned();
        if !paths.contains(&name) {
            paths.push(name);
        }
        if paths.len() == PATHS {
            break;
        }
    }
    paths
}

/// The one of their bases that contains the others.
async fn newest(trusted: &Trusted, sides: &[Side]) -> Result<CommitId, MergesError> {
    let mut bases: Vec<&CommitId> = sides.iter().map(|side| &side.base).collect();
    bases.sort();
    bases.dedup();
    if let [one] = bases[..] {
        return Ok(one.clone());
    }
    let call = trusted
        .call("compare the commits that results started from")
        .args(["merge-base", "--independent", "--end-of-options"])
        .args(bases.iter().map(|base| base.as_str()));
    let answer = call.success().await?.text();
    let mut tips = answer.lines();
    match (tips.next().map(CommitId::parse), tips.next()) {
        (Some(Ok(tip)), None) => Ok(tip),
        _ => Err(MergesError::NoBase),
    }
}

async fn commit(
    trusted: &Trusted,
    tree: &TreeId,
    parents: &[&CommitId],
) -> Result<CommitId, GitError> {
    const OPERATION: &str = "make a commit to be merged";
    let mut call = trusted
        .call(OPERATION)
        .args(["commit-tree", "--no-gpg-sign", "-m", "merged"]);
    for parent in parents {
        call = call.args(["-p", parent.as_str()]);
    }
    for name in ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"] {
        call = call.env(name, "Outwork");
    }
    for address in ["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"] {
        call = call.env(address, "outwork@noreply.invalid");
    }
    // The same sides give the same commits.
    for date in ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"] {
        call = call.env(date, "@0 +0000");
    }
    let answer = call.arg(tree.as_str()).success().await?.text();
    CommitId::parse(answer.trim()).map_err(|_| GitError::Unexpected {
        operation: OPERATION,
        answer: answer.chars().take(200).collect(),
    })
}
