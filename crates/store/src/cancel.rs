//! Cancelling.

use outwork_domain::{AttemptId, TaskId, Timestamp, WorkspaceId};

use crate::error::StoreError;
use crate::record::{AttemptRecord, TaskRecord};
use crate::store::Store;

impl Store {
    /// Wants the attempt stopped. Errors: [`StoreError::Refused`] when it has ended.
    pub async fn cancel(
        &self,
        workspace: WorkspaceId,
        attempt: AttemptId,
        now: Timestamp,
    ) -> Result<AttemptRecord, StoreError> {
        let _ = (workspace, attempt, now);
        unimplemented!()
    }

    /// Wants all unfinished attempts of the newest turn stopped. Errors: [`StoreError::Refused`]
    /// when all have ended.
    pub async fn cancel_task(
        &self,
        workspace: WorkspaceId,
        task: TaskId,
        now: Timestamp,
    ) -> Result<TaskRecord, StoreError> {
        let _ = (workspace, task, now);
        unimplemented!()
    }
}
