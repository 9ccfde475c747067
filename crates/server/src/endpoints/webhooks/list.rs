//! Lists the webhooks.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::page::Page;
use outwork_api::webhook::Webhook;
use outwork_domain::principal::Admin;

use super::wire;
use crate::http::openapi::Refusals;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Lists the webhooks of the workspace, oldest first, all of them in one page.
#[utoipa::path(get, path = "/webhooks", operation_id = "listWebhooks", tag = "webhooks",
    responses((status = 200, description = "The webhooks.", body = Page<Webhook>), Refusals))]
pub(crate) async fn list(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
) -> Result<Json<Page<Webhook>>, Refusal> {
    let workspace = admin.workspace_id();
    let records = plane.store.webhooks(workspace).await?;
    let names = plane.store.member_names(workspace).await?;
    let now = plane.now();
    let items = records.into_iter().map(|record| wire(record, &names, now));
    Ok(Json(Page {
        items: items.collect(),
        next_cursor: None,
    }))
}
