//! Lists the integrations.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::integration::Integration as Wire;
use outwork_api::page::Page;
use outwork_domain::principal::Viewer;

use super::wire;
use crate::http::openapi::Refusals;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Lists the integrations of the workspace by name, all of them in one page.
#[utoipa::path(get, path = "/integrations", operation_id = "listIntegrations", tag = "integrations",
    responses((status = 200, description = "The integrations.", body = Page<Wire>), Refusals))]
pub(crate) async fn list(
    State(plane): State<Arc<Plane>>,
    Permit(viewer): Permit<Viewer>,
) -> Result<Json<Page<Wire>>, Refusal> {
    let records = plane.store.integrations(viewer.workspace_id()).await?;
    let items = records.iter().map(|record| wire(&plane, record));
    Ok(Json(Page {
        items: items.collect::<Result<_, _>>()?,
        next_cursor: None,
    }))
}
