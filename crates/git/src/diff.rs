//! The exact diff of a working tree that must be assumed hostile, proved before it is given out.

use crate::base::Hints;
use crate::checkout::{Checkout, copy_index, parse_tree};
use crate::git_dir::empty_tree;
use crate::import::{Importer, tree_in};
use crate::index::parse_index;
use crate::names::TreeId;
use crate::process::{Call, GitError, Input};
use crate::summary::{FileChange, parse_diff};
use crate::tree_dir::{Content, TreeRoot, read_in};
use crate::walk::{DiffLimits, WalkError, WalkInput, Walked, Warning, walk};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tokio::sync::mpsc;

const AGENT_INDEX_BYTES: u64 = 64 * 1024 * 1024;
const CHUNKS_WAITING: usize = 3;

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

impl Checkout {
    /// Compares the checkout with its base. May be called any number of times, also while the agent runs (a checkpoint).
    pub async fn diff(&self, limits: &DiffLimits) -> Result<Diff, DiffError> {
        self.diff_of(&self.directory, limits).await
    }

    /// The same for a working tree that is seen at another path, such as an overlay's.
    pub async fn diff_of(&self, tree: &Path, limits: &DiffLimits) -> Result<Diff, DiffError> {
        let _turn = self.one_diff_at_a_time.lock().await;
        let (tree, warnings) = self.tree_of(tree, limits).await?;
        if tree == self.base_tree {
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

    /// Walks the tree and lets git name what was found.
    async fn tree_of(
        &self,
        tree: &Path,
        limits: &DiffLimits,
    ) -> Result<(TreeId, Vec<Warning>), DiffError> {
        let root =
            TreeRoot::open(tree).map_err(|source| DiffError::Walk(WalkError::Root(source)))?;
        let (sender, mut receiver) = mpsc::channel(CHUNKS_WAITING);
        let given_up = GivenUp(Arc::new(AtomicBool::new(false)));
        let walking = {
            let given_up = Arc::clone(&given_up.0);
            let (base, base_tree) = (Arc::clone(&self.base), self.base_tree.clone());
            let (carried, limits) = (self.carried.clone(), limits.clone());
            let sha256 = self.commit.object().is_sha256();
            tokio::task::spawn_blocking(move || {
                let mut hints = carried;
                let index_warning = add_agent_index(&root, &mut hints, &base, sha256);
                let give_up_at = Instant::now() + limits.time;
                let input = WalkInput {
                    root: &root,
                    base: &base,
                    hints: &hints,
                    limits: &limits,
                    give_up_at,
                    given_up: &given_up,
                    sha256,
                };
                let mut importer = Importer::new(sender);
                let Walked {
                    changes,
                    mut warnings,
                } = walk(&input, &mut importer)?;
                importer
                    .finish(&base_tree, &changes)
                    .map_err(|_| WalkError::GivenUp)?;
                warnings.extend(index_warning);
                Ok(warnings)
            })
        };
        let imported = match receiver.recv().await {
            None => Ok(self.base_tree.clone()),
            Some(first) => {
                self.import(
                    Input::Stream {
                        first,
                        rest: receiver,
                    },
                    limits,
                )
                .await
            }
        };
        let warnings = walking.await.unwrap_or(Err(WalkError::GivenUp));
        match (imported, warnings) {
            (Ok(tree), Ok(warnings)) => Ok((tree, warnings)),
            // When one side ends early the other fails too: the walk knows better why, unless it only lost its reader.
            (Err(fault), Ok(_) | Err(WalkError::GivenUp)) => Err(fault.into()),
            (_, Err(fault)) => Err(DiffError::Walk(fault)),
        }
    }

    async fn import(&self, input: Input<'_>, limits: &DiffLimits) -> Result<TreeId, GitError> {
        // No compression and no deltas: these objects live as long as the attempt.
        let call = self.trusted("store the changed files").args([
            "-c",
            "fastimport.unpackLimit=1",
            "-c",
            "core.compression=0",
        ]);
        let call = call.args([
            "-c",
            "core.fsync=none",
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
        let call = self.trusted("compare two trees").args([
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
        let call = call.arg(self.base_tree.as_str()).arg(tree.as_str());
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
        let index = self.trusted_git_dir.join("proof-index");
        copy_index(&self.trusted_git_dir.join("index"), &index).map_err(DiffError::Folder)?;
        let call = self.trusted("apply the patch for proof").args([
            "-c",
            "core.fsync=none",
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
            .trusted("write the proof tree")
            .args(["-c", "core.fsync=none", "write-tree"])
            .env("GIT_INDEX_FILE", &index);
        Ok(parse_tree(&call.limit(limits.time).success().await?.text())?.to_string())
    }

    /// A git that sees the trusted directory only: no working tree, so nothing of the agent's can be read by accident.
    fn trusted(&self, operation: &'static str) -> Call<'_> {
        self.git
            .call(operation)
            .git_dir(&self.trusted_git_dir)
            .env("GIT_ATTR_SOURCE", empty_tree(self.commit.object()))
    }
}

/// Stops the walking thread when the diff is dropped.
struct GivenUp(Arc<AtomicBool>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads which paths the agent's own index names. Anything odd about it only means that there are no such hints.
fn add_agent_index(
    root: &TreeRoot,
    hints: &mut Hints,
    base: &crate::base::Base,
    sha256: bool,
) -> Option<Warning> {
    let folder = root.open_folder(b".git").ok()?;
    match read_in(&folder, b"index", AGENT_INDEX_BYTES) {
        Ok(Content::Bytes(bytes)) => match parse_index(&bytes, sha256) {
            Ok(entries) => {
                hints.add_index(entries, base);
                None
            }
            Err(_) => Some(Warning::AgentIndex),
        },
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => None,
        Ok(Content::TooLarge { .. } | Content::NotAFile) | Err(_) => Some(Warning::AgentIndex),
    }
}
