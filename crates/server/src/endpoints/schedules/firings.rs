//! What became of a schedule's times.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use outwork_api::page::Page;
use outwork_api::schedule::Firing as Wire;
use outwork_domain::principal::Viewer;
use outwork_domain::{FiringId, ScheduleId};
use serde::Deserialize;
use utoipa::IntoParams;

use super::by_id;
use crate::http::openapi::{Missing, Refusals};
use crate::http::paging;
use crate::http::params::{Address, Id, Params};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view;

/// Which part of the list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    /// How many, 1 to 100; 20 when left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists what became of a schedule's times, the newest first. The last 500 are kept.
#[utoipa::path(get, path = "/schedules/{id}/firings", operation_id = "listFirings", tag = "schedules",
    params(("id" = String, Path, description = "`sch_…`."), Query),
    responses((status = 200, description = "A page of them.", body = Page<Wire>,
            headers(("Link" = String, description = "The next page, `rel=\"next\"`."))), Refusals, Missing))]
pub(crate) async fn list(
    State(plane): State<Arc<Plane>>,
    Permit(viewer): Permit<Viewer>,
    Id(id): Id<ScheduleId>,
    Params(query): Params<Query>,
    Address(uri): Address,
) -> Result<Response, Refusal> {
    let workspace = viewer.workspace_id();
    let limit = paging::limit(query.limit)?;
    by_id(&plane, workspace, id).await?;
    let cursor = query.cursor.as_deref();
    let paged = plane.store.firings(workspace, id, limit, cursor).await?;
    let names = plane.store.member_names(workspace).await?;
    let items = paged.items.into_iter();
    let page = Page {
        items: items
            .map(|firing| view::schedule::firing(firing, &names))
            .collect(),
        next_cursor: paged.next_cursor,
    };
    Ok(paging::respond(page, &uri, "cursor"))
}

/// Shows what became of one time.
#[utoipa::path(get, path = "/firings/{id}", operation_id = "getFiring", tag = "schedules",
    params(("id" = String, Path, description = "`fir_…`.")),
    responses((status = 200, description = "The firing.", body = Wire), Refusals, Missing))]
pub(crate) async fn get(
    State(plane): State<Arc<Plane>>,
    Permit(viewer): Permit<Viewer>,
    Id(id): Id<FiringId>,
) -> Result<Json<Wire>, Refusal> {
    let workspace = viewer.workspace_id();
    let found = plane.store.firing(workspace, id).await?;
    let found = found.ok_or_else(|| {
        Refusal::not_found("firing", &id.to_string())
            .with_hint("`outwork schedule history SCHEDULE` shows those of a schedule.")
    })?;
    let names = plane.store.member_names(workspace).await?;
    Ok(Json(view::schedule::firing(found, &names)))
}
