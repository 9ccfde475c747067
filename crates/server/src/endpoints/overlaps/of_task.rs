//! Shows which open tasks are about the same files as a task.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::page::Page;
use outwork_api::radar::Overlap;
use outwork_domain::TaskId;
use outwork_domain::principal::Viewer;

use super::{since, wire};
use crate::endpoints::tasks;
use crate::http::openapi::{Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Shows which other open tasks of the same repository and branch are about the same files. A task is open while it runs, and 14 days after
/// it ended, unless it was stopped, dismissed, or its pull request was merged; nothing is told of a task that is not open itself.
#[utoipa::path(get, path = "/tasks/{id}/overlaps", operation_id = "getTaskOverlaps", tag = "tasks",
    params(("id" = String, Path, description = "`task_…`.")),
    responses((status = 200, description = "The tasks that share most first, at most 100, in one page.", body = Page<Overlap>),
        Refusals, Missing))]
pub(crate) async fn of_task(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
    Id(id): Id<TaskId>,
) -> Result<Json<Page<Overlap>>, Refusal> {
    let workspace = member.workspace_id();
    let overlaps = plane.store.overlaps(workspace, id, since(&plane)).await?;
    if overlaps.is_empty() {
        tasks::by_id(&plane, workspace, id).await?;
    }
    Ok(Json(Page {
        items: wire(&plane, workspace, overlaps).await?,
        next_cursor: None,
    }))
}
