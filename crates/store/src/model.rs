//! Which model a workspace uses.

use outwork_domain::WorkspaceId;

use crate::error::StoreError;
use crate::record::ModelRecord;
use crate::store::Store;

impl Store {
    /// Sets the model of the workspace.
    pub async fn set_model(
        &self,
        workspace: WorkspaceId,
        model: ModelRecord,
    ) -> Result<(), StoreError> {
        let _ = (workspace, model);
        unimplemented!()
    }

    /// The model of the workspace.
    pub async fn model(&self, workspace: WorkspaceId) -> Result<Option<ModelRecord>, StoreError> {
        let _ = workspace;
        unimplemented!()
    }
}
