//! Changes a webhook.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::webhook::{Webhook, WebhookChange as Change};
use outwork_domain::WebhookId;
use outwork_domain::principal::Admin;
use outwork_store::WebhookChange;

use super::{kinds, missing, show};
use crate::http::body::Body;
use crate::http::openapi::{Missing, Refusals, Unacceptable};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::webhooks::check_address;

/// Changes a webhook, pauses it, or begins anew with one that the server had given up.
#[utoipa::path(patch, path = "/webhooks/{id}", operation_id = "changeWebhook", tag = "webhooks", request_body = Change,
    params(("id" = String, Path, description = "`whk_…`.")),
    responses((status = 200, description = "The webhook as it is now.", body = Webhook), Refusals, Missing, Unacceptable))]
pub(crate) async fn change(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
    Id(id): Id<WebhookId>,
    Body(change): Body<Change>,
) -> Result<Json<Webhook>, Refusal> {
    let Change {
        url,
        events,
        paused,
    } = change;
    let url = url.map(|url| check_address(&plane.webhooks, &url));
    let change = WebhookChange {
        url: url.transpose()?,
        kinds: events.map(|names| kinds(Some(names))).transpose()?,
        paused,
    };
    let workspace = admin.workspace_id();
    let changed = plane
        .store
        .change_webhook(workspace, id, change, plane.now())
        .await;
    let changed = changed.map_err(|fault| missing(id, fault))?;
    tracing::info!(webhook = %id, by = %admin.principal().id, "a webhook was changed");
    Ok(Json(show(&plane, workspace, changed).await?))
}
