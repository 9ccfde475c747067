//! The workers of a workspace.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::page::Page;
use outwork_api::settings::Worker;
use outwork_domain::principal::Viewer;

use crate::http::openapi::Refusals;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view;

/// Lists the workers, all of them in one page.
#[utoipa::path(get, path = "/workers", operation_id = "listWorkers", tag = "settings",
    responses((status = 200, description = "The workers.", body = Page<Worker>), Refusals))]
pub(crate) async fn list(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
) -> Result<Json<Page<Worker>>, Refusal> {
    let now = plane.now();
    let records = plane.store.workers(member.workspace_id()).await?;
    let items = records
        .into_iter()
        .map(|record| view::worker::wire(record, plane.limits.lease, now))
        .collect();
    Ok(Json(Page {
        items,
        next_cursor: None,
    }))
}
