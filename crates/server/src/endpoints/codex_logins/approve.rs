//! Approves a login by its code.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use outwork_api::codex::DeviceApproval;
use outwork_domain::principal::Viewer;

use crate::codex_api::login;
use crate::http::body::Body;
use crate::http::openapi::{Missing, Refusals};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Signs in the client that shows that code, as whoever asks: with the code of somebody else's client, that one would be.
#[utoipa::path(post, path = "/codex-logins/approve", operation_id = "approveCodexLogin", tag = "settings", request_body = DeviceApproval,
    responses((status = 204, description = "Approved."), Refusals, Missing))]
pub(crate) async fn approve(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
    Body(DeviceApproval { user_code }): Body<DeviceApproval>,
) -> Result<StatusCode, Refusal> {
    login::approve(&plane, &member, &user_code).await?;
    Ok(StatusCode::NO_CONTENT)
}
