//! Cancels a task.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::task::Task;
use outwork_domain::TaskId;
use outwork_domain::principal::Member;
use outwork_failpoint as failpoint;
use outwork_store::StoreError;

use super::{by_id, missing};
use crate::http::openapi::{Conflicts, Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view;

/// Stops all unfinished attempts of the newest turn. One that a worker holds ends when the worker has stopped it, at the latest after the
/// time allowed for that.
#[utoipa::path(post, path = "/tasks/{id}/cancel", operation_id = "cancelTask", tag = "tasks",
    params(("id" = String, Path, description = "`task_…`.")),
    responses((status = 200, description = "The task as it is now.", body = Task), Refusals, Missing, Conflicts))]
pub(crate) async fn cancel(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Member>,
    Id(id): Id<TaskId>,
) -> Result<Json<Task>, Refusal> {
    match plane
        .store
        .cancel_task(member.workspace_id(), id, plane.now())
        .await
    {
        Ok(_) => {}
        Err(StoreError::NotFound) => return Err(missing(id)),
        Err(other) => return Err(other.into()),
    }
    failpoint::pass("server.cancel.stored");
    // Read again: the answer shows all turns.
    let record = by_id(&plane, member.workspace_id(), id).await?;
    Ok(Json(view::task::whole(&plane, record).await?))
}
