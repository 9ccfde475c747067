//! Forgets the model.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use outwork_domain::principal::Admin;

use crate::http::openapi::Refusals;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Forgets the workspace's model and its key; the server's default holds again, if there is one.
#[utoipa::path(delete, path = "/model", operation_id = "deleteModel", tag = "settings",
    responses((status = 204, description = "Forgotten, or there was none."), Refusals))]
pub(crate) async fn delete(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Admin>,
) -> Result<StatusCode, Refusal> {
    plane.store.delete_model(member.workspace_id()).await?;
    Ok(StatusCode::NO_CONTENT)
}
