//! A diff as a commit on a new branch.

use super::Repository;
use crate::names::{CommitId, RefName};
use crate::patch::{Conflict, conflicts_in, list};
use crate::process::{GitError, Input};

#[derive(Debug, thiserror::Error)]
pub enum BranchError {
    #[error("the branch `{branch}` exists already")]
    Exists { branch: String },
    #[error("the commit {commit}, from which the diff starts, is not in this repository")]
    BaseMissing { commit: String },
    #[error("the diff does not apply to the commit that it starts from: {}", list(.conflicts))]
    Conflicts { conflicts: Vec<Conflict> },
    #[error(transparent)]
    Git(#[from] GitError),
}

impl Repository {
    /// Makes a branch with one commit on top of `base`. The index, the files and the branch that is checked out stay as they are; no hook runs.
    pub async fn commit_on_branch(
        &self,
        branch: &RefName,
        base: &CommitId,
        patch: &[u8],
        message: &str,
    ) -> Result<CommitId, BranchError> {
        let name = format!("refs/heads/{}", branch.as_str());
        let found = self
            .call("look for the branch")
            .args(["show-ref", "--verify", "--quiet", &name])
            .output()
            .await?;
        if found.code == Some(0) {
            return Err(BranchError::Exists {
                branch: branch.as_str().to_owned(),
            });
        }
        let commit = format!("{}^{{commit}}", base.as_str());
        let present = self
            .call("look for the commit")
            .args(["cat-file", "-e", &commit])
            .output()
            .await?;
        if present.code != Some(0) {
            return Err(BranchError::BaseMissing {
                commit: base.as_str().to_owned(),
            });
        }
        let tree = self.tree_with(base, patch).await?;
        let made = self
            .call("make a commit")
            .args(["commit-tree", &tree, "-p", base.as_str(), "-F", "-"])
            .input(Input::Bytes(message.as_bytes()))
            .success()
            .await?;
        let made = CommitId::parse(made.text().trim()).map_err(|_| GitError::Unexpected {
            operation: "make a commit",
            answer: made.text(),
        })?;
        // Only if nobody made it meanwhile.
        let absent = "0".repeat(made.as_str().len());
        self.call("make the branch")
            .args(["update-ref", "-m", "outwork apply"])
            .args([&name, made.as_str(), &absent])
            .success()
            .await?;
        Ok(made)
    }

    /// Checks the branch out if no tracked file has changes and no other is in the way; else all stays as it is. Returns whether it did.
    pub async fn switch_if_clean(&self, branch: &RefName) -> Result<bool, GitError> {
        let status = self
            .call("look for changes")
            .args(["status", "--porcelain", "--untracked-files=no"])
            .success()
            .await?;
        if !status.stdout.is_empty() {
            return Ok(false);
        }
        let switched = self
            .call("switch to the branch")
            .args(["switch", "--quiet", "--no-guess", branch.as_str()])
            .output()
            .await?;
        Ok(switched.code == Some(0))
    }

    async fn tree_with(&self, base: &CommitId, patch: &[u8]) -> Result<String, BranchError> {
        let scratch = tempfile::tempdir().map_err(|source| GitError::Io {
            operation: "prepare an index",
            source,
        })?;
        let index = scratch.path().join("index");
        let call = |operation| self.call(operation).env("GIT_INDEX_FILE", &index);
        call("read the commit")
            .args(["read-tree", base.as_str()])
            .success()
            .await?;
        if !patch.is_empty() {
            let applied = call("apply the diff")
                .args(["-c", "apply.whitespace=nowarn"])
                .args(["apply", "--cached", "--binary", "--whitespace=nowarn"])
                .args(["--no-ignore-whitespace", "-p1", "-"])
                .input(Input::Bytes(patch))
                .output()
                .await?;
            if applied.code != Some(0) {
                let conflicts = conflicts_in(&applied.stderr);
                if conflicts.is_empty() {
                    return Err(BranchError::Git(GitError::Failed {
                        operation: "apply the diff",
                        code: applied.code,
                        stderr: applied.stderr,
                    }));
                }
                return Err(BranchError::Conflicts { conflicts });
            }
        }
        let tree = call("write the tree").arg("write-tree").success().await?;
        Ok(tree.text().trim().to_owned())
    }
}
