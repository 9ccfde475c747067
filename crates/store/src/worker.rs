//! Workers that registered.

use outwork_domain::principal::Worker;
use outwork_domain::{Timestamp, WorkerId, WorkspaceId};

use crate::error::StoreError;
use crate::record::WorkerRecord;
use crate::store::Store;

impl Store {
    /// Adds a worker or replaces what it said before. Errors: [`StoreError::NotFound`] if the id
    /// belongs to another workspace.
    pub async fn register_worker(&self, worker: &Worker, now: Timestamp) -> Result<(), StoreError> {
        let _ = (worker, now);
        unimplemented!()
    }

    /// The worker was heard of. Errors: [`StoreError::NotFound`] if it is not registered.
    pub async fn touch_worker(&self, id: WorkerId, now: Timestamp) -> Result<(), StoreError> {
        let _ = (id, now);
        unimplemented!()
    }

    /// The workers, by name, each with what it holds.
    pub async fn workers(&self, workspace: WorkspaceId) -> Result<Vec<WorkerRecord>, StoreError> {
        let _ = workspace;
        unimplemented!()
    }

    /// Forgets a worker; its leases run out. Errors: [`StoreError::NotFound`].
    pub async fn remove_worker(
        &self,
        workspace: WorkspaceId,
        id: WorkerId,
    ) -> Result<(), StoreError> {
        let _ = (workspace, id);
        unimplemented!()
    }
}
