//! The user's uncommitted work, as a patch against HEAD.

use super::{Repository, path_from};
use crate::process::GitError;
use std::path::PathBuf;

impl Repository {
    /// What is not committed: tracked files, staged or not, and untracked ones that are not ignored. A patch for `git apply` against HEAD;
    /// empty when there is nothing. Index and object store stay as they are: the work is done in a copy of the index, with objects
    /// in a folder that is removed again.
    pub async fn changes(&self) -> Result<Vec<u8>, GitError> {
        let io = |source| GitError::Io {
            operation: "prepare a copy of the index",
            source,
        };
        let scratch = tempfile::tempdir().map_err(io)?;
        let index = scratch.path().join("index");
        let users_index = self.git_path("index").await?;
        if users_index.exists() {
            std::fs::copy(&users_index, &index).map_err(io)?;
        }
        let objects = self.git_path("objects").await?;
        let own_objects = scratch.path().join("objects");
        std::fs::create_dir(&own_objects).map_err(io)?;
        let call = |operation| {
            self.call(operation)
                .env("GIT_INDEX_FILE", &index)
                .env("GIT_OBJECT_DIRECTORY", &own_objects)
                .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", &objects)
        };
        call("gather the changes")
            .args(["add", "--all", "--", "."])
            .success()
            .await?;
        let diff = call("compute the changes").args([
            "diff",
            "--cached",
            "--binary",
            "--full-index",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--src-prefix=a/",
            "--dst-prefix=b/",
            "HEAD",
        ]);
        Ok(diff.success().await?.stdout)
    }

    /// Whether anything is not committed: in a tracked file, staged or not, or an untracked one that is not ignored.
    pub async fn has_changes(&self) -> Result<bool, GitError> {
        let status = self
            .call("look for changes")
            // The index stays as it is.
            .env("GIT_OPTIONAL_LOCKS", "0")
            .args(["status", "--porcelain", "--untracked-files=normal"])
            .success()
            .await?;
        Ok(!status.stdout.is_empty())
    }

    /// Where git keeps a part of this repository, also in a linked working tree.
    pub(super) async fn git_path(&self, name: &str) -> Result<PathBuf, GitError> {
        let output = self
            .call("find the repository's files")
            .args(["rev-parse", "--git-path", name])
            .success()
            .await?;
        let path = path_from(output.stdout.strip_suffix(b"\n").unwrap_or(&output.stdout));
        Ok(self.top_level().join(path))
    }
}
