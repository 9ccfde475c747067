//! Lists environments.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use outwork_api::environment::Environment as Wire;
use outwork_api::page::Page;
use outwork_domain::principal::Viewer;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::http::openapi::Refusals;
use crate::http::paging;
use crate::http::params::{Address, Params};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view;

/// Which environments.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    /// Only the one with this label, whatever the case.
    label: Option<String>,
    /// How many, 1 to 100; 20 when left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists environments by label.
#[utoipa::path(get, path = "/environments", operation_id = "listEnvironments", tag = "environments", params(Query),
    responses((status = 200, description = "A page of them.", body = Page<Wire>,
            headers(("Link" = String, description = "The next page, `rel=\"next\"`."))),
        Refusals))]
pub(crate) async fn list(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
    Params(query): Params<Query>,
    Address(uri): Address,
) -> Result<Response, Refusal> {
    let workspace = member.workspace_id();
    let limit = paging::limit(query.limit)?;
    let (items, next_cursor) = match query.label {
        Some(label) if label.contains('\0') => (Vec::new(), None),
        Some(label) => (
            plane
                .store
                .environment_by_label(workspace, &label)
                .await?
                .into_iter()
                .collect(),
            None,
        ),
        None => {
            let paged = plane
                .store
                .environments(workspace, limit, query.cursor.as_deref())
                .await?;
            (paged.items, paged.next_cursor)
        }
    };
    let items = items.into_iter().map(view::environment::wire).collect();
    Ok(paging::respond(Page { items, next_cursor }, &uri, "cursor"))
}
