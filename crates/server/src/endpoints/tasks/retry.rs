//! Runs the newest turn once more.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use outwork_api::task::{NewRetry, Task};
use outwork_domain::TaskId;
use outwork_domain::principal::Member;

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

/// Runs the newest turn once more, as a new turn with the same prompt: from what an attempt of it had done, also one that failed or whose
/// worker was lost, or from where the turn began.
#[utoipa::path(post, path = "/tasks/{id}/retry", operation_id = "retryTask", tag = "tasks",
    params(("id" = String, Path, description = "`task_…`."),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key within 24 hours, the request makes no second turn.")),
    request_body = NewRetry,
    responses((status = 201, description = "Stored; the whole task.", body = Task,
            headers(("Location" = String, description = "The task's address."),
                ("Idempotency-Replayed" = String, description = "`true` when an earlier request made it."))),
        Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn retry(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Member>,
    Id(id): Id<TaskId>,
    key: Key,
    Body(new): Body<NewRetry>,
) -> Result<Response, Refusal> {
    let idempotency = key.record(&plane, &member, &format!("POST /tasks/{id}/retry"), &new);
    let submitted = submit::turn::retry(&plane, &member, id, new, idempotency).await?;
    let task = view::task::whole(&plane, by_id(&plane, member.workspace_id(), id).await?).await?;
    Ok(made(id, &submitted, task))
}
