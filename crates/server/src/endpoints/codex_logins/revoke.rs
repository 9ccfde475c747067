//! Ends all logins of the stock client that somebody has.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use outwork_domain::principal::Viewer;

use crate::http::openapi::Refusals;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Ends all logins of the stock client that are of whoever asks, however they began. Their tokens are refused from then on; the one that
/// this is asked with is none of them.
#[utoipa::path(delete, path = "/codex-logins", operation_id = "revokeCodexLogins", tag = "settings",
    responses((status = 204, description = "There are none any more."), Refusals))]
pub(crate) async fn revoke(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
) -> Result<StatusCode, Refusal> {
    let id = member.principal().id;
    let ended = plane.store.remove_logins(id).await?;
    tracing::info!(principal = %id, ended, "logins of the stock client were ended");
    Ok(StatusCode::NO_CONTENT)
}
