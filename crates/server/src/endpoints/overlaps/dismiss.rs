//! Says that a task's results do not count for others any more, or that they do again.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use outwork_domain::TaskId;
use outwork_domain::principal::Member;
use outwork_store::StoreError;

use crate::endpoints::tasks;
use crate::http::openapi::{Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Dismisses a task: nobody is going to merge what it did, so that it is no overlap of others. It counts again when it has another turn.
#[utoipa::path(put, path = "/tasks/{id}/dismissal", operation_id = "dismissTask", tag = "tasks",
    params(("id" = String, Path, description = "`task_…`.")),
    responses((status = 204, description = "Dismissed, or it was already."), Refusals, Missing))]
pub(crate) async fn dismiss(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Member>,
    Id(id): Id<TaskId>,
) -> Result<StatusCode, Refusal> {
    set(&plane, &member, id, true).await
}

/// Takes a dismissal back.
#[utoipa::path(delete, path = "/tasks/{id}/dismissal", operation_id = "restoreTask", tag = "tasks",
    params(("id" = String, Path, description = "`task_…`.")),
    responses((status = 204, description = "It counts again, or did already."), Refusals, Missing))]
pub(crate) async fn restore(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Member>,
    Id(id): Id<TaskId>,
) -> Result<StatusCode, Refusal> {
    set(&plane, &member, id, false).await
}

async fn set(
    plane: &Plane,
    member: &Member,
    id: TaskId,
    is_dismissed: bool,
) -> Result<StatusCode, Refusal> {
    let by = is_dismissed.then_some(member.principal().id);
    let set = plane
        .store
        .set_dismissed(member.workspace_id(), id, by, plane.now())
        .await;
    match set {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(StoreError::NotFound) => Err(tasks::missing(id)),
        Err(other) => Err(other.into()),
    }
}
