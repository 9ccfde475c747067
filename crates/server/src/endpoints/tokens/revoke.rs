//! Takes a token of a member back.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use outwork_domain::TokenId;
use outwork_domain::principal::Viewer;
use outwork_store::StoreError;

use super::may_see;
use crate::http::openapi::{Conflicts, Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Revokes a token: one's own, or, as an admin, that of any member. The last with which an admin can sign in stays.
#[utoipa::path(delete, path = "/tokens/{id}", operation_id = "revokeMemberToken", tag = "settings",
    params(("id" = String, Path, description = "`tok_…`.")),
    responses((status = 204, description = "Revoked."), Refusals, Missing, Conflicts))]
pub(crate) async fn revoke(
    State(plane): State<Arc<Plane>>,
    Permit(viewer): Permit<Viewer>,
    Id(id): Id<TokenId>,
) -> Result<StatusCode, Refusal> {
    let workspace = viewer.workspace_id();
    let token = plane.store.member_token(workspace, id).await?;
    let token = token.ok_or_else(|| missing(id, StoreError::NotFound))?;
    may_see(&viewer, token.principal_id)?;
    let revoked = plane
        .store
        .revoke_member_token(workspace, id, plane.now())
        .await;
    revoked.map_err(|fault| missing(id, fault))?;
    tracing::info!(token = %id, by = %viewer.principal().id, "a token was revoked");
    Ok(StatusCode::NO_CONTENT)
}

fn missing(id: TokenId, fault: StoreError) -> Refusal {
    match fault {
        StoreError::NotFound => Refusal::not_found("token", &id.to_string())
            .with_hint("`outwork token list` shows your tokens."),
        other => other.into(),
    }
}
