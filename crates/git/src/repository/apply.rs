//! Applying a diff to the user's own repository, all or nothing, and taking it back.

use super::Repository;
use super::record::{self, Before, Record};
use super::reversible::reversible;
use super::rollback::Rollback;
use super::ways_out::{sources, ways_out};
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    /// As if the patch had its two sides exchanged.
    Back,
}

/// What applying did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub files: Vec<Vec<u8>>,
    /// Files with conflict markers; only with [`ThreeWay::Yes`].
    pub conflicted: Vec<Vec<u8>>,
}

/// What was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    /// Under which it had been applied.
    pub label: String,
    pub files: Vec<Vec<u8>>,
}

impl Repository {
    /// What applying the patch would do; changes nothing.
    pub async fn preflight(&self, patch: &[u8]) -> Result<ApplyPlan, ApplyError> {
        self.plan(patch, Direction::Forward).await
    }

    async fn plan(&self, patch: &[u8], direction: Direction) -> Result<ApplyPlan, ApplyError> {
        if patch.is_empty() {
            return Ok(ApplyPlan {
                files: Vec::new(),
                conflicts: Vec::new(),
            });
        }
        // Mostly it fits, and is read once.
        let read = |operation, args: &'static [&'static str]| {
            let call = self.apply_call(operation, direction).args(args);
            call.input(Input::Bytes(patch)).output()
        };
        let checked = read("check the diff", &["--numstat", "--check", "-z", "-"]).await?;
        let listed = match checked.code {
            Some(0) => &checked,
            _ => &read("read the diff", &["--numstat", "-z", "-"]).await?,
        };
        if listed.code != Some(0) {
            return Ok(ApplyPlan {
                files: Vec::new(),
                conflicts: reasons("read the diff", listed.code, listed.stderr.clone())?,
            });
        }
        let files = paths_in(&listed.stdout);
        let ways_out = ways_out(&self.top_level, patch, &files);
        if !ways_out.is_empty() {
            return Ok(ApplyPlan {
                files: Vec::new(),
                conflicts: ways_out,
            });
        }
        let conflicts = match checked.code {
            Some(0) => Vec::new(),
            code => reasons("check the diff", code, checked.stderr)?,
        };
        Ok(ApplyPlan { files, conflicts })
    }

    /// Applies the patch to the files. Without three-way it is all or nothing. Under this label it can be taken back
    /// ([`Repository::undo`]).
    pub async fn apply(
        &self,
        patch: &[u8],
        three_way: ThreeWay,
        label: &str,
    ) -> Result<Applied, ApplyError> {
        let plan = self.preflight(patch).await?;
        if plan.files.is_empty() && plan.conflicts.is_empty() {
            return Ok(Applied {
                files: plan.files,
                conflicted: Vec::new(),
            });
        }
        match three_way {
            // What cannot be read, or leads out, cannot be merged.
            ThreeWay::Yes if !plan.files.is_empty() => {
                let touched = touched(patch, &plan.files);
                let before = self.tracked(&touched).await?;
                let applied = self.apply_three_way(patch, plan).await?;
                // It is applied, whether or not it can be taken back.
                if let Err(error) = self.keep_merged(before, &touched, label).await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "what was merged cannot be taken back"
                    );
                }
                Ok(applied)
            }
            ThreeWay::Yes | ThreeWay::No if !plan.conflicts.is_empty() => {
                Err(ApplyError::Conflicts {
                    conflicts: plan.conflicts,
                })
            }
            ThreeWay::Yes | ThreeWay::No => {
                // Before anything is written: whoever is killed in between can take it back.
                let record = Record {
                    label: label.to_owned(),
                    patch: patch.to_owned(),
                    index: None,
                };
                let kept = self.keep(&record).await?;
                let forward = Direction::Forward;
                let applied = self.apply_all_or_nothing(patch, plan.files, forward).await;
                if applied.is_err() {
                    record::forget(&kept);
                }
                applied
            }
        }
    }

    async fn keep_merged(
        &self,
        before: Before,
        touched: &[Vec<u8>],
        label: &str,
    ) -> Result<(), ApplyError> {
        let record = Record {
            label: label.to_owned(),
            patch: self.changed_since(&before, touched).await?,
            index: Some(before.index),
        };
        self.keep(&record).await.map(drop)
    }

    /// Takes back the newest diff that was applied under this label, or under any; `None` when there is none.
    pub async fn undo(
        &self,
        is_meant: impl Fn(&str) -> bool,
    ) -> Result<Option<Undone>, ApplyError> {
        let Some((record, place)) = self.newest_record(is_meant).await? else {
            return Ok(None);
        };
        let patch = reversible(&record.patch);
        let plan = self.plan(&patch, Direction::Back).await?;
        if !plan.conflicts.is_empty() {
            return Err(ApplyError::Conflicts {
                conflicts: plan.conflicts,
            });
        }
        let back = Direction::Back;
        let mut applied = self.apply_all_or_nothing(&patch, plan.files, back).await?;
        // In the patch's own order.
        applied.files.reverse();
        if let Some(entries) = &record.index {
            self.put_into_index(entries, &applied.files).await?;
        }
        record::forget(&place);
        Ok(Some(Undone {
            label: record.label,
            files: applied.files,
        }))
    }

    async fn apply_all_or_nothing(
        &self,
        patch: &[u8],
        files: Vec<Vec<u8>>,
        direction: Direction,
    ) -> Result<Applied, ApplyError> {
        let rollback = Rollback::read(&self.top_level, &touched(patch, &files))?;
        let source = match self
            .apply_call("apply the diff", direction)
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
        rollback.keep_index(self.git_path("index").await?)?;
        let output = self
            .apply_call("apply the diff", Direction::Forward)
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
    fn apply_call(&self, operation: &'static str, direction: Direction) -> Call<'_> {
        let call = self.call(operation).args([
            "-c",
            "apply.whitespace=nowarn",
            "-c",
            "apply.ignoreWhitespace=no",
        ]);
        let call = call.args([
            "apply",
            "--binary",
            "--whitespace=nowarn",
            "--no-ignore-whitespace",
            "-p1",
        ]);
        match direction {
            Direction::Forward => call,
            Direction::Back => call.arg("--reverse"),
        }
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

/// All paths whose files may change: those after the patch, and both names of renamed files.
fn touched(patch: &[u8], files: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut touched = files.to_vec();
    let renames: [&[u8]; 3] = [b"rename from ", b"rename old ", b"rename to "];
    touched.extend(sources(patch, &renames));
    touched.sort_unstable();
    touched.dedup();
    touched
}
