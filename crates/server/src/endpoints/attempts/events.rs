//! The events of an attempt: a page, or a stream.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use outwork_api::event::Event;
use outwork_api::page::Page;
use outwork_api::problem::Code;
use outwork_domain::AttemptId;
use outwork_domain::principal::Viewer;
use serde::Deserialize;
use utoipa::IntoParams;

use super::follow;
use crate::http::openapi::{Missing, Refusals};
use crate::http::params::{Address, Id, Params};
use crate::http::permit::Permit;
use crate::http::{paging, sse};
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view;

const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 1000;

/// Which events.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    /// Only those with a higher number; a page's `next_cursor` goes here.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// How many a page has, 1 to 1000; 100 when left out. A stream takes no notice of it.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// The events of an attempt, oldest first. With `Accept: text/event-stream` they are streamed as they come (`id` is the number, `event` the type,
/// `data` the event as JSON) until the attempt has ended; `Last-Event-ID` goes on where a stream broke off.
#[utoipa::path(get, path = "/attempts/{id}/events", operation_id = "listEvents", tag = "attempts",
    params(("id" = String, Path, description = "`att_…`."), Query,
        ("Last-Event-ID" = Option<i64>, Header, description = "For streams: the number of the last event seen; goes before `after`.")),
    responses((status = 200, description = "Events.", content((Page<Event> = "application/json"), (String = "text/event-stream")),
            headers(("Link" = String, description = "The next page, `rel=\"next\"`."))),
        Refusals, Missing))]
pub(crate) async fn events(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
    Id(id): Id<AttemptId>,
    Params(query): Params<Query>,
    headers: HeaderMap,
    Address(uri): Address,
) -> Result<Response, Refusal> {
    let workspace = member.workspace_id();
    super::by_id(&plane, workspace, id).await?;
    let after = last_event_id(&headers)?.or(query.after).unwrap_or(0).max(0);
    if wants_stream(&headers) {
        return Ok(sse::respond(
            &plane,
            follow::follow(Arc::clone(&plane), workspace, id, after),
        ));
    }
    let limit = paging::limit_up_to(query.limit, DEFAULT_LIMIT, MAX_LIMIT)?;
    let mut rows = plane.store.events(workspace, id, after, limit + 1).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next_cursor = rows.last().filter(|_| more).map(|row| row.seq.to_string());
    let items = rows
        .into_iter()
        .map(view::event::wire)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(paging::respond(Page { items, next_cursor }, &uri, "after"))
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accept = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    accept
        .flat_map(|value| value.split(','))
        .any(|range| range.split(';').next().unwrap_or("").trim() == "text/event-stream")
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<i64>, Refusal> {
    let Some(value) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| {
        Refusal::new(
            Code::InvalidRequest,
            "`Last-Event-ID` is not the number of an event.",
        )
    })
}
