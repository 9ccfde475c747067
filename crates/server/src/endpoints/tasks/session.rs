//! The agent's session after a task.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use outwork_domain::TaskId;
use outwork_domain::principal::Viewer;
use outwork_store::{AttemptRecord, TaskRecord};
use serde::Deserialize;
use utoipa::IntoParams;

use super::diff::{chosen_attempt, chosen_turn};
use crate::endpoints::attempts::session::{bytes, none};
use crate::http::openapi::{Conflicts, Missing, Refusals};
use crate::http::params::{Id, Params};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view::attempt;
use crate::view::task::shown;

/// Which session of a task.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    /// The attempt's number within the turn; when left out, the one whose diff is shown, else the lowest-numbered that has a session.
    #[param(minimum = 1)]
    attempt: Option<u32>,
    /// The turn's number; the newest when left out.
    #[param(minimum = 1)]
    turn: Option<u32>,
}

/// The agent's session as it was when an attempt ended or asked, in the format of `docs/session-format.md`: a follow-up goes on from it.
#[utoipa::path(get, path = "/tasks/{id}/session", operation_id = "getTaskSession", tag = "tasks",
    params(("id" = String, Path, description = "`task_…`."), Query),
    responses((status = 200, description = "The session.", body = String, content_type = "application/octet-stream"),
        Refusals, Missing, Conflicts))]
pub(crate) async fn session(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
    Id(id): Id<TaskId>,
    Params(query): Params<Query>,
) -> Result<Response, Refusal> {
    let record = super::by_id(&plane, member.workspace_id(), id).await?;
    bytes(&plane, &record, choose(&record, &query)?).await
}

fn choose<'a>(record: &'a TaskRecord, query: &Query) -> Result<&'a AttemptRecord, Refusal> {
    let turn = chosen_turn(record, query.turn)?;
    if let Some(number) = query.attempt {
        return chosen_attempt(turn, number);
    }
    let has_session = |record: &&AttemptRecord| attempt::session(record).is_some();
    let shown = shown(turn).filter(has_session);
    let found = shown.or_else(|| turn.attempts.iter().find(has_session));
    found.or(turn.attempts.first()).ok_or_else(none)
}
