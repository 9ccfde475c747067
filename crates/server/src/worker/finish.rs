//! The end of an attempt.

use outwork_api::problem::Code;
use outwork_api::worker::{Finish, Outcome, OutputKind};
use outwork_domain::attempt;
use outwork_domain::{AttemptId, Epoch, Failure, FailureCode};
use outwork_store::{AttemptResult, StoredDiff};

use super::{WorkerService, attempt_id, objects, without_nul};
use crate::refusal::Refusal;
use crate::view::attempt::{stat, tokens};

impl WorkerService {
    /// A result names only objects that were handed in, by this very claim.
    pub(super) async fn do_finish(&self, attempt: String, request: Finish) -> Result<(), Refusal> {
        let Finish {
            epoch,
            outcome,
            diff,
            has_session,
            message,
            tokens: used,
            last_seq,
        } = request;
        let id = attempt_id(&attempt)?;
        let epoch = Epoch::new(epoch);
        self.held(id, epoch).await?;
        let diff = match diff {
            None => None,
            Some(size) => Some(StoredDiff {
                key: objects::key(id, epoch, OutputKind::Diff),
                stat: stat(size),
                size_bytes: self.handed_in(id, epoch, OutputKind::Diff).await?,
            }),
        };
        if has_session {
            self.handed_in(id, epoch, OutputKind::Session).await?;
        }
        let result = AttemptResult {
            epoch,
            diff,
            session: has_session.then(|| objects::key(id, epoch, OutputKind::Session)),
            message: message.map(without_nul),
            tokens: used.map(tokens),
        };
        let outcome = domain_outcome(outcome);
        Ok(self
            .plane
            .store
            .finish(
                self.workspace,
                id,
                epoch,
                outcome,
                result,
                last_seq,
                self.plane.now(),
            )
            .await?)
    }

    /// How long the object is, in bytes.
    async fn handed_in(
        &self,
        attempt: AttemptId,
        epoch: Epoch,
        kind: OutputKind,
    ) -> Result<u64, Refusal> {
        let size_bytes = self
            .plane
            .objects
            .size(&objects::key(attempt, epoch, kind))
            .await?;
        let missing = || {
            Refusal::new(
                Code::OutOfOrder,
                format!(
                    "The result names a {} that was not handed in.",
                    kind.as_str()
                ),
            )
            .with_hint("Upload it first, then finish.")
        };
        size_bytes.ok_or_else(missing)
    }
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
