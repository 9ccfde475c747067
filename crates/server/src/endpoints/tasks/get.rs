//! Shows a task.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::task::Task;
use outwork_domain::TaskId;
use outwork_domain::principal::Viewer;

use crate::http::openapi::{Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view;

/// Shows a task with all its turns and attempts.
#[utoipa::path(get, path = "/tasks/{id}", operation_id = "getTask", tag = "tasks",
    params(("id" = String, Path, description = "`task_…`.")),
    responses((status = 200, description = "The task.", body = Task), Refusals, Missing))]
pub(crate) async fn get(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
    Id(id): Id<TaskId>,
) -> Result<Json<Task>, Refusal> {
    let record = super::by_id(&plane, member.workspace_id(), id).await?;
    Ok(Json(view::task::whole(&plane, record).await?))
}
