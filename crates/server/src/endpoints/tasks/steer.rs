//! Tells a running agent something.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::task::{NewMessage, Task};
use outwork_domain::TaskId;
use outwork_domain::principal::Member;

use crate::http::body::Body;
use crate::http::idempotency::Key;
use crate::http::openapi::{Conflicts, Missing, Refusals, Unacceptable};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::submit::tell::{Kind, tell};

/// Tells the agent of an attempt of the newest turn something while it works, or before it begins. The log says when the agent has it
/// (`steer_taken`).
#[utoipa::path(post, path = "/tasks/{id}/steer", operation_id = "steerTask", tag = "tasks",
    params(("id" = String, Path, description = "`task_…`."),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key within 24 hours, the request says nothing twice.")),
    request_body = NewMessage,
    responses((status = 200, description = "Stored; the task as it is now.", body = Task), Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn steer(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Member>,
    Id(id): Id<TaskId>,
    key: Key,
    Body(new): Body<NewMessage>,
) -> Result<Json<Task>, Refusal> {
    let idempotency = key.record(&plane, &member, &format!("POST /tasks/{id}/steer"), &new);
    let NewMessage { text, attempt } = new;
    let task = tell(&plane, &member, id, attempt, Kind::Steer(text), idempotency).await?;
    Ok(Json(task))
}
