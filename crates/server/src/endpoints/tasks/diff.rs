//! The diff of a task.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use outwork_api::problem::Code;
use outwork_domain::TaskId;
use outwork_domain::principal::Viewer;
use outwork_store::{AttemptRecord, TaskRecord, TurnRecord};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::endpoints::attempts::diff::{NO_DIFF, patch};
use crate::http::openapi::{Missing, Refusals};
use crate::http::params::{Id, Params};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view::task::shown;

/// Which diff of a task.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    /// The attempt's number within the turn; when left out, the one that is shown for the turn (`Turn.shown`).
    #[param(minimum = 1)]
    attempt: Option<u32>,
    /// The turn's number; the newest when left out.
    #[param(minimum = 1)]
    turn: Option<u32>,
    /// The repository's name; the environment's first when left out.
    repository: Option<String>,
}

/// The diff of a task in one repository against its commit there, as `git apply` takes it. Bytes: a diff need not be valid UTF-8.
#[utoipa::path(get, path = "/tasks/{id}/diff", operation_id = "getTaskDiff", tag = "tasks",
    params(("id" = String, Path, description = "`task_…`."), Query),
    responses((status = 200, description = "The diff; empty when nothing was changed.", body = String, content_type = "text/x-diff"),
        Refusals, Missing))]
pub(crate) async fn diff(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
    Id(id): Id<TaskId>,
    Params(query): Params<Query>,
) -> Result<Response, Refusal> {
    let record = super::by_id(&plane, member.workspace_id(), id).await?;
    let attempt = choose(&record, &query)?;
    patch(&plane, &record, attempt, query.repository.as_deref()).await
}

fn choose<'a>(record: &'a TaskRecord, query: &Query) -> Result<&'a AttemptRecord, Refusal> {
    let turn = chosen_turn(record, query.turn)?;
    named_or_shown(record, turn, query.attempt)
}

/// The attempt of that number, the one whose diff is shown for the turn when none is given.
pub(crate) fn named_or_shown<'a>(
    record: &TaskRecord,
    turn: &'a TurnRecord,
    attempt: Option<u32>,
) -> Result<&'a AttemptRecord, Refusal> {
    match attempt {
        None => shown(turn).ok_or_else(|| no_diff_yet(record, turn)),
        Some(number) => chosen_attempt(turn, number),
    }
}

/// The turn of that number, the newest when none is given.
pub(crate) fn chosen_turn(
    record: &TaskRecord,
    number: Option<u32>,
) -> Result<&TurnRecord, Refusal> {
    let turn = match number {
        None => record.turns.last(),
        Some(number) => record
            .turns
            .iter()
            .find(|turn| turn.turn.number.get() == number),
    };
    turn.ok_or_else(|| {
        let count = record.turns.len();
        let number = number.unwrap_or(0);
        Refusal::new(Code::NotFound, format!("The task has no turn {number}."))
            .with_hint(format!("Its turns are {}.", numbers(count)))
    })
}

/// The attempt of that number.
pub(crate) fn chosen_attempt(turn: &TurnRecord, number: u32) -> Result<&AttemptRecord, Refusal> {
    let mut attempts = turn.attempts.iter();
    let found = attempts.find(|record| record.attempt.number.get() == number);
    found.ok_or_else(|| {
        let count = turn.attempts.len();
        Refusal::new(Code::NotFound, format!("The turn has no attempt {number}."))
            .with_hint(format!("Its attempts are {}.", numbers(count)))
    })
}

fn numbers(count: usize) -> String {
    match count {
        1 => "number 1 alone".to_owned(),
        _ => format!("1 to {count}"),
    }
}

fn no_diff_yet(record: &TaskRecord, turn: &TurnRecord) -> Refusal {
    let ended = turn
        .attempts
        .iter()
        .all(|record| record.attempt.state.is_final());
    let refusal = Refusal::new(Code::NotFound, NO_DIFF);
    if ended {
        return refusal.with_hint("None of its attempts came so far; `outwork status` says why.");
    }
    match turn.turn.number.get() {
        1 => refusal.with_hint(format!(
            "It is not done yet: wait for it with `outwork log {} --follow`.",
            record.task.id
        )),
        number => refusal.with_hint(format!(
            "Turn {number} is not done yet; `outwork diff {} --turn {}` prints the diff before it.",
            record.task.id,
            number - 1
        )),
    }
}
