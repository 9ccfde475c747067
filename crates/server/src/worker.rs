//! The worker protocol, one verb a file. In process and over HTTP the same [`WorkerService`] answers.

mod acquire;
mod advance;
mod append;
mod assignment;
mod checkpoint;
mod claim;
mod commands;
mod finish;
mod heartbeat;
mod message;
mod objects;
mod orders;
mod register;
mod snapshots;
mod stand_by;

pub(crate) mod routes;

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::stream::BoxStream;
use outwork_api::problem::Code;
use outwork_api::worker as wire;
use outwork_api::worker::{Answer, Bytes, InputKind, OutputKind, WorkerApi};
use outwork_domain::principal::{Worker, WorkerAccess};
use outwork_domain::{AttemptId, Command, Desired, Epoch, WorkerId, WorkspaceId};
use outwork_store::{AttemptRecord, WorkerRecord};

pub(crate) use orders::desired_wire;
pub(crate) use register::MAX_SLOTS;

use crate::plane::Plane;
use crate::refusal::Refusal;

/// The control plane for the workers of one workspace.
#[derive(Clone)]
pub(crate) struct WorkerService {
    plane: Arc<Plane>,
    workspace: WorkspaceId,
    /// The only worker that may speak; `None`: any of the workspace.
    only: Option<WorkerId>,
}

impl WorkerService {
    pub(crate) fn new(plane: Arc<Plane>, access: &WorkerAccess) -> Self {
        Self {
            plane,
            workspace: access.workspace_id(),
            only: access.only(),
        }
    }

    async fn known(&self, worker: &str) -> Result<WorkerRecord, Refusal> {
        let unknown = || unknown(worker);
        let id: WorkerId = worker.parse().map_err(|_| unknown())?;
        self.may_speak_for(id)?;
        self.plane
            .store
            .worker(self.workspace, id)
            .await?
            .ok_or_else(unknown)
    }

    /// The worker as it registered; it was heard of.
    async fn heard(&self, worker: &str) -> Result<Arc<Worker>, Refusal> {
        let unknown = || unknown(worker);
        let id: WorkerId = worker.parse().map_err(|_| unknown())?;
        self.may_speak_for(id)?;
        let registered = self.plane.store.registered_worker(self.workspace, id);
        let worker = registered.await?.ok_or_else(unknown)?;
        self.plane.heard.note(id, self.plane.now());
        Ok(worker)
    }

    /// Whether the token is that worker's, or any worker's.
    fn may_speak_for(&self, worker: WorkerId) -> Result<(), Refusal> {
        match self.only {
            Some(only) if only != worker => Err(Refusal::new(
                Code::Forbidden,
                format!("The token is that of worker {only}; it does not speak for another."),
            )
            .with_hint("Each worker uses the token that it was enrolled with.")),
            Some(_) | None => Ok(()),
        }
    }

    /// The id of an attempt, about which the token may speak. That a claim is stale is said by the verb itself: an honest worker has to
    /// hear it, and nothing of it is accepted.
    async fn spoken_of(&self, attempt: &str, epoch: Epoch) -> Result<AttemptId, Refusal> {
        let id = attempt.parse().map_err(|_| missing(attempt))?;
        if self.only.is_some()
            && let Some(holder) = self.plane.store.holder(id, epoch).await?
        {
            self.may_speak_for(holder)?;
        }
        Ok(id)
    }

    /// The attempt, if that claim holds it.
    async fn held(&self, attempt: AttemptId, epoch: Epoch) -> Result<AttemptRecord, Refusal> {
        let record = self
            .plane
            .store
            .attempt(self.workspace, attempt)
            .await?
            .ok_or_else(|| missing(&attempt.to_string()))?;
        // Asked of the domain and thrown away: this is only so that nothing is stored for a stale claim. The write checks again.
        record
            .attempt
            .clone()
            .apply(Command::Renew { epoch }, self.plane.now())?;
        Ok(record)
    }
}

fn unknown(worker: &str) -> Refusal {
    Refusal::not_found("worker", worker).with_hint("Register again.")
}

/// The operator gives no credentials to workers, and this one could do nothing without.
fn no_credentials() -> Refusal {
    Refusal::field(
        "/git_gateway",
        "must be true: this server gives no credentials to workers",
    )
    .with_hint("Use a worker of the server's own version.")
}

