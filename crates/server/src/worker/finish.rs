//! The end of an attempt.

use std::time::Duration;

use outwork_api::problem::Code;
use outwork_api::task::RepositoryDiff;
use outwork_api::worker::{Finish, Outcome, OutputKind};
use outwork_domain::attempt;
use outwork_domain::evidence::Evidence;
use outwork_domain::limits::{CHANGED_TESTS, PATHS};
use outwork_domain::{AttemptId, Epoch, Failure, FailureCode, ObjectKey, overlap};
use outwork_failpoint as failpoint;
use outwork_store::{AttemptRecord, AttemptResult, FurtherDiff, HandedIn, StoredDiff, Touched};

use super::objects::{self, Which};
use super::{WorkerService, without_nul, wrong};
use crate::refusal::Refusal;
use crate::view::attempt::{stored_stat, tokens};
use crate::view::evidence;

impl WorkerService {
    /// A result names only objects that were handed in, by this very claim.
    pub(super) async fn do_finish(&self, attempt: String, request: Finish) -> Result<(), Refusal> {
        let Finish {
            epoch,
            outcome,
            diffs,
            has_session,
            message,
            tokens: used,
            verification,
            agent_ms,
            paths,
            changed_tests,
            last_seq,
        } = request;
        let epoch = Epoch::new(epoch);
        let id = self.spoken_of(&attempt, epoch).await?;
        // So that nothing is looked up for a stale claim. The write checks again.
        let diffs = match diffs.is_empty() && !has_session {
            true => Diffs::default(),
            false => {
                let record = self.held(id, epoch).await?;
                self.diffs(&record, epoch, OutputKind::Diff, diffs).await?
            }
        };
        let touched = self.touched(&diffs).await?;
        let Diffs {
            first,
            further: further_diffs,
        } = diffs;
        let session = match has_session {
            true => Some(self.session(id, epoch, OutputKind::Session).await?),
            false => None,
        };
        let result = AttemptResult {
            epoch,
            diff: first,
            further_diffs,
            session,
            message: message.map(without_nul),
            tokens: used.map(tokens),
            evidence: Evidence {
                verification: verification.map(|it| evidence::stored(*it)),
                agent_time: agent_ms.map(Duration::from_millis),
                paths: evidence::kept(paths, PATHS),
                changed_tests: evidence::kept(changed_tests, CHANGED_TESTS),
            },
        };
        let handed_in = HandedIn { result, touched };
        let outcome = domain_outcome(outcome);
        failpoint::pass("server.finish.before");
        self.plane
            .store
            .finish(
                self.workspace,
                id,
                epoch,
                outcome,
                handed_in,
                last_seq,
                self.plane.now(),
            )
            .await?;
        failpoint::pass("server.finish.after");
        Ok(())
    }

    /// The diffs that are named, in the order of the task's repositories.
    pub(super) async fn diffs(
        &self,
        record: &AttemptRecord,
        epoch: Epoch,
        kind: OutputKind,
        named: Vec<RepositoryDiff>,
    ) -> Result<Diffs, Refusal> {
        let mut diffs = Diffs::default();
        if named.is_empty() {
            return Ok(diffs);
        }
        let task = self.task(record).await?;
        for (
            index,
            RepositoryDiff {
                repository,
                summary,
            },
        ) in named.into_iter().enumerate()
        {
            let pointer = format!("/diffs/{index}/repository");
            let which = objects::which(&task, Some(&repository)).map_err(|unknown| {
                let detail = "is not one of the task's repositories".to_owned();
                wrong(&pointer, detail)
                    .with_hint(unknown.problem().hint.clone().unwrap_or_default())
            })?;
            let key = self.output(record.attempt.id, epoch, kind, &which).await?;
            let diff = StoredDiff {
                size_bytes: self
                    .handed_in(&key, &format!("diff of `{repository}`"))
                    .await?,
                stat: stored_stat(summary),
                key,
            };
            let twice = match which {
                Which::First => diffs.first.replace(diff).is_some(),
                Which::Further(repository) => {
                    let before = diffs.further.iter();
                    let twice = before.clone().any(|before| before.repository == repository);
                    diffs.further.push(FurtherDiff { repository, diff });
                    twice
                }
            };
            if twice {
                return Err(wrong(&pointer, "is named twice"));
            }
        }
        let order = |diff: &FurtherDiff| {
            let mut bases = task.task.base.further.iter();
            bases.position(|base| base.name == diff.repository)
        };
        diffs.further.sort_by_key(order);
        Ok(diffs)
    }

    /// The files that the diffs change, for the radar; a diff that cannot be read is about none.
    pub(super) async fn touched(&self, diffs: &Diffs) -> Result<Vec<Touched>, Refusal> {
        let Diffs { first, further } = diffs;
        let further = further
            .iter()
            .map(|further| (Some(&further.repository), &further.diff));
        let mut touched = Vec::new();
        for (repository, diff) in first.iter().map(|diff| (None, diff)).chain(further) {
            let content = self.plane.objects.get(&diff.key).await?;
            let content = content.unwrap_or_default();
            // A large one takes a while.
            let read = tokio::task::spawn_blocking(move || {
                outwork_git::touched(&content, overlap::TOUCHED)
            });
            let paths = match read.await {
                Ok(Ok(paths)) => paths,
                Ok(Err(fault)) => {
                    tracing::warn!(key = diff.key.as_str(), %fault, "a diff cannot be read");
                    Vec::new()
                }
                Err(fault) => {
                    tracing::error!(key = diff.key.as_str(), %fault, "a diff was not read");
                    Vec::new()
                }
            };
            touched.push(Touched {
                repository: repository.cloned(),
                paths,
            });
        }
        Ok(touched)
    }

    /// The session that was handed in.
    pub(super) async fn session(
        &self,
        attempt: AttemptId,
        epoch: Epoch,
        kind: OutputKind,
    ) -> Result<ObjectKey, Refusal> {
        let key = self.output(attempt, epoch, kind, &Which::First).await?;
        self.handed_in(&key, "session").await?;
        Ok(key)
    }

    /// How long the object is, in bytes.
    async fn handed_in(&self, key: &ObjectKey, what: &str) -> Result<u64, Refusal> {
        let size_bytes = self.plane.objects.size(key).await?;
        let missing = || {
            let detail = format!("The result names a {what} that was not handed in.");
            Refusal::new(Code::OutOfOrder, detail).with_hint("Upload it first, then finish.")
        };
        size_bytes.ok_or_else(missing)
    }
}

/// The diffs of a result.
#[derive(Default)]
pub(super) struct Diffs {
    pub(super) first: Option<StoredDiff>,
    pub(super) further: Vec<FurtherDiff>,
}

fn domain_outcome(outcome: Outcome) -> attempt::Outcome {
    match outcome {
        Outcome::Succeeded {} => attempt::Outcome::Succeeded,
        Outcome::Cancelled {} => attempt::Outcome::Cancelled,
        Outcome::AwaitingInput { question } => attempt::Outcome::AwaitingInput {
            question: without_nul(question),
        },
        Outcome::Failed { failure } => {
            let outwork_api::task::Failure {
                code,
                message,
                hint,
            } = failure;
            attempt::Outcome::Failed(Failure {
                code: FailureCode::parse(&code).unwrap_or(FailureCode::Internal),
                message: without_nul(message),
                hint: hint.map(without_nul),
            })
        }
    }
}
