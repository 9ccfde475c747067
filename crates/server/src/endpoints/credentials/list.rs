//! Lists credentials.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::credential::Credential;
use outwork_api::page::Page;
use outwork_domain::principal::Admin;

use super::wire;
use crate::http::openapi::Refusals;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Lists the credentials for repositories, all of them in one page. Never their secrets.
#[utoipa::path(get, path = "/credentials", operation_id = "listCredentials", tag = "settings",
    responses((status = 200, description = "The credentials.", body = Page<Credential>), Refusals))]
pub(crate) async fn list(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Admin>,
) -> Result<Json<Page<Credential>>, Refusal> {
    let records = plane.store.credentials(member.workspace_id()).await?;
    let items = records.into_iter().map(|record| wire(record.credential));
    Ok(Json(Page {
        items: items.collect(),
        next_cursor: None,
    }))
}
