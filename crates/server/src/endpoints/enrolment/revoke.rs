//! Revokes an enrolment token.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use outwork_domain::EnrolmentTokenId;
use outwork_domain::principal::Admin;
use outwork_store::StoreError;

use crate::http::openapi::{Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Revokes an enrolment token: it lets nobody in any more. Workers that it let in stay.
#[utoipa::path(delete, path = "/enrolment-tokens/{id}", operation_id = "revokeEnrolmentToken", tag = "settings",
    params(("id" = String, Path, description = "`enr_…`.")),
    responses((status = 204, description = "Revoked."), Refusals, Missing))]
pub(crate) async fn revoke(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Admin>,
    Id(id): Id<EnrolmentTokenId>,
) -> Result<StatusCode, Refusal> {
    let store = &plane.store;
    let revoked = store
        .revoke_enrolment_token(member.workspace_id(), id, plane.now())
        .await;
    match revoked {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(StoreError::NotFound) => Err(Refusal::not_found("enrolment token", &id.to_string())
            .with_hint("`outwork workers tokens` shows them.")),
        Err(other) => Err(other.into()),
    }
}
