//! What came in from another system and went out to it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use outwork_api::integration::Delivery;
use outwork_api::page::Page;
use outwork_domain::job::{Command, Job, Queue, State as JobState};
use outwork_domain::principal::Admin;
use outwork_domain::{IntegrationId, JobId};
use outwork_store::Paged;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{by_id, missing};
use crate::http::openapi::{Conflicts, Missing, Refusals};
use crate::http::paging;
use crate::http::params::{Address, Id, Params};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// How long a delivery has that somebody wants again.
const AGAIN_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// Which part of the list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    /// `in` (the default) or `out`.
    #[param(inline)]
    direction: Option<Direction>,
    /// How many, 1 to 100; 20 when left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum Direction {
    #[default]
    In,
    Out,
}

fn wire(job: Job) -> Delivery {
    let due_at = job.due_at();
    let Job {
        id,
        queue,
        key,
        kind,
        created_at,
        tries,
        state,
        ..
    } = job;
    let name = state.as_str().to_owned();
    let (message, due_at, ended_at) = match state {
        JobState::Waiting { trouble, .. } => (trouble, due_at, None),
        JobState::Working { .. } => (None, None, None),
        JobState::Done { note, ended_at } => (note, None, Some(ended_at)),
        JobState::Failed { message, ended_at } => (Some(message), None, Some(ended_at)),
    };
    Delivery {
        id: id.to_string(),
        direction: match queue {
            Queue::Inbound => "in",
            Queue::Post | Queue::Webhook => "out",
        }
        .to_owned(),
        key,
        kind,
        state: name,
        message,
        tries,
        created_at: created_at.into(),
        due_at: due_at.map(Into::into),
        ended_at: ended_at.map(Into::into),
    }
}

/// Lists what came in from another system or went out to it, newest first. It is kept for 30 days.
#[utoipa::path(get, path = "/integrations/{id}/deliveries", operation_id = "listDeliveries", tag = "integrations",
    params(("id" = String, Path, description = "`int_…`."), Query),
    responses((status = 200, description = "A page of it.", body = Page<Delivery>,
            headers(("Link" = String, description = "The next page, `rel=\"next\"`."))), Refusals, Missing))]
pub(crate) async fn list(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
    Id(id): Id<IntegrationId>,
    Params(query): Params<Query>,
    Address(uri): Address,
) -> Result<Response, Refusal> {
    let workspace = admin.workspace_id();
    by_id(&plane, workspace, id).await?;
    let limit = paging::limit(query.limit)?;
    let queue = match query.direction.unwrap_or_default() {
        Direction::In => Queue::Inbound,
        Direction::Out => Queue::Post,
    };
    let (owner, cursor) = (id.to_string(), query.cursor.as_deref());
    let paged = plane.store.jobs(workspace, queue, &owner, limit, cursor);
    let Paged { items, next_cursor } = paged.await?;
    let page = Page {
        items: items.into_iter().map(wire).collect(),
        next_cursor,
    };
    Ok(paging::respond(page, &uri, "cursor"))
}

/// Does an ended delivery once more. What it has done already is not done twice.
#[utoipa::path(post, path = "/integrations/{id}/deliveries/{job}/replay", operation_id = "replayDelivery", tag = "integrations",
    params(("id" = String, Path, description = "`int_…`."), ("job" = String, Path, description = "`job_…`.")),
    responses((status = 200, description = "It is under way.", body = Delivery), Refusals, Missing, Conflicts))]
pub(crate) async fn replay(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
    Path((id, job)): Path<(String, String)>,
) -> Result<Json<Delivery>, Refusal> {
    let workspace = admin.workspace_id();
    let integration: IntegrationId = id.parse().map_err(|_| missing(&id))?;
    by_id(&plane, workspace, integration).await?;
    let unknown = || Refusal::not_found("delivery", &job);
    let job_id: JobId = job.parse().map_err(|_| unknown())?;
    let found = plane
        .store
        .job(workspace, job_id)
        .await?
        .filter(|it| it.owner == id);
    found.ok_or_else(unknown)?;
    let within = AGAIN_WITHIN;
    let moved = plane
        .store
        .move_job(workspace, job_id, Command::Replay { within }, plane.now());
    Ok(Json(wire(moved.await?)))
}
