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
mod register;
mod snapshots;

pub(crate) mod routes;

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::stream::BoxStream;
use outwork_api::problem::Code;
use outwork_api::worker as wire;
use outwork_api::worker::{Answer, Bytes, InputKind, OutputKind, WorkerApi};
use outwork_domain::principal::WorkerAccess;
use outwork_domain::{AttemptId, Command, Desired, Epoch, WorkerId, WorkspaceId};
use outwork_store::{AttemptRecord, WorkerRecord};

use crate::plane::Plane;
use crate::refusal::Refusal;

/// The control plane for the workers of one workspace.
#[derive(Clone)]
pub(crate) struct WorkerService {
    plane: Arc<Plane>,
    workspace: WorkspaceId,
}

impl WorkerService {
    pub(crate) fn new(plane: Arc<Plane>, access: &WorkerAccess) -> Self {
        Self {
            plane,
            workspace: access.workspace_id(),
        }
    }

    async fn known(&self, worker: &str) -> Result<WorkerRecord, Refusal> {
        let unknown = || unknown(worker);
        let id: WorkerId = worker.parse().map_err(|_| unknown())?;
        self.plane
            .store
            .worker(self.workspace, id)
            .await?
            .ok_or_else(unknown)
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

fn attempt_id(text: &str) -> Result<AttemptId, Refusal> {
    text.parse().map_err(|_| missing(text))
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
        let wire::Release { epoch } = request;
        let attempt = attempt_id(&attempt)?;
        Ok(self
            .plane
            .store
            .release(self.workspace, attempt, Epoch::new(epoch), self.plane.now())
            .await?)
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
            .remove_worker(self.workspace, record.worker.id)
            .await?)
    }
}
