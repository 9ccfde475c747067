//! Who did what.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use outwork_api::audit::AuditEntry;
use outwork_api::page::Page;
use outwork_domain::principal::Admin;
use outwork_store::AuditRecord;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::http::openapi::Refusals;
use crate::http::paging;
use crate::http::params::{Address, Params};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view::task::person;

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

/// Lists what members did, newest first: each request that changed something. What is not done is not in it, and what agents and workers do
/// is in the logs of attempts.
#[utoipa::path(get, path = "/audit", operation_id = "listAudit", tag = "settings", params(Query),
    responses((status = 200, description = "A page of it.", body = Page<AuditEntry>,
            headers(("Link" = String, description = "The next page, `rel=\"next\"`."))), Refusals))]
pub(crate) async fn list(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
    Params(query): Params<Query>,
    Address(uri): Address,
) -> Result<Response, Refusal> {
    let workspace = admin.workspace_id();
    let limit = paging::limit(query.limit)?;
    let cursor = query.cursor.as_deref();
    let paged = plane.store.audited(workspace, limit, cursor).await?;
    let names = plane.store.member_names(workspace).await?;
    let wire = |record: AuditRecord| {
        let AuditRecord {
            id,
            at,
            principal_id,
            action,
            object,
        } = record;
        AuditEntry {
            id: id.to_string(),
            at: at.into(),
            by: person(&names, principal_id),
            action,
            object,
        }
    };
    let page = Page {
        items: paged.items.into_iter().map(wire).collect(),
        next_cursor: paged.next_cursor,
    };
    Ok(paging::respond(page, &uri, "cursor"))
}
