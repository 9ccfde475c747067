//! The user's own repository: what it is.

mod apply;
mod branch;
mod changes;
mod record;
mod reversible;
mod rollback;
pub(crate) mod ways_out;

pub use apply::{Applied, ApplyError, ApplyPlan, ThreeWay, Undone};
pub use branch::BranchError;

use crate::names::{CommitId, RefName};
use crate::process::{Call, Git, GitError};
use crate::url::{InvalidUrl, RepoUrl};
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    #[error("{path} is not in a git repository; go to one, or name it")]
    NotARepository {
        path: String,
        #[source]
        source: Option<GitError>,
    },
    #[error("{path} is a repository without a working tree")]
    Bare { path: String },
    #[error(transparent)]
    Git(#[from] GitError),
}

/// A remote of the user's repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    pub name: String,
    /// The address as Outwork can use it, or why it cannot.
    pub url: Result<RepoUrl, InvalidUrl>,
}

/// A repository with a working tree that belongs to the user.
#[derive(Debug, Clone)]
pub struct Repository {
    git: Git,
    top_level: PathBuf,
}

impl Repository {
    /// The repository around a folder. `git` should be one made by [`Git::for_user`].
    pub async fn at(git: Git, dir: &Path) -> Result<Self, RepositoryError> {
        let path = || dir.display().to_string();
        if !dir.is_dir() {
            return Err(RepositoryError::NotARepository {
                path: path(),
                source: None,
            });
        }
        let output = git
            .call("find the repository")
            .current_dir(dir)
            .args(["rev-parse", "--show-toplevel"])
            .output()
            .await?;
        if output.code != Some(0) {
            if output.stderr.contains("must be run in a work tree") {
                return Err(RepositoryError::Bare { path: path() });
            }
            let source = GitError::Failed {
                operation: "find the repository",
                code: output.code,
                stderr: output.stderr,
            };
            return Err(RepositoryError::NotARepository {
                path: path(),
                source: Some(source),
            });
        }
        let top_level = path_from(output.stdout.strip_suffix(b"\n").unwrap_or(&output.stdout));
        Ok(Self { git, top_level })
    }

    pub fn top_level(&self) -> &Path {
        &self.top_level
    }

    /// The branch checked out; none if HEAD is detached or the name is one that Outwork does not take.
    pub async fn branch(&self) -> Result<Option<RefName>, GitError> {
        let output = self
            .call("name the current branch")
            .args(["symbolic-ref", "--quiet", "--short", "HEAD"])
            .output()
            .await?;
        Ok(RefName::parse(output.text().trim_end_matches('\n'))
            .ok()
            .filter(|_| output.code == Some(0)))
    }

    /// The commit checked out; none in a repository without commits.
    pub async fn head(&self) -> Result<Option<CommitId>, GitError> {
        let call = self.call("name the current commit").args([
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            "HEAD^{commit}",
        ]);
        Ok(CommitId::parse(call.output().await?.text().trim()).ok())
    }

    /// Remotes in the order of the configuration, `origin` first. `url.*.insteadOf` rules are applied.
    pub async fn remotes(&self) -> Result<Vec<Remote>, GitError> {
        let mut remotes: Vec<Remote> = Vec::new();
        for name in self
            .call("list the remotes")
            .arg("remote")
            .success()
            .await?
            .text()
            .lines()
        {
            let call = self
                .call("find the address of a remote")
                .args(["remote", "get-url", "--"])
                .arg(name);
            let address = call.success().await?.text();
            let address = address.trim_end_matches('\n');
            let local = self.top_level.join(address);
            // A relative folder is meant from the top of the repository.
            let relative = address.starts_with('.') && local.is_dir();
            let absolute = if relative {
                local.canonicalize().ok()
            } else {
                None
            };
            let text =
                absolute.map_or_else(|| address.to_owned(), |path| path.display().to_string());
            let remote = Remote {
                name: name.to_owned(),
                url: RepoUrl::parse(&text),
            };
            if name == "origin" {
                remotes.insert(0, remote)
            } else {
                remotes.push(remote)
            }
        }
        Ok(remotes)
    }

    /// From the top: below it git would leave out, without a word, what lies outside the current folder.
    fn call(&self, operation: &'static str) -> Call<'_> {
        self.git.call(operation).current_dir(&self.top_level)
    }
}

#[cfg(unix)]
pub(crate) fn path_from(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
pub(crate) fn path_from(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}
