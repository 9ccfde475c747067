//! Submits a task.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use outwork_api::task::{NewTask, Task};
use outwork_domain::principal::Member;
use outwork_failpoint as failpoint;
use outwork_store::Submitted;

use super::{by_id, made};
use crate::http::body::Body;
use crate::http::idempotency::Key;
use crate::http::openapi::{Conflicts, Missing, Refusals, Unacceptable};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::submit::{self, task::Made};
use crate::view;

/// Submits a task. The answer means that it is stored; it runs when a worker takes it.
#[utoipa::path(post, path = "/tasks", operation_id = "submitTask", tag = "tasks",
    params(("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key within 24 hours, the request makes no second task.")),
    request_body = NewTask,
    responses((status = 201, description = "Stored.", body = Task,
            headers(("Location" = String, description = "Its address."),
                ("Idempotency-Replayed" = String, description = "`true` when an earlier request made it."))),
        Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn submit(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Member>,
    key: Key,
    Body(new): Body<NewTask>,
) -> Result<Response, Refusal> {
    let idempotency = key.record(&plane, &member, "POST /tasks", &new);
    let made_now = submit::task::submit(&plane, &member, new, idempotency).await?;
    failpoint::pass("server.submit.stored");
    let (submitted, record) = match made_now {
        Made::New(record) => (Submitted::New, *record),
        Made::Replayed(task_id) => (
            Submitted::Replayed { task_id },
            by_id(&plane, member.workspace_id(), task_id).await?,
        ),
    };
    let id = record.task.id;
    let task = view::task::submitted(&plane, record, member.principal());
    Ok(made(id, &submitted, task))
}
