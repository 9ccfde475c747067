//! Lists tasks.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use outwork_api::page::Page;
use outwork_api::task::{TaskKind, TaskSummary};
use outwork_domain::principal::Viewer;
use outwork_domain::{EnvironmentId, WorkspaceId};
use outwork_store::TaskFilter;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::endpoints::environments;
use crate::http::openapi::{Missing, Refusals};
use crate::http::paging;
use crate::http::params::{Address, Params};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view;
use crate::view::task::Beside;

/// Which tasks.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    /// Only those of this environment: its id or label.
    environment: Option<String>,
    /// Only those of this kind.
    #[param(inline)]
    kind: Option<TaskKind>,
    /// How many, 1 to 100; 20 when left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists tasks, newest first.
#[utoipa::path(get, path = "/tasks", operation_id = "listTasks", tag = "tasks", params(Query),
    responses((status = 200, description = "A page of them.", body = Page<TaskSummary>,
            headers(("Link" = String, description = "The next page, `rel=\"next\"`."))),
        Refusals, Missing))]
pub(crate) async fn list(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
    Params(query): Params<Query>,
    Address(uri): Address,
) -> Result<Response, Refusal> {
    let workspace = member.workspace_id();
    let limit = paging::limit(query.limit)?;
    let filter = filter(&plane, workspace, query.environment, query.kind).await?;
    let paged = plane
        .store
        .tasks(workspace, filter, limit, query.cursor.as_deref())
        .await?;
    let mut waiting = view::waiting::of(&plane, &paged.items).await?;
    let names = plane.store.member_names(workspace).await?;
    let ids = paged.items.iter().map(|record| record.task.id);
    let mut approvals = plane.store.approvals(ids).await?;
    let ids = paged.items.iter().map(|record| record.task.id);
    let overlaps = view::task::overlap_counts(&plane, workspace, ids).await?;
    let items = paged
        .items
        .iter()
        .map(|record| {
            let beside = Beside {
                waiting: waiting.remove(&record.task.id),
                names: Arc::clone(&names),
                approvals: approvals.remove(&record.task.id),
                overlap_count: overlaps.get(&record.task.id).copied().unwrap_or(0),
            };
            view::task::summary(record, beside, &plane.public_url)
        })
        .collect();
    Ok(paging::respond(
        Page {
            items,
            next_cursor: paged.next_cursor,
        },
        &uri,
        "cursor",
    ))
}

/// The tasks of a kind, and of an environment, by its label or id. Those of a deleted one can still be listed by its id.
pub(crate) async fn filter(
    plane: &Plane,
    workspace: WorkspaceId,
    environment: Option<String>,
    kind: Option<TaskKind>,
) -> Result<TaskFilter, Refusal> {
    let environment = match environment {
        None => None,
        Some(name) => Some(match name.parse::<EnvironmentId>() {
            Ok(id) => id,
            Err(_) => {
                let found = environments::by_name(plane, workspace, &name).await?;
                found.environment.id
            }
        }),
    };
    Ok(TaskFilter {
        environment,
        kind: kind.map(Into::into),
    })
}
