//! Which attempt stands for a turn, as a person says.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::task::{NewChoice, Task};
use outwork_domain::TaskId;
use outwork_domain::choice::Choice;
use outwork_domain::principal::Member;
use outwork_store::{StoreError, TaskRecord, TurnRecord};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{by_id, missing};
use crate::http::body::Body;
use crate::http::openapi::{Missing, Refusals, Unacceptable};
use crate::http::params::{Id, Params};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view;

/// Chooses an attempt: its diff is from now on the one that is shown, applied, gone on from and published for the turn, whatever the ranking
/// says. The same choice again changes nothing.
#[utoipa::path(put, path = "/tasks/{id}/choice", operation_id = "chooseAttempt", tag = "tasks",
    params(("id" = String, Path, description = "`task_…`.")),
    request_body = NewChoice,
    responses((status = 200, description = "The task as it is now.", body = Task), Refusals, Missing, Unacceptable))]
pub(crate) async fn choose(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Member>,
    Id(id): Id<TaskId>,
    Body(NewChoice { turn, attempt }): Body<NewChoice>,
) -> Result<Json<Task>, Refusal> {
    let record = by_id(&plane, member.workspace_id(), id).await?;
    let chosen = of_number(&record, turn)?;
    let count = chosen.attempts.len();
    let mut attempts = chosen.attempts.iter();
    if !attempts.any(|record| record.attempt.number.get() == attempt) {
        let detail = format!("is {attempt}; the turn has attempts 1 to {count}");
        return Err(Refusal::field("/attempt", detail));
    }
    let now = plane.now();
    let choice = Choice {
        attempt,
        by: member.principal().id,
        at: now,
    };
    let known = chosen.turn.chosen.map(|choice| choice.attempt);
    if known != Some(attempt) {
        let number = chosen.turn.number;
        set(&plane, &member, id, number, Some(choice)).await?;
    }
    shown(&plane, &member, id).await
}

/// Which turn.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfTurn {
    /// Its number; the newest when left out.
    #[param(minimum = 1)]
    turn: Option<u32>,
}

/// Withdraws the choice: the ranking decides again. No error if there was none.
#[utoipa::path(delete, path = "/tasks/{id}/choice", operation_id = "withdrawChoice", tag = "tasks",
    params(("id" = String, Path, description = "`task_…`."), OfTurn),
    responses((status = 200, description = "The task as it is now.", body = Task), Refusals, Missing, Unacceptable))]
pub(crate) async fn withdraw(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Member>,
    Id(id): Id<TaskId>,
    Params(OfTurn { turn }): Params<OfTurn>,
) -> Result<Json<Task>, Refusal> {
    let record = by_id(&plane, member.workspace_id(), id).await?;
    let chosen = of_number(&record, turn)?;
    if chosen.turn.chosen.is_some() {
        let number = chosen.turn.number;
        set(&plane, &member, id, number, None).await?;
    }
    shown(&plane, &member, id).await
}

fn of_number(record: &TaskRecord, number: Option<u32>) -> Result<&TurnRecord, Refusal> {
    let found = match number {
        None => record.turns.last(),
        Some(number) => {
            let mut turns = record.turns.iter();
            turns.find(|turn| turn.turn.number.get() == number)
        }
    };
    found.ok_or_else(|| {
        let number = number.unwrap_or(0);
        let detail = format!(
            "is {number}; the task has turns 1 to {}",
            record.turns.len()
        );
        Refusal::field("/turn", detail)
    })
}

async fn set(
    plane: &Plane,
    member: &Member,
    id: TaskId,
    turn: NonZeroU32,
    choice: Option<Choice>,
) -> Result<(), Refusal> {
    let (workspace, now) = (member.workspace_id(), plane.now());
    let chosen = plane.store.choose(workspace, id, turn, choice, now).await;
    chosen.map_err(|fault| match fault {
        StoreError::NotFound => missing(id),
        other => other.into(),
    })
}

async fn shown(plane: &Plane, member: &Member, id: TaskId) -> Result<Json<Task>, Refusal> {
    let record = by_id(plane, member.workspace_id(), id).await?;
    Ok(Json(view::task::whole(plane, record).await?))
}
