//! Environments. Deleting hides them: tasks keep theirs.

use outwork_domain::environment::Environment;
use outwork_domain::{EnvironmentId, Timestamp, WorkspaceId};

use crate::error::StoreError;
use crate::record::Paged;
use crate::store::Store;

impl Store {
    /// Adds an environment. Errors: [`StoreError::LabelTaken`].
    pub async fn insert_environment(&self, environment: &Environment) -> Result<(), StoreError> {
        let _ = environment;
        unimplemented!()
    }

    /// Replaces what an environment says; its revision becomes one more than the stored one, and
    /// `id`, `workspace_id`, `created_by` and `created_at` stay. Answers what is stored now.
    /// Errors: [`StoreError::RevisionMismatch`] if the stored revision is not
    /// `expected_revision`, [`StoreError::LabelTaken`], [`StoreError::NotFound`].
    pub async fn update_environment(
        &self,
        environment: &Environment,
        expected_revision: Option<i64>,
    ) -> Result<Environment, StoreError> {
        let _ = (environment, expected_revision);
        unimplemented!()
    }

    /// Deletes an environment. Errors: [`StoreError::InUse`] while a task in it is not over.
    pub async fn delete_environment(
        &self,
        workspace: WorkspaceId,
        id: EnvironmentId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let _ = (workspace, id, now);
        unimplemented!()
    }

    /// The environment, unless it was deleted.
    pub async fn environment(
        &self,
        workspace: WorkspaceId,
        id: EnvironmentId,
    ) -> Result<Option<Environment>, StoreError> {
        let _ = (workspace, id);
        unimplemented!()
    }

    /// The environment of that label, compared without case, unless it was deleted.
    pub async fn environment_by_label(
        &self,
        workspace: WorkspaceId,
        label: &str,
    ) -> Result<Option<Environment>, StoreError> {
        let _ = (workspace, label);
        unimplemented!()
    }

    /// The environments by label, at most `limit` at once.
    pub async fn environments(
        &self,
        workspace: WorkspaceId,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<Paged<Environment>, StoreError> {
        let _ = (workspace, limit, cursor);
        unimplemented!()
    }
}
