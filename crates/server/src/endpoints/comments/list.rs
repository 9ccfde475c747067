//! Lists the comments of a task.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::comment::Comment;
use outwork_api::page::Page;
use outwork_domain::TaskId;
use outwork_domain::principal::Viewer;

use super::wire;
use crate::endpoints::tasks;
use crate::http::openapi::{Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Lists the comments on the results of a task, oldest first, all of them in one page.
#[utoipa::path(get, path = "/tasks/{id}/comments", operation_id = "listComments", tag = "tasks",
    params(("id" = String, Path, description = "`task_…`.")),
    responses((status = 200, description = "The comments.", body = Page<Comment>), Refusals, Missing))]
pub(crate) async fn list(
    State(plane): State<Arc<Plane>>,
    Permit(viewer): Permit<Viewer>,
    Id(id): Id<TaskId>,
) -> Result<Json<Page<Comment>>, Refusal> {
    let workspace = viewer.workspace_id();
    // First the comments: each is on an attempt that the task then has.
    let comments = plane.store.comments(workspace, id).await?;
    let task = tasks::by_id(&plane, workspace, id).await?;
    let names = plane.store.member_names(workspace).await?;
    Ok(Json(Page {
        items: wire(&task, &names, comments)?,
        next_cursor: None,
    }))
}
