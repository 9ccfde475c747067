//! An attempt's log.

use outwork_domain::{AttemptId, Desired, Epoch, Timestamp, WorkspaceId};

use crate::error::StoreError;
use crate::record::{EventRow, NewEventRow};
use crate::store::Store;

impl Store {
    /// Appends events of the claim `epoch`, numbered by the worker from `first_seq` (the first
    /// event of a claim is 1); those stored before are skipped. Answers what is wanted, and the
    /// number of the last event of this claim that is stored. Renews the lease. Errors:
    /// [`StoreError::Gap`].
    pub async fn append(
        &self,
        workspace: WorkspaceId,
        attempt: AttemptId,
        epoch: Epoch,
        first_seq: i64,
        events: Vec<NewEventRow>,
        now: Timestamp,
    ) -> Result<(Desired, i64), StoreError> {
        let _ = (workspace, attempt, epoch, first_seq, events, now);
        unimplemented!()
    }

    /// The events after number `after_seq` (0: from the first), at most `limit`, in order.
    pub async fn events(
        &self,
        workspace: WorkspaceId,
        attempt: AttemptId,
        after_seq: i64,
        limit: u32,
    ) -> Result<Vec<EventRow>, StoreError> {
        let _ = (workspace, attempt, after_seq, limit);
        unimplemented!()
    }
}
