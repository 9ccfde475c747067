//! What an attempt starts from and what it hands in. An object is named by the claim that made it, so a stale worker cannot overwrite the
//! result of another.

use outwork_api::problem::Code;
use outwork_api::worker::{Bytes, InputKind, OutputKind};
use outwork_domain::limits::{DIFF_BYTES, SESSION_BYTES};
use outwork_domain::{AttemptId, Epoch, ObjectKey};
use outwork_store::{AttemptRecord, StoreError};

use super::{WorkerService, attempt_id};
use crate::refusal::Refusal;
use crate::view::task::diff;

impl WorkerService {
    pub(super) async fn do_download(
        &self,
        attempt: String,
        epoch: Epoch,
        kind: InputKind,
    ) -> Result<Bytes, Refusal> {
        let id = attempt_id(&attempt)?;
        let record = self.held(id, epoch).await?;
        let key = self.input(&record, kind).await?;
        let none = || {
            Refusal::new(
                Code::NotFound,
                format!("The attempt has no input `{}`.", kind.as_str()),
            )
        };
        let gone = || StoreError::Corrupt {
            what: format!("{} whose object is gone", kind.as_str()),
        };
        let content = self
            .plane
            .objects
            .get(&key.ok_or_else(none)?)
            .await?
            .ok_or_else(gone)?;
        Ok(content.to_vec())
    }

    async fn input(
        &self,
        record: &AttemptRecord,
        kind: InputKind,
    ) -> Result<Option<ObjectKey>, Refusal> {
        let attempt = &record.attempt;
        let gone = || StoreError::Corrupt {
            what: "attempt without its task".to_owned(),
        };
        let task = self
            .plane
            .store
            .task(self.workspace, attempt.task_id)
            .await?
            .ok_or_else(gone)?;
        if kind == InputKind::StartingDiff {
            return Ok(task.task.base.starting_diff);
        }
        let turn = task
            .turns
            .iter()
            .find(|turn| turn.turn.id == attempt.turn_id)
            .ok_or_else(gone)?;
        let Some(continued) = turn.turn.continues else {
            return Ok(None);
        };
        let continued = self
            .plane
            .store
            .attempt(self.workspace, continued)
            .await?
            .ok_or_else(gone)?;
        Ok(match kind {
            InputKind::StartingDiff => None,
            InputKind::CarriedDiff => diff(&continued).map(|diff| diff.key.clone()),
            InputKind::Session => continued.result.and_then(|result| result.session),
        })
    }

    pub(super) async fn do_upload(
        &self,
        attempt: String,
        epoch: Epoch,
        kind: OutputKind,
        content: Bytes,
    ) -> Result<(), Refusal> {
        let id = attempt_id(&attempt)?;
        let most = match kind {
            OutputKind::Diff => DIFF_BYTES,
            OutputKind::Session => SESSION_BYTES,
        };
        if content.len() > most {
            let detail = format!(
                "The {} has {} bytes; at most {most} are taken.",
                kind.as_str(),
                content.len()
            );
            return Err(Refusal::new(Code::TooLarge, detail));
        }
        self.plane.need_space()?;
        self.held(id, epoch).await?;
        Ok(self
            .plane
            .objects
            .put(&key(id, epoch, kind), content.into())
            .await?)
    }
}

pub(super) fn key(attempt: AttemptId, epoch: Epoch, kind: OutputKind) -> ObjectKey {
    match kind {
        OutputKind::Diff => ObjectKey::diff(attempt, epoch),
        OutputKind::Session => ObjectKey::session(attempt, epoch),
    }
}
