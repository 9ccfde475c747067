//! What the store does not have yet.
use outwork_domain::{TaskId, Timestamp, WorkerId, WorkspaceId};
use outwork_store::{Idempotency, Store, StoreError, WorkerRecord};

pub(crate) trait StoreGaps {
    fn idempotent(
        &self,
        key: &Idempotency,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<TaskId>, StoreError>> + Send;
    fn delete_model(
        &self,
        workspace: WorkspaceId,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
    fn expire_idempotency(
        &self,
        now: Timestamp,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;
    fn worker(
        &self,
        workspace: WorkspaceId,
        id: WorkerId,
    ) -> impl Future<Output = Result<Option<WorkerRecord>, StoreError>> + Send;
}

impl StoreGaps for Store {
    async fn idempotent(
        &self,
        _: &Idempotency,
        _: Timestamp,
    ) -> Result<Option<TaskId>, StoreError> {
        Ok(None)
    }
    async fn delete_model(&self, _: WorkspaceId) -> Result<(), StoreError> {
        Ok(())
    }
    async fn expire_idempotency(&self, _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }
    async fn worker(
        &self,
        workspace: WorkspaceId,
        id: WorkerId,
    ) -> Result<Option<WorkerRecord>, StoreError> {
        Ok(self
            .workers(workspace)
            .await?
            .into_iter()
            .find(|record| record.worker.id == id))
    }
}
