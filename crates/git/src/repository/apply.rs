//! Applying a diff to the user's own repository, all or nothing.

use super::rollback::Rollback;
use super::ways_out::{sources, ways_out};
use super::{Repository, path_from};
use crate::patch::{Conflict, conflicts_in, list};
use crate::process::{Call, GitError, Input};
use std::io;

#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The tree is as it was.
    #[error("the diff does not apply: {}", list(.conflicts))]
    Conflicts { conflicts: Vec<Conflict> },
    /// Writing failed half-way (a full disk, a folder that may not be written); what was written was put back.
    #[error("the diff could not be written, and the files were put back as they were")]
    NotWritten { source: GitError },
    /// Writing failed, and so did putting back.
    #[error("the diff could not be written, and these files could not be put back: {}", .files.join(", "))]
    NotPutBack {
        files: Vec<String>,
        source: GitError,
    },
    #[error("{path} cannot be read before the diff is applied")]
    Unreadable { path: String, source: io::Error },
    #[error(transparent)]
    Git(#[from] GitError),
}

/// What applying a patch would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyPlan {
    /// Paths that the patch touches, after it; lossless bytes, relative to the top of the repository.
    pub files: Vec<Vec<u8>>,
    /// Empty if the patch applies.
    pub conflicts: Vec<Conflict>,
}

/// Whether conflicts may be left in the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreeWay {
    /// All or nothing; the index is not touched.
    No,
    /// Where the patch does not fit, merge by the blobs it names and leave conflict markers; changes are put in the index.
    Yes,
}

/// What applying did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub files: Vec<Vec<u8>>,
    /// Files with conflict markers; only with [`ThreeWay::Yes`].
    pub conflicted: Vec<Vec<u8>>,
}

impl Repository {
    /// What applying the patch would do; changes nothing.
    pub async fn preflight(&self, patch: &[u8]) -> Result<ApplyPlan, ApplyError> {
        if patch.is_empty() {
            return Ok(ApplyPlan {
                files: Vec::new(),
                conflicts: Vec::new(),
            });
        }
        let output = self
            .apply_call("read the diff")
            .args(["--numstat", "-z", "-"])
            .input(Input::Bytes(patch))
            .output()
            .await?;
        if output.code != Some(0) {
            return Ok(ApplyPlan {
                files: Vec::new(),
                conflicts: reasons("read the diff", output.code, output.stderr)?,
            });
        }
        let files = paths_in(&output.stdout);
        let ways_out = ways_out(&self.top_level, patch, &files);
        if !ways_out.is_empty() {
            return Ok(ApplyPlan {
                files: Vec::new(),
                conflicts: ways_out,
            });
        }
        let checked = self
            .apply_call("check the diff")
            .args(["--check", "-"])
            .input(Input::Bytes(patch))
            .output()
            .await?;
        let conflicts = match checked.code {
            Some(0) => Vec::new(),
            code => reasons("check the diff", code, checked.stderr)?,
        };
        Ok(ApplyPlan { files, conflicts })
    }

    /// Applies the patch to the files. Without three-way it is all or nothing.
    pub async fn apply(&self, patch: &[u8], three_way: ThreeWay) -> Result<Applied, ApplyError> {
        let plan = self.preflight(patch).await?;
        if plan.files.is_empty() && plan.conflicts.is_empty() {
            return Ok(Applied {
                files: plan.files,
                conflicted: Vec::new(),
            });
        }
        match three_way {
            // What cannot be read, or leads out, cannot be merged.
            ThreeWay::Yes if !plan.files.is_empty() => self.apply_three_way(patch, plan).await,
            ThreeWay::Yes | ThreeWay::No if !plan.conflicts.is_empty() => {
                Err(ApplyError::Conflicts {
                    conflicts: plan.conflicts,
                })
            }
            ThreeWay::Yes | ThreeWay::No => self.apply_all_or_nothing(patch, plan.files).await,
        }
    }

    async fn apply_all_or_nothing(
        &self,
        patch: &[u8],
        files: Vec<Vec<u8>>,
    ) -> Result<Applied, ApplyError> {
        let rollback = Rollback::read(&self.top_level, &touched(patch, &files))?;
        let source = match self
            .apply_call("apply the diff")
            .arg("-")
            .input(Input::Bytes(patch))
            .success()
            .await
        {
            Ok(_) => {
                return Ok(Applied {
                    files,
                    conflicted: Vec::new(),
                });
            }
            Err(source) => source,
        };
        Err(rollback.after(source))
    }

