//! Makes one result of parts of attempts.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use outwork_api::parts::NewComposition;
use outwork_api::task::Task;
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
use crate::submit::composition::{self, Composed};
use crate::view;

/// Makes one result of parts of attempts: a new turn, whose one attempt is that result and goes to a worker as others do, without an agent. What
/// contradicts is refused (`parts_conflict`), naming the files and hunks.
#[utoipa::path(post, path = "/tasks/{id}/compositions", operation_id = "compose", tag = "tasks",
    params(("id" = String, Path, description = "`task_…`."),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key within 24 hours, the request makes no second turn.")),
    request_body = NewComposition,
    responses((status = 200, description = "With `dry_run`: the diff.", body = String, content_type = "text/x-diff"),
        (status = 201, description = "Stored; the whole task.", body = Task,
            headers(("Location" = String, description = "The task's address."),
                ("Idempotency-Replayed" = String, description = "`true` when an earlier request made it."))),
        Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn compose(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Member>,
    Id(id): Id<TaskId>,
    key: Key,
    Body(new): Body<NewComposition>,
) -> Result<Response, Refusal> {
    // What makes nothing is no second time of what does.
    let idempotency = match new.dry_run {
        true => None,
        false => key.record(
            &plane,
            &member,
            &format!("POST /tasks/{id}/compositions"),
            &new,
        ),
    };
    let submitted = match composition::submit(&plane, &member, id, new, idempotency).await? {
        Composed::DryRun(diff) => {
            return Ok(([(CONTENT_TYPE, "text/x-diff")], diff).into_response());
        }
        Composed::Turn(submitted) => submitted,
    };
    let task = view::task::whole(&plane, by_id(&plane, member.workspace_id(), id).await?).await?;
    Ok(made(id, &submitted, task))
}
