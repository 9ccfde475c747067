//! A working tree for a sandbox, and the git directory that the sandbox never sees.

mod folders;

pub(crate) use folders::copy_index;

use crate::base::{Base, Hints};
use crate::git_dir::{AgentGitDir, empty_tree, write_trusted};
use crate::mirror::{Mirror, MirrorError};
use crate::names::{CommitId, RefName, TreeId};
use crate::patch::{Conflict, conflicts_in, list};
use crate::place::Place;
use crate::process::{Call, Git, GitError, Input};
use folders::{clear, give, prepare};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a checkout is to be made. All paths are absolute.
#[derive(Debug, Clone)]
pub struct CheckoutRequest {
    /// The working tree, which the agent may write. Made if missing; must be empty.
    pub directory: PathBuf,
    /// The trusted git directory. Must not exist, and must not be visible inside the sandbox.
    pub trusted_git_dir: PathBuf,
    /// Path at which the sandbox will see the mirror's objects, read-only.
    pub alternates_inside: PathBuf,
    /// The branch that the agent finds checked out; none: a detached HEAD.
    pub branch: Option<RefName>,
    /// Who is to own the working tree; none: the user that runs this.
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

#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    #[error("the local copy of the repository is damaged")]
    Damaged { source: GitError },
    #[error("the working tree {path} could not be made")]
    Folder { path: String, source: io::Error },
    #[error("the diff does not apply to commit {commit}: {}", list(.conflicts))]
    DiffDoesNotApply {
        commit: CommitId,
        conflicts: Vec<Conflict>,
    },
    #[error(transparent)]
    Git(#[from] GitError),
}

/// A working tree and what is needed to say later what changed in it.
#[derive(Debug)]
pub struct Checkout {
    pub(crate) git: Git,
    pub(crate) directory: PathBuf,
    pub(crate) trusted_git_dir: PathBuf,
    pub(crate) commit: CommitId,
    pub(crate) base_tree: TreeId,
    pub(crate) base: Arc<Base>,
    pub(crate) carried: Hints,
    pub(crate) one_diff_at_a_time: tokio::sync::Mutex<()>,
    binds: Vec<ReadOnlyBind>,
    owner: Option<Owner>,
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
        let folder = |source| CheckoutError::Folder {
            path: directory.display().to_string(),
            source,
        };
        prepare(directory, trusted_git_dir).map_err(folder)?;
        write_trusted(trusted_git_dir, &mirror.objects_dir(), commit.object()).map_err(folder)?;
        let mirror_dir = mirror.git_dir();
        let (written, tree, refs) = tokio::join!(
            write_files(git, trusted_git_dir, directory, commit),
            tree_of(git, &mirror_dir, commit),
            refs_of(git, &mirror_dir)
        );
        let (base_tree, refs) = match (written, tree, refs) {
            (Ok(()), Ok(tree), Ok(refs)) => (tree, refs),
            (Err(fault), _, _) | (_, Err(fault), _) | (_, _, Err(fault)) => {
                clear(directory, trusted_git_dir).map_err(folder)?;
                return Err(classify(fault));
            }
        };
        let agent_git = directory.join(".git");
        let agent = AgentGitDir {
            dir: &agent_git,
            alternates_inside,
            commit,
            branch: branch.as_ref(),
            url: mirror.url(),
            refs: &refs,
        };
        agent.write().map_err(folder)?;
        copy_index(&trusted_git_dir.join("index"), &agent_git.join("index")).map_err(folder)?;
        let mut checkout = Self {
            git: git.clone(),
            directory: directory.clone(),
            trusted_git_dir: trusted_git_dir.clone(),
            commit: commit.clone(),
            base_tree,
            base: Arc::default(),
            carried: Hints::default(),
            one_diff_at_a_time: tokio::sync::Mutex::new(()),
            binds: vec![ReadOnlyBind {
                host: mirror.objects_dir(),
                inside: alternates_inside.clone(),
            }],
            owner: *owner,
        };
        checkout.reload_base().map_err(folder)?;
        Ok(checkout)
    }

