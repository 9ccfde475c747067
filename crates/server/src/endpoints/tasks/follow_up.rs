//! Adds a turn to a task.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use outwork_api::task::{NewTurn, Task};
use outwork_domain::TaskId;
use outwork_domain::principal::Member;
use outwork_failpoint as failpoint;

use super::{by_id, made};
use crate::http::body::Body;
use crate::http::idempotency::Key;
use crate::http::openapi::{Conflicts, Missing, Refusals, Unacceptable};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::submit;
use crate::view;

/// Follows up on a task: a new turn that continues an attempt of the newest one, which must have ended.
#[utoipa::path(post, path = "/tasks/{id}/turns", operation_id = "addTurn", tag = "tasks",
    params(("id" = String, Path, description = "`task_…`."),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key within 24 hours, the request makes no second turn.")),
    request_body = NewTurn,
    responses((status = 201, description = "Stored; the whole task.", body = Task,
            headers(("Location" = String, description = "The task's address."),
                ("Idempotency-Replayed" = String, description = "`true` when an earlier request made it."))),
        Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn follow_up(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Member>,
    Id(id): Id<TaskId>,
    key: Key,
    Body(new): Body<NewTurn>,
) -> Result<Response, Refusal> {
    let idempotency = key.record(&plane, &member, &format!("POST /tasks/{id}/turns"), &new);
    let submitted = submit::turn::submit(&plane, &member, id, new, idempotency).await?;
    failpoint::pass("server.follow_up.stored");
    let task = view::task::whole(&plane, by_id(&plane, member.workspace_id(), id).await?).await?;
    Ok(made(id, &submitted, task))
}