fn missing(attempt: &str) -> Refusal {
    Refusal::not_found("attempt", attempt)
}

fn wrong(pointer: &str, detail: impl Into<String>) -> Refusal {
    Refusal::field(pointer, detail)
}

fn desired(desired: Desired) -> wire::Desired {
    match desired {
        Desired::Run => wire::Desired::Run,
        Desired::Cancel { since: _ } => wire::Desired::Cancel,
    }
}

/// PostgreSQL keeps no NUL in a text, and a program may print one.
fn without_nul(text: String) -> String {
    if text.contains('\0') {
        text.replace('\0', "\u{fffd}")
    } else {
        text
    }
}

impl WorkerApi for WorkerService {
    fn register(&self, request: wire::Register) -> Answer<'_, wire::Registered> {
        answer(self.do_register(request))
    }

    fn acquire(&self, request: wire::Acquire) -> Answer<'_, wire::Acquired> {
        answer(self.do_acquire(request))
    }

    fn heartbeat(&self, request: wire::Heartbeat) -> Answer<'_, wire::HeartbeatAnswer> {
        answer(self.do_heartbeat(request))
    }

    fn commands(&self, worker: String) -> Answer<'_, BoxStream<'static, wire::WorkerCommand>> {
        answer(self.do_commands(worker))
    }

    fn advance(&self, attempt: String, request: wire::Advance) -> Answer<'_, wire::AppendAnswer> {
        answer(self.do_advance(attempt, request))
    }

    fn append(&self, attempt: String, request: wire::Append) -> Answer<'_, wire::AppendAnswer> {
        answer(self.do_append(attempt, request))
    }

    fn download(
        &self,
        attempt: String,
        epoch: i64,
        kind: InputKind,
        repository: Option<String>,
    ) -> Answer<'_, Bytes> {
        answer(self.do_download(attempt, Epoch::new(epoch), kind, repository))
    }

    fn upload(
        &self,
        attempt: String,
        epoch: i64,
        kind: OutputKind,
        repository: Option<String>,
        content: Bytes,
    ) -> Answer<'_, ()> {
        answer(self.do_upload(attempt, Epoch::new(epoch), kind, repository, content))
    }

    fn checkpoint(
        &self,
        attempt: String,
        request: wire::Checkpoint,
    ) -> Answer<'_, wire::Checkpointed> {
        answer(self.do_checkpoint(attempt, request))
    }

    fn finish(&self, attempt: String, request: wire::Finish) -> Answer<'_, ()> {
        answer(self.do_finish(attempt, request))
    }

    fn release(&self, attempt: String, request: wire::Release) -> Answer<'_, ()> {
        answer(self.do_release(attempt, request))
    }

    fn snapshots(&self, request: wire::SnapshotInventory) -> Answer<'_, ()> {
        answer(self.do_snapshots(request))
    }

    fn deregister(&self, request: wire::Deregister) -> Answer<'_, ()> {
        answer(self.do_deregister(request))
    }
}

#[expect(clippy::result_large_err, reason = "the protocol's own type")]
fn answer<'a, T: 'a>(verb: impl Future<Output = Result<T, Refusal>> + Send + 'a) -> Answer<'a, T> {
    verb.map(|result| result.map_err(Refusal::into_worker_error))
        .boxed()
}

impl WorkerService {
    async fn do_release(&self, attempt: String, request: wire::Release) -> Result<(), Refusal> {
        let wire::Release { epoch, resume } = request;
        let epoch = Epoch::new(epoch);
        let attempt = self.spoken_of(&attempt, epoch).await?;
        let (store, now) = (&self.plane.store, self.plane.now());
        match resume {
            true => store.hand_over(self.workspace, attempt, epoch, now).await?,
            false => store.release(self.workspace, attempt, epoch, now).await?,
        }
        Ok(())
    }

    async fn do_deregister(&self, request: wire::Deregister) -> Result<(), Refusal> {
        let wire::Deregister { worker } = request;
        let record = self.known(&worker).await?;
        if let Some(held) = record.attempts.first() {
            return Err(
                Refusal::new(Code::Conflict, format!("The worker still holds {held}."))
                    .with_hint("Finish or release its attempts first."),
            );
        }
        Ok(self
            .plane
            .store
            .remove_worker(self.workspace, record.worker.id, self.plane.now())
            .await?)
    }
}