    /// Makes the checkout ready to be kept as a part of a snapshot, after a setup script ran in it and all its processes are gone. `place` is
    /// where it lies now, which may be full of traps. Puts every tracked file back to what the commit has, writes the agent's `.git` anew
    /// (nothing of it is kept), and leaves in the trusted git directory all that [`SnapshotCheckout`](crate::SnapshotCheckout) needs. What the
    /// script left beside tracked files stays, whoever owns it. Only for a checkout to which no diff was applied.
    ///
    /// # Errors
    /// The tree cannot be read or written; it must not be kept then.
    pub async fn seal(self, place: &Place) -> Result<Restored, CheckoutError> {
        Err(CheckoutError::Folder {
            path: place.root.display().to_string(),
            source: io::ErrorKind::Unsupported.into(),
        })
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn commit(&self) -> &CommitId {
        &self.commit
    }

    /// The tree that diffs are made against: the commit's, with the starting diff applied.
    pub fn base_tree(&self) -> &TreeId {
        &self.base_tree
    }

    /// What the sandbox must bind for the agent's `.git` to find its objects.
    pub fn binds(&self) -> &[ReadOnlyBind] {
        &self.binds
    }

    /// Applies the user's own uncommitted changes: they become part of the base, so the agent's diff will not repeat them. Before the agent
    /// starts, and before [`Checkout::apply_carried_diff`]. An empty diff is fine.
    pub async fn apply_starting_diff(&mut self, diff: &[u8]) -> Result<(), CheckoutError> {
        if diff.is_empty() {
            return Ok(());
        }
        self.apply(diff, &self.trusted_git_dir.join("index"))
            .await?;
        let call = self
            .git
            .call("write the base tree")
            .git_dir(&self.trusted_git_dir)
            .arg("write-tree");
        self.base_tree = parse_tree(&call.success().await?.text())?;
        self.reload_base()
            .map_err(|source| self.folder_error(source))
    }

    /// Applies the diff of an earlier turn to the working tree only: it will be part of this turn's diff too. Before the agent starts. An empty
    /// diff is fine.
    pub async fn apply_carried_diff(&mut self, diff: &[u8]) -> Result<(), CheckoutError> {
        if diff.is_empty() {
            return Ok(());
        }
        let index = self.trusted_git_dir.join("carried-index");
        copy_index(&self.trusted_git_dir.join("index"), &index)
            .map_err(|source| self.folder_error(source))?;
        self.apply(diff, &index).await?;
        let sha256 = self.commit.object().is_sha256();
        self.carried = Arc::make_mut(&mut self.base)
            .carry(&index, sha256)
            .map_err(|source| self.folder_error(source))?;
        self.give_to_owner()
            .and_then(|()| self.record_stats())
            .map_err(|source| self.folder_error(source))
    }

    async fn apply(&self, diff: &[u8], index: &Path) -> Result<(), CheckoutError> {
        let call = in_tree(
            &self.git,
            "apply a diff to the working tree",
            &self.trusted_git_dir,
            &self.directory,
            &self.commit,
        );
        let call = call
            .args([
                "apply",
                "--index",
                "--binary",
                "--whitespace=nowarn",
                "-p1",
                "-",
            ])
            .env("GIT_INDEX_FILE", index);
        let output = call.input(Input::Bytes(diff)).output().await?;
        if output.code == Some(0) {
            return Ok(());
        }
        let conflicts = conflicts_in(&output.stderr);
        if conflicts.is_empty() {
            return Err(GitError::Failed {
                operation: "apply a diff to the working tree",
                code: output.code,
                stderr: output.stderr,
            }
            .into());
        }
        Err(CheckoutError::DiffDoesNotApply {
            commit: self.commit.clone(),
            conflicts,
        })
    }

    /// Takes note of how each file looks now. To be called again if owner or permissions of the files were changed, before the agent starts;
    /// without it the diff is still exact, but reads every file.
    pub fn record_stats(&mut self) -> io::Result<()> {
        Arc::make_mut(&mut self.base).record_stats(&self.directory, &self.directory.join(".git"))
    }

    fn reload_base(&mut self) -> io::Result<()> {
        self.base = Arc::new(Base::load(
            &self.trusted_git_dir.join("index"),
            self.commit.object().is_sha256(),
        )?);
        self.give_to_owner()?;
        self.record_stats()
    }

    fn give_to_owner(&self) -> io::Result<()> {
        match self.owner {
            Some(owner) => give(&self.directory, owner),
            None => Ok(()),
        }
    }

    fn folder_error(&self, source: io::Error) -> CheckoutError {
        CheckoutError::Folder {
            path: self.directory.display().to_string(),
            source,
        }
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

async fn tree_of(git: &Git, mirror: &Path, commit: &CommitId) -> Result<TreeId, GitError> {
    let wanted = format!("{commit}^{{tree}}");
    let call = git
        .call("find the tree of the commit")
        .git_dir(mirror)
        .args(["rev-parse", "--verify", "--end-of-options"])
        .arg(wanted);
    parse_tree(&call.success().await?.text())
}

/// Branches and tags for the agent's repository, so that `git log origin/main` and `git describe` work.
async fn refs_of(git: &Git, mirror: &Path) -> Result<String, GitError> {
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

pub(crate) fn parse_tree(text: &str) -> Result<TreeId, GitError> {
    TreeId::parse(text.trim()).map_err(|_| GitError::Unexpected {
        operation: "name a tree",
        answer: text.chars().take(200).collect(),
    })
}

/// A full disk or a missing permission is not the mirror's fault; anything that git says about objects is.
fn classify(fault: GitError) -> CheckoutError {
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
