//! Tasks.

pub(crate) mod answer;
pub(crate) mod cancel;
pub(crate) mod choice;
pub(crate) mod compose;
pub(crate) mod diff;
pub(crate) mod follow_up;
pub(crate) mod get;
pub(crate) mod interrupt;
pub(crate) mod list;
pub(crate) mod retry;
pub(crate) mod session;
pub(crate) mod steer;
pub(crate) mod submit;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use outwork_api::task::Task;
use outwork_domain::{TaskId, WorkspaceId};
use outwork_store::{Submitted, TaskRecord};

use crate::http::idempotency::REPLAYED;
use crate::plane::Plane;
use crate::refusal::Refusal;

pub(crate) fn missing(id: TaskId) -> Refusal {
    Refusal::not_found("task", &id.to_string()).with_hint("`outwork list` shows the tasks.")
}

pub(crate) async fn by_id(
    plane: &Plane,
    workspace: WorkspaceId,
    id: TaskId,
) -> Result<TaskRecord, Refusal> {
    plane
        .store
        .task(workspace, id)
        .await?
        .ok_or_else(|| missing(id))
}

/// The answer to what made a task or a turn of it, now or when the key was used before.
fn made(id: TaskId, submitted: &Submitted, task: Task) -> Response {
    let location = [(header::LOCATION, format!("/api/v1/tasks/{id}"))];
    match submitted {
        Submitted::New => (StatusCode::CREATED, location, Json(task)).into_response(),
        Submitted::Replayed { .. } => {
            (StatusCode::CREATED, location, [REPLAYED], Json(task)).into_response()
        }
    }
}
