//! Gives a webhook another secret.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::webhook::MadeWebhook;
use outwork_domain::WebhookId;
use outwork_domain::principal::Admin;
use outwork_domain::webhook::ROTATION;

use super::{missing, show};
use crate::http::openapi::{Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::webhooks::new_secret;

/// Gives a webhook another secret, which is shown this once. For 24 hours each delivery is signed with both, so that the receiver can
/// change over when it likes.
#[utoipa::path(post, path = "/webhooks/{id}/rotate", operation_id = "rotateWebhook", tag = "webhooks",
    params(("id" = String, Path, description = "`whk_…`.")),
    responses((status = 200, description = "The webhook with its new secret.", body = MadeWebhook), Refusals, Missing))]
pub(crate) async fn rotate(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
    Id(id): Id<WebhookId>,
) -> Result<Json<MadeWebhook>, Refusal> {
    let (workspace, now) = (admin.workspace_id(), plane.now());
    let (secret, sealed) = new_secret(&plane, workspace, id);
    let rotated = plane
        .store
        .rotate_webhook(workspace, id, sealed, now + ROTATION, now)
        .await;
    let rotated = rotated.map_err(|fault| missing(id, fault))?;
    tracing::info!(webhook = %id, by = %admin.principal().id, "a webhook has another secret");
    let webhook = show(&plane, workspace, rotated).await?;
    Ok(Json(MadeWebhook { secret, webhook }))
}
