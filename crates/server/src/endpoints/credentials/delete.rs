//! Deletes a credential.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use outwork_domain::CredentialId;
use outwork_domain::principal::Admin;
use outwork_store::StoreError;

use crate::http::openapi::{Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Deletes a credential and its secret.
#[utoipa::path(delete, path = "/credentials/{id}", operation_id = "deleteCredential", tag = "settings",
    params(("id" = String, Path, description = "`cred_…`.")),
    responses((status = 204, description = "Deleted."), Refusals, Missing))]
pub(crate) async fn delete(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Admin>,
    Id(id): Id<CredentialId>,
) -> Result<StatusCode, Refusal> {
    match plane
        .store
        .delete_credential(member.workspace_id(), id)
        .await
    {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(StoreError::NotFound) => Err(Refusal::not_found("credential", &id.to_string())
            .with_hint("`outwork credential list` shows the credentials.")),
        Err(other) => Err(other.into()),
    }
}
