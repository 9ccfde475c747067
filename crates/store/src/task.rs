//! Reading tasks and attempts.

use outwork_domain::{AttemptId, TaskId, WorkspaceId};

use crate::error::StoreError;
use crate::record::{AttemptRecord, Paged, TaskFilter, TaskRecord};
use crate::store::Store;

impl Store {
    /// The task with all its turns and attempts.
    pub async fn task(
        &self,
        workspace: WorkspaceId,
        id: TaskId,
    ) -> Result<Option<TaskRecord>, StoreError> {
        let _ = (workspace, id);
        unimplemented!()
    }

    /// The tasks, newest first, at most `limit`, each with its newest turn. Errors:
    /// [`StoreError::BadCursor`].
    pub async fn tasks(
        &self,
        workspace: WorkspaceId,
        filter: TaskFilter,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<Paged<TaskRecord>, StoreError> {
        let _ = (workspace, filter, limit, cursor);
        unimplemented!()
    }

    /// The attempt.
    pub async fn attempt(
        &self,
        workspace: WorkspaceId,
        id: AttemptId,
    ) -> Result<Option<AttemptRecord>, StoreError> {
        let _ = (workspace, id);
        unimplemented!()
    }
}
