//! What an attempt starts from and what it hands in. An object is named by the claim that made it, so a stale worker cannot overwrite the
//! result of another.

use outwork_api::problem::Code;
use outwork_api::worker::{Bytes, InputKind, OutputKind};
use outwork_domain::limits::{DIFF_BYTES, SESSION_BYTES};
use outwork_domain::{AttemptId, Epoch, ObjectKey};
use outwork_failpoint as failpoint;
use outwork_store::{AttemptRecord, StoreError, TaskRecord};

use super::WorkerService;
use crate::refusal::Refusal;
use crate::view::attempt::{diff, session};
use crate::view::task::repository;

/// Which repository of an assignment is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Which {
    First,
    /// Its name, which is one of the task's.
    Further(String),
}

impl WorkerService {
    pub(super) async fn do_download(
        &self,
        attempt: String,
        epoch: Epoch,
        kind: InputKind,
        repository: Option<String>,
    ) -> Result<Bytes, Refusal> {
        let id = self.spoken_of(&attempt, epoch).await?;
        let record = self.held(id, epoch).await?;
        let task = self.task(&record).await?;
        let which = which(&task, repository.as_deref())?;
        let key = self.input(&record, task, kind, &which).await?;
        let none = || {
            let detail = format!("The attempt has no input `{}`.", kind.as_str());
            Refusal::new(Code::NotFound, detail)
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

    /// The task of an attempt.
    pub(super) async fn task(&self, record: &AttemptRecord) -> Result<TaskRecord, Refusal> {
        let task = record.attempt.task_id;
        let found = self.plane.store.task(self.workspace, task).await?;
        Ok(found.ok_or_else(gone)?)
    }

    async fn input(
        &self,
        record: &AttemptRecord,
        task: TaskRecord,
        kind: InputKind,
        which: &Which,
    ) -> Result<Option<ObjectKey>, Refusal> {
        // Starting changes and the session have to do with the first alone.
        let first = *which == Which::First;
        if kind == InputKind::StartingDiff {
            return Ok(task.task.base.starting_diff.filter(|_| first));
        }
        let Some(continued) = continued(record, &task)? else {
            let session = task.task.base.starting_session;
            return Ok(session.filter(|_| first && kind == InputKind::Session));
        };
        let continued = self
            .plane
            .store
            .attempt(self.workspace, continued)
            .await?
            .ok_or_else(gone)?;
        Ok(match kind {
            InputKind::StartingDiff => None,
            InputKind::CarriedDiff => {
                let name = match which {
                    Which::First => &continued.repository,
                    Which::Further(name) => name,
                };
                diff(&continued, name).map(|diff| diff.key.clone())
            }
            InputKind::Session => session(&continued).filter(|_| first).cloned(),
        })
    }

    /// Where what is handed in goes. A checkpoint takes turns with the one before it, which stays whole meanwhile.
    pub(super) async fn output(
        &self,
        attempt: AttemptId,
        epoch: Epoch,
        kind: OutputKind,
        which: &Which,
    ) -> Result<ObjectKey, Refusal> {
        Ok(match kind {
            OutputKind::Diff => match which {
                Which::First => ObjectKey::diff(attempt, epoch),
                Which::Further(name) => ObjectKey::repository_diff(attempt, epoch, name),
            },
            OutputKind::Session => ObjectKey::session(attempt, epoch),
            OutputKind::CheckpointDiff | OutputKind::CheckpointSession => {
                let made = self.plane.store.checkpoints(attempt, epoch).await?;
                let turn = made % 2 == 1;
                match (kind, which) {
                    (OutputKind::CheckpointSession, _) => {
                        ObjectKey::checkpoint_session(attempt, epoch, turn)
                    }
                    (_, Which::First) => ObjectKey::checkpoint_diff(attempt, epoch, turn, None),
                    (_, Which::Further(name)) => {
                        ObjectKey::checkpoint_diff(attempt, epoch, turn, Some(name))
                    }
                }
            }
        })
    }

    pub(super) async fn do_upload(
        &self,
        attempt: String,
        epoch: Epoch,
        kind: OutputKind,
        repository: Option<String>,
        content: Bytes,
    ) -> Result<(), Refusal> {
        let id = self.spoken_of(&attempt, epoch).await?;
        let most = match kind {
            OutputKind::Diff | OutputKind::CheckpointDiff => DIFF_BYTES,
            OutputKind::Session | OutputKind::CheckpointSession => SESSION_BYTES,
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
        let record = self.held(id, epoch).await?;
        let which = match &repository {
            None => Which::First,
            Some(name) => which(&self.task(&record).await?, Some(name))?,
        };
        let key = self.output(id, epoch, kind, &which).await?;
        failpoint::pass("server.upload.before");
        self.plane.objects.put(&key, content.into()).await?;
        failpoint::pass("server.upload.after");
        Ok(())
    }
}

/// The attempt whose work and session it goes on from: itself if it has a result already, after an answer or when a worker handed it over.
fn continued(record: &AttemptRecord, task: &TaskRecord) -> Result<Option<AttemptId>, StoreError> {
    if record.result.is_some() {
        return Ok(Some(record.attempt.id));
    }
    let mut turns = task.turns.iter();
    let turn = turns.find(|turn| turn.turn.id == record.attempt.turn_id);
    Ok(turn.ok_or_else(gone)?.turn.continues)
}

fn gone() -> StoreError {
    StoreError::Corrupt {
        what: "attempt without its task".to_owned(),
    }
}

/// The repository of that name; the first when none is named.
pub(super) fn which(task: &TaskRecord, name: Option<&str>) -> Result<Which, Refusal> {
    Ok(match repository(task, name)? {
        name if name == task.repository => Which::First,
        name => Which::Further(name.to_owned()),
    })
}
