//! Deletes an environment.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use outwork_domain::EnvironmentId;
use outwork_domain::principal::Member;
use outwork_store::StoreError;

use super::missing;
use crate::http::openapi::{Conflicts, Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Deletes an environment. Its tasks stay; it cannot be deleted while one of them runs.
#[utoipa::path(delete, path = "/environments/{id}", operation_id = "deleteEnvironment", tag = "environments",
    params(("id" = String, Path, description = "`env_…`.")),
    responses((status = 204, description = "Deleted."), Refusals, Missing, Conflicts))]
pub(crate) async fn delete(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Member>,
    Id(id): Id<EnvironmentId>,
) -> Result<StatusCode, Refusal> {
    match plane
        .store
        .delete_environment(member.workspace_id(), id, plane.now())
        .await
    {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(StoreError::NotFound) => Err(missing(&id.to_string())),
        Err(StoreError::InUse { task }) => Err(Refusal::from(StoreError::InUse { task })
            .with_hint(format!("`outwork cancel {task}` stops it."))),
        Err(other) => Err(other.into()),
    }
}
