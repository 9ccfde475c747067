//! What workers do: claim, renew, advance, finish, release.

use outwork_domain::attempt::{Outcome, Refused};
use outwork_domain::{AttemptId, Desired, Epoch, Step, Timestamp, WorkerId, WorkspaceId};

use crate::error::StoreError;
use crate::record::{AttemptResult, Claimed};
use crate::store::Store;

impl Store {
    /// Gives `worker` at most `max` visible attempts of environments whose agent is in `agents`,
    /// those that wait longest first.
    pub async fn claim(
        &self,
        workspace: WorkspaceId,
        worker: WorkerId,
        agents: &[String],
        max: u32,
        now: Timestamp,
    ) -> Result<Vec<Claimed>, StoreError> {
        let _ = (workspace, worker, agents, max, now);
        unimplemented!()
    }

    /// Renews the leases that `worker` holds: for each claim, in the order given, what is wanted
    /// of it or why it is not this worker's any more.
    pub async fn renew(
        &self,
        worker: WorkerId,
        claims: &[(AttemptId, Epoch)],
        now: Timestamp,
    ) -> Result<Vec<Result<Desired, Refused>>, StoreError> {
        let _ = (worker, claims, now);
        unimplemented!()
    }

    /// The worker goes to `step`. Answers what is wanted, and the number of the last event
    /// of this claim that is stored. Renews the lease.
    pub async fn advance(
        &self,
        workspace: WorkspaceId,
        attempt: AttemptId,
        epoch: Epoch,
        step: Step,
        now: Timestamp,
    ) -> Result<(Desired, i64), StoreError> {
        let _ = (workspace, attempt, epoch, step, now);
        unimplemented!()
    }

    /// The worker is done. `last_seq` is the number of the last event it sent in this claim
    /// (0: none). Errors: [`StoreError::Gap`] if that one is not stored,
    /// [`StoreError::Refused`] with [`Refused::Ended`] if it was finished before.
    #[expect(
        clippy::too_many_arguments,
        reason = "one verb of the worker API; each is named there"
    )]
    pub async fn finish(
        &self,
        workspace: WorkspaceId,
        attempt: AttemptId,
        epoch: Epoch,
        outcome: Outcome,
        result: AttemptResult,
        last_seq: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let _ = (workspace, attempt, epoch, outcome, result, last_seq, now);
        unimplemented!()
    }

    /// The worker gives the attempt back unfinished.
    pub async fn release(
        &self,
        workspace: WorkspaceId,
        attempt: AttemptId,
        epoch: Epoch,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let _ = (workspace, attempt, epoch, now);
        unimplemented!()
    }
}
