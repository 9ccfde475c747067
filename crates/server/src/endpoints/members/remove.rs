//! Removes a member.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use outwork_domain::PrincipalId;
use outwork_domain::principal::Admin;

use super::missing;
use crate::http::openapi::{Conflicts, Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Lets a member in no more: its tokens are revoked. What it did stays, with its name. The last admin who can sign in stays.
#[utoipa::path(delete, path = "/members/{id}", operation_id = "removeMember", tag = "settings",
    params(("id" = String, Path, description = "`prn_…`.")),
    responses((status = 204, description = "Removed."), Refusals, Missing, Conflicts))]
pub(crate) async fn remove(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
    Id(id): Id<PrincipalId>,
) -> Result<StatusCode, Refusal> {
    let workspace = admin.workspace_id();
    let removed = plane
        .store
        .deactivate_member(workspace, id, plane.now())
        .await;
    removed.map_err(|fault| missing(id, fault))?;
    tracing::info!(member = %id, by = %admin.principal().id, "a member was removed");
    Ok(StatusCode::NO_CONTENT)
}
