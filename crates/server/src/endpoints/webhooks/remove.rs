//! Removes a webhook.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use outwork_domain::WebhookId;
use outwork_domain::principal::Admin;

use super::missing;
use crate::http::openapi::{Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Removes a webhook. It is told nothing more, also not what it was to be told.
#[utoipa::path(delete, path = "/webhooks/{id}", operation_id = "removeWebhook", tag = "webhooks",
    params(("id" = String, Path, description = "`whk_…`.")),
    responses((status = 204, description = "Removed."), Refusals, Missing))]
pub(crate) async fn remove(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
    Id(id): Id<WebhookId>,
) -> Result<StatusCode, Refusal> {
    let removed = plane.store.delete_webhook(admin.workspace_id(), id).await;
    removed.map_err(|fault| missing(id, fault))?;
    tracing::info!(webhook = %id, by = %admin.principal().id, "a webhook was removed");
    Ok(StatusCode::NO_CONTENT)
}
