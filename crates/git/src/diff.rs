//! The exact diff of a working tree that must be assumed hostile, proved before it is given out.

use crate::import::tree_in;
use crate::names::TreeId;
use crate::process::{GitError, Input};
use crate::summary::{FileChange, parse_diff};
use crate::trees::Trees;
use crate::trusted::{Index, copy, parse_tree};
use crate::walk::{DiffLimits, WalkError, Warning};
use std::io;

/// What the agent changed. `git apply --index` of the patch on the base tree gives exactly `tree`; this was tried before the diff was given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// As `git diff --binary --full-index -M` writes it; empty if nothing changed, else it ends with a newline.
    pub patch: Vec<u8>,
    pub files: Vec<FileChange>,
    /// The working tree as git sees it.
    pub tree: TreeId,
    pub warnings: Vec<Warning>,
}

#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    #[error("{0}")]
    Walk(#[source] WalkError),
    #[error("the patch is larger than {limit_bytes} bytes; name what is generated in .gitignore")]
    PatchTooLarge { limit_bytes: usize },
    /// A fault of Outwork or of git: better no diff than a wrong one.
    #[error(
        "the patch does not give the working tree {expected}, but {got}; this is a fault, please report it"
    )]
    Inexact { expected: TreeId, got: String },
    #[error("the trusted git directory cannot be used")]
    Folder(#[source] io::Error),
    #[error(transparent)]
    Git(#[from] GitError),
}

impl Trees {
    /// The patch from the base to this tree, proved.
    pub(crate) async fn exact(
        &self,
        tree: TreeId,
        warnings: Vec<Warning>,
        limits: &DiffLimits,
    ) -> Result<Diff, DiffError> {
        if tree == self.base {
            return Ok(Diff {
                patch: Vec::new(),
                files: Vec::new(),
                tree,
                warnings,
            });
        }
        let mut got = String::new();
        // Should a patch with renames ever be inexact, one without them says the same.
        for renames in ["-M", "--no-renames"] {
            let (files, patch) = self.patch(&tree, renames, limits).await?;
            got = self.applied(&patch, limits).await?;
            if got == tree.as_str() {
                return Ok(Diff {
                    patch,
                    files,
                    tree,
                    warnings,
                });
            }
            tracing::error!(expected = %tree, got, renames, "patch does not give the working tree");
        }
        Err(DiffError::Inexact {
            expected: tree,
            got,
        })
    }

    pub(crate) async fn import(
        &self,
        input: Input<'_>,
        limits: &DiffLimits,
    ) -> Result<TreeId, GitError> {
        // No compression and no deltas: these objects live as long as the attempt.
        let call = self.trusted.call("store the changed files").args([
            "-c",
            "fastimport.unpackLimit=1",
            "-c",
            "core.compression=0",
        ]);
        let call = call.args([
            "fast-import",
            "--quiet",
            "--done",
            "--force",
            "--depth=0",
            "--big-file-threshold=4g",
        ]);
        let answer = call
            .input(input)
            .limit(limits.time * 2)
            .success()
            .await?
            .text();
        tree_in(&answer).ok_or(GitError::Unexpected {
            operation: "store the changed files",
            answer,
        })
    }

    async fn patch(
        &self,
        tree: &TreeId,
        renames: &str,
        limits: &DiffLimits,
    ) -> Result<(Vec<FileChange>, Vec<u8>), DiffError> {
        let call = self.trusted.call("compare two trees").args([
            "diff-tree",
            "-r",
            "-z",
            "--raw",
            "--numstat",
            "--patch",
        ]);
        let call = call.args([
            "--binary",
            "--full-index",
            "--no-abbrev",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "-l1000",
        ]);
        let call = call.args([
            "--src-prefix=a/",
            "--dst-prefix=b/",
            "--unified=3",
            "--ignore-submodules=none",
            renames,
            "--end-of-options",
        ]);
        let call = call.arg(self.base.as_str()).arg(tree.as_str());
        match call
            .limit(limits.time)
            .stdout_limit(limits.max_patch_bytes)
            .success()
            .await
        {
            Ok(output) => Ok(parse_diff(&output.stdout)?),
            Err(GitError::OutputTooLarge { limit_bytes, .. }) => {
                Err(DiffError::PatchTooLarge { limit_bytes })
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// The tree that the patch really gives when git applies it to the base.
    async fn applied(&self, patch: &[u8], limits: &DiffLimits) -> Result<String, DiffError> {
        let index = self.trusted.index(Index::Proof);
        copy(&self.trusted.index(Index::Base), &index).map_err(DiffError::Folder)?;
        let call = self.trusted.call("apply the patch for proof").args([
            "apply",
            "--cached",
            "--binary",
            "--whitespace=nowarn",
            "-",
        ]);
        let output = call
            .env("GIT_INDEX_FILE", &index)
            .input(Input::Bytes(patch))
            .limit(limits.time)
            .output()
            .await?;
        if output.code != Some(0) {
            return Ok(format!("an error ({})", output.stderr));
        }
        let call = self
            .trusted
            .call("write the proof tree")
            .arg("write-tree")
            .env("GIT_INDEX_FILE", &index);
        Ok(parse_tree(&call.limit(limits.time).success().await?.text())?.to_string())
    }
}