    async fn apply_three_way(&self, patch: &[u8], plan: ApplyPlan) -> Result<Applied, ApplyError> {
        let mut rollback = Rollback::read(&self.top_level, &touched(patch, &plan.files))?;
        let index = self
            .call("find the index")
            .args(["rev-parse", "--git-path", "index"])
            .success()
            .await?
            .stdout;
        rollback.keep_index(
            self.top_level
                .join(path_from(index.strip_suffix(b"\n").unwrap_or(&index))),
        )?;
        let output = self
            .apply_call("apply the diff")
            .args(["--3way", "-"])
            .input(Input::Bytes(patch))
            .output()
            .await;
        let output = match output {
            Ok(output) => output,
            Err(source) => return Err(rollback.after(source)),
        };
        let listed = self
            .call("list the conflicts")
            .args([
                "diff",
                "--name-only",
                "-z",
                "--diff-filter=U",
                "--no-ext-diff",
            ])
            .success()
            .await?;
        let unmerged: Vec<Vec<u8>> = listed
            .stdout
            .split(|&byte| byte == 0)
            .filter(|path| !path.is_empty())
            .map(<[u8]>::to_vec)
            .collect();
        let conflicted: Vec<Vec<u8>> = plan
            .files
            .iter()
            .filter(|path| unmerged.contains(path))
            .cloned()
            .collect();
        match output.code {
            Some(0) => Ok(Applied {
                files: plan.files,
                conflicted,
            }),
            Some(1) if !conflicted.is_empty() => Ok(Applied {
                files: plan.files,
                conflicted,
            }),
            // git may have written a part of a patch that it then refuses
            code => {
                let source = GitError::Failed {
                    operation: "apply the diff",
                    code,
                    stderr: output.stderr,
                };
                match (rollback.put_back(), conflicts_of(&source)) {
                    (failed, _) if !failed.is_empty() => Err(ApplyError::NotPutBack {
                        files: failed,
                        source,
                    }),
                    (_, conflicts) if conflicts.is_empty() => {
                        Err(ApplyError::NotWritten { source })
                    }
                    (_, conflicts) => Err(ApplyError::Conflicts { conflicts }),
                }
            }
        }
    }

    /// The user's settings for `git apply` must not change what a diff means.
    fn apply_call(&self, operation: &'static str) -> Call<'_> {
        let call = self.call(operation).args([
            "-c",
            "apply.whitespace=nowarn",
            "-c",
            "apply.ignoreWhitespace=no",
        ]);
        call.args([
            "apply",
            "--binary",
            "--whitespace=nowarn",
            "--no-ignore-whitespace",
            "-p1",
        ])
    }
}

fn conflicts_of(fault: &GitError) -> Vec<Conflict> {
    match fault {
        GitError::Failed { stderr, .. } => conflicts_in(stderr),
        GitError::Start { .. } | GitError::TimedOut { .. } | GitError::OutputTooLarge { .. } => {
            Vec::new()
        }
        GitError::Unexpected { .. } | GitError::Io { .. } => Vec::new(),
    }
}

fn reasons(
    operation: &'static str,
    code: Option<i32>,
    stderr: String,
) -> Result<Vec<Conflict>, ApplyError> {
    let conflicts = conflicts_in(&stderr);
    if conflicts.is_empty() {
        return Err(GitError::Failed {
            operation,
            code,
            stderr,
        }
        .into());
    }
    Ok(conflicts)
}

/// Paths in `git apply --numstat -z`.
fn paths_in(output: &[u8]) -> Vec<Vec<u8>> {
    let records = output
        .split(|&byte| byte == 0)
        .filter(|record| !record.is_empty());
    records
        .filter_map(|record| record.splitn(3, |&byte| byte == b'\t').nth(2))
        .map(<[u8]>::to_vec)
        .collect()
}

/// All paths whose files may change: those after the patch, and where renamed files were.
fn touched(patch: &[u8], files: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut touched = files.to_vec();
    touched.extend(sources(patch, &[b"rename from ", b"rename old "]));
    touched.sort_unstable();
    touched.dedup();
    touched
}
