//! Ends a running turn of an agent.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::task::{Interruption, Task};
use outwork_domain::TaskId;
use outwork_domain::principal::Member;

use crate::http::body::Body;
use crate::http::openapi::{Conflicts, Missing, Refusals, Unacceptable};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::submit::tell::{Kind, tell};

/// Ends the turn of the agent of a running attempt. The attempt hands in its diff and session and waits for an answer (`needs_input`) that says
/// how it goes on.
#[utoipa::path(post, path = "/tasks/{id}/interrupt", operation_id = "interruptTask", tag = "tasks",
    params(("id" = String, Path, description = "`task_…`.")), request_body = Interruption,
    responses((status = 200, description = "Stored; the task as it is now.", body = Task), Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn interrupt(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Member>,
    Id(id): Id<TaskId>,
    Body(Interruption { attempt }): Body<Interruption>,
) -> Result<Json<Task>, Refusal> {
    let task = tell(&plane, &member, id, attempt, Kind::Interrupt, None).await?;
    Ok(Json(task))
}
