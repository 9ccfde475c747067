//! The agent's session after an attempt.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use outwork_api::problem::Code;
use outwork_domain::agent::AgentName;
use outwork_domain::principal::Viewer;
use outwork_domain::{AttemptId, State as AttemptState};
use outwork_store::{AttemptRecord, StoreError, TaskRecord};

use crate::endpoints::tasks;
use crate::http::openapi::{Conflicts, Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view;
use crate::view::attempt::agent_of;

/// The agent's session as it was when the attempt ended or asked, in the format of `docs/session-format.md`.
#[utoipa::path(get, path = "/attempts/{id}/session", operation_id = "getAttemptSession", tag = "attempts",
    params(("id" = String, Path, description = "`att_…`.")),
    responses((status = 200, description = "The session.", body = String, content_type = "application/octet-stream"),
        Refusals, Missing, Conflicts))]
pub(crate) async fn session(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
    Id(id): Id<AttemptId>,
) -> Result<Response, Refusal> {
    let workspace = member.workspace_id();
    let record = super::by_id(&plane, workspace, id).await?;
    let task = tasks::by_id(&plane, workspace, record.attempt.task_id).await?;
    bytes(&plane, &task, &record).await
}

/// The session of an attempt of `task`.
pub(crate) async fn bytes(
    plane: &Plane,
    task: &TaskRecord,
    record: &AttemptRecord,
) -> Result<Response, Refusal> {
    let Some(key) = view::attempt::session(record) else {
        return Err(missing(task, record));
    };
    let content = plane.objects.get(key).await?;
    let content = content.ok_or_else(|| StoreError::Corrupt {
        what: "session whose object is gone".to_owned(),
    })?;
    let kind = [(CONTENT_TYPE, "application/octet-stream")];
    Ok((kind, content).into_response())
}

/// What is said when there is none.
pub(crate) fn none() -> Refusal {
    Refusal::new(Code::NotFound, "There is no session yet.")
}

fn missing(task: &TaskRecord, record: &AttemptRecord) -> Refusal {
    let id = task.task.id;
    match record.attempt.state {
        AttemptState::Queued { .. } | AttemptState::Held { .. } => none().with_hint(format!(
            "The attempt has not ended: wait for it with `outwork log {id} --follow`."
        )),
        AttemptState::AwaitingInput { .. }
        | AttemptState::Succeeded { .. }
        | AttemptState::Failed { .. }
        | AttemptState::Cancelled { .. } => match agent_of(record) {
            AgentName::Command => {
                let detail = "The agent `command` left no session.";
                Refusal::new(Code::Conflict, detail)
                    .with_hint("The agent `codex` keeps its conversation as a session.")
            }
            AgentName::None => {
                let detail = "No agent ran, and what the attempt is composed of has no session.";
                Refusal::new(Code::Conflict, detail)
                    .with_hint("`outwork session --attempt` of an earlier turn has one.")
            }
            AgentName::Codex => {
                none().with_hint("The agent did not come so far; `outwork status` says why.")
            }
        },
    }
}
