//! A task with its newest turn, and the other attempts of that turn.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use outwork_api::problem::Code;
use outwork_domain::{AttemptId, TaskId};
use outwork_store::{AttemptRecord, TaskRecord};
use serde::Serialize;

use super::permit::SignedIn;
use super::shape::{Row, ids, in_order};
use super::turn::{AssistantTurn, Diff, DiffTurn, Item, UserTurn, assistant_turn};
use crate::endpoints::tasks;
use crate::http::params::Id;
use crate::plane::Plane;
use crate::refusal::{Refusal, sentence};
use crate::view;

/// No `task_status_display` beside `task`: it would win over the one inside.
#[derive(Serialize)]
pub(super) struct Details {
    task: Row,
    current_user_turn: Option<UserTurn>,
    current_assistant_turn: Option<AssistantTurn>,
    current_diff_task_turn: Option<DiffTurn>,
}

#[derive(Serialize)]
pub(super) struct Siblings {
    sibling_turns: Vec<AssistantTurn>,
}

pub(super) async fn details(
    State(plane): State<Arc<Plane>>,
    SignedIn(member): SignedIn,
    Id(id): Id<TaskId>,
) -> Result<Json<Details>, Refusal> {
    let record = tasks::by_id(&plane, member.workspace_id(), id).await?;
    let newest = record.turns.last();
    let attempts = in_order(newest);
    let mut details = Details {
        task: Row::of(&record),
        current_user_turn: newest.map(|turn| UserTurn {
            id: turn.turn.id.to_string(),
            input_items: [Item::message("user", &turn.turn.prompt)],
        }),
        current_assistant_turn: None,
        current_diff_task_turn: None,
    };
    if let Some(shown) = attempts.first() {
        let diff = Diff::of(&plane, &record, shown).await?;
        let others = ids(attempts.iter().skip(1));
        let mut turn = assistant_turn(&record, shown, 0, others, &diff);
        turn.output_items.extend(waits_for(&plane, &record).await?);
        if let Diff::Text(diff) = diff {
            details.current_diff_task_turn = Some(DiffTurn {
                id: turn.id.clone(),
                output_items: [Item::diff(diff)],
            });
        }
        details.current_assistant_turn = Some(turn);
    }
    Ok(Json(details))
}

/// Why nothing happens yet.
async fn waits_for(plane: &Plane, record: &TaskRecord) -> Result<Option<Item>, Refusal> {
    let mut waiting = view::waiting::of(plane, std::slice::from_ref(record)).await?;
    let waiting = waiting.remove(&record.task.id);
    Ok(waiting.map(|waiting| {
        let text = sentence(&waiting.text());
        Item::message("assistant", &format!("Waiting: {text}"))
    }))
}

/// The client asks for them also where there is one attempt; it has the one in the address already.
pub(super) async fn sibling_turns(
    State(plane): State<Arc<Plane>>,
    SignedIn(member): SignedIn,
    Path((task, turn)): Path<(String, String)>,
) -> Result<Json<Siblings>, Refusal> {
    let missing = |fault: String| Refusal::new(Code::NotFound, sentence(&fault));
    let task: TaskId = task.parse().map_err(|fault| missing(format!("{fault}")))?;
    let turn: AttemptId = turn.parse().map_err(|fault| missing(format!("{fault}")))?;
    let record = tasks::by_id(&plane, member.workspace_id(), task).await?;
    let of_it = |attempts: &[AttemptRecord]| attempts.iter().any(|one| one.attempt.id == turn);
    let found = record.turns.iter().find(|one| of_it(&one.attempts));
    let Some(found) = found else {
        return Err(missing(format!("the task has no attempt `{turn}`")));
    };
    let attempts = in_order(Some(found));
    let mut siblings = Vec::new();
    for (placement, attempt) in attempts.iter().enumerate() {
        if attempt.attempt.id == turn {
            continue;
        }
        let others = attempts
            .iter()
            .filter(|other| other.attempt.id != attempt.attempt.id);
        let diff = Diff::of(&plane, &record, attempt).await?;
        let mut sibling = assistant_turn(&record, attempt, placement, ids(others), &diff);
        if let Diff::Text(diff) = diff {
            sibling.output_items.push(Item::diff(diff));
        }
        siblings.push(sibling);
    }
    Ok(Json(Siblings {
        sibling_turns: siblings,
    }))
}
