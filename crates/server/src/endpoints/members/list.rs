//! Lists the members.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::member::Member;
use outwork_api::page::Page;
use outwork_domain::principal::Viewer;

use super::wire;
use crate::http::openapi::Refusals;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Lists the members of the workspace by name, all of them in one page.
#[utoipa::path(get, path = "/members", operation_id = "listMembers", tag = "settings",
    responses((status = 200, description = "The members.", body = Page<Member>), Refusals))]
pub(crate) async fn list(
    State(plane): State<Arc<Plane>>,
    Permit(viewer): Permit<Viewer>,
) -> Result<Json<Page<Member>>, Refusal> {
    let records = plane.store.members(viewer.workspace_id()).await?;
    Ok(Json(Page {
        items: records.into_iter().map(wire).collect(),
        next_cursor: None,
    }))
}
