//! Tells a webhook something that did not happen.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use outwork_api::webhook::WebhookDelivery;
use outwork_domain::WebhookId;
use outwork_domain::principal::Admin;

use super::deliveries::wire;
use super::{active, find};
use crate::http::openapi::{Conflicts, Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::webhooks::spread;

/// Tells a webhook something that did not happen, of type `webhook.test`. The deliveries show what comes of it.
#[utoipa::path(post, path = "/webhooks/{id}/test", operation_id = "testWebhook", tag = "webhooks",
    params(("id" = String, Path, description = "`whk_…`.")),
    responses((status = 202, description = "It will be told.", body = WebhookDelivery), Refusals, Missing, Conflicts))]
pub(crate) async fn test(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
    Id(id): Id<WebhookId>,
) -> Result<(StatusCode, Json<WebhookDelivery>), Refusal> {
    plane.need_space()?;
    let record = find(&plane, admin.workspace_id(), id).await?;
    active(&record)?;
    let job = spread::test(&plane, &record.webhook);
    plane.store.enqueue(vec![job.clone()]).await?;
    Ok((StatusCode::ACCEPTED, Json(wire(job))))
}
