//! One webhook.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::webhook::Webhook;
use outwork_domain::WebhookId;
use outwork_domain::principal::Admin;

use super::{find, show};
use crate::http::openapi::{Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// A webhook, without its secret.
#[utoipa::path(get, path = "/webhooks/{id}", operation_id = "getWebhook", tag = "webhooks",
    params(("id" = String, Path, description = "`whk_…`.")),
    responses((status = 200, description = "The webhook.", body = Webhook), Refusals, Missing))]
pub(crate) async fn get(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
    Id(id): Id<WebhookId>,
) -> Result<Json<Webhook>, Refusal> {
    let workspace = admin.workspace_id();
    let record = find(&plane, workspace, id).await?;
    Ok(Json(show(&plane, workspace, record).await?))
}
