//! An attempt as the client reads it: a turn with its messages and its diff.

use outwork_domain::State;
use outwork_store::{AttemptRecord, StoreError, TaskRecord};
use serde::Serialize;

use super::shape::{seconds, status_of_attempt};
use super::text::lines;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view;

/// One attempt.
#[derive(Serialize)]
pub(super) struct AssistantTurn {
    pub(super) id: String,
    pub(super) turn_status: &'static str,
    /// 0 for the one that stands for the task.
    pub(super) attempt_placement: usize,
    pub(super) created_at: f64,
    pub(super) sibling_turn_ids: Vec<String>,
    /// Absent, so that nothing is shown twice.
    pub(super) worklog: Option<()>,
    pub(super) error: Option<TurnError>,
    pub(super) output_items: Vec<Item>,
}

#[derive(Serialize)]
pub(super) struct TurnError {
    code: &'static str,
    message: String,
}

/// The prompt.
#[derive(Serialize)]
pub(super) struct UserTurn {
    pub(super) id: String,
    pub(super) input_items: [Item; 1],
}

/// The diff alone: `codex apply` looks nowhere else, and wants nothing in it that is not typed.
#[derive(Serialize)]
pub(super) struct DiffTurn {
    pub(super) id: String,
    pub(super) output_items: [Item; 1],
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Item {
    Message {
        role: &'static str,
        content: [Content; 1],
    },
    Pr {
        output_diff: OutputDiff,
    },
}

#[derive(Serialize)]
pub(super) struct Content {
    content_type: &'static str,
    text: String,
}

#[derive(Serialize)]
pub(super) struct OutputDiff {
    diff: String,
}

impl Item {
    pub(super) fn message(role: &'static str, text: &str) -> Self {
        let content = Content {
            content_type: "text",
            text: lines(text),
        };
        Self::Message {
            role,
            content: [content],
        }
    }

    pub(super) fn diff(diff: String) -> Self {
        Self::Pr {
            output_diff: OutputDiff { diff },
        }
    }
}

/// What an attempt changed in the task's first repository.
pub(super) enum Diff {
    /// Nothing, or nothing yet.
    None,
    /// As git made it.
    Text(String),
    /// It holds bytes that JSON cannot carry. Changed in any way it would be another diff.
    NotText,
}

impl Diff {
    pub(super) async fn of(
        plane: &Plane,
        task: &TaskRecord,
        record: &AttemptRecord,
    ) -> Result<Self, Refusal> {
        let Some(stored) = view::attempt::diff(record, &task.repository) else {
            return Ok(Self::None);
        };
        if stored.size_bytes == 0 {
            return Ok(Self::None);
        }
        let content = plane.objects.get(&stored.key).await?;
        let content = content.ok_or_else(|| StoreError::Corrupt {
            what: "diff whose object is gone".to_owned(),
        })?;
        Ok(match String::from_utf8(content.to_vec()) {
            Ok(text) if text.is_empty() => Self::None,
            Ok(text) => Self::Text(text),
            Err(_) => Self::NotText,
        })
    }
}

/// An attempt without its diff. `others` are the other attempts' ids.
pub(super) fn assistant_turn(
    task: &TaskRecord,
    record: &AttemptRecord,
    placement: usize,
    others: Vec<String>,
    diff: &Diff,
) -> AssistantTurn {
    let attempt = &record.attempt;
    AssistantTurn {
        id: attempt.id.to_string(),
        turn_status: status_of_attempt(&attempt.state),
        attempt_placement: placement,
        created_at: seconds(attempt.created_at),
        sibling_turn_ids: others,
        worklog: None,
        error: error(&attempt.state),
        output_items: said(task, record, diff),
    }
}

fn error(state: &State) -> Option<TurnError> {
    match state {
        State::Failed { failure, .. } => Some(TurnError {
            code: failure.code.as_str(),
            message: lines(&failure.message),
        }),
        State::Queued { .. }
        | State::Held { .. }
        | State::AwaitingInput { .. }
        | State::Succeeded { .. }
        | State::Cancelled { .. } => None,
    }
}

/// What the agent said last, and what there is to know of the attempt: the client shows messages and nothing else.
fn said(task: &TaskRecord, record: &AttemptRecord, diff: &Diff) -> Vec<Item> {
    let id = task.task.id;
    let message = record
        .result
        .as_ref()
        .and_then(|result| result.message.as_deref());
    let mut texts: Vec<String> = message.map(str::to_owned).into_iter().collect();
    match &record.attempt.state {
        State::Failed { failure, .. } => {
            let hint = failure.hint.as_deref();
            let hint = hint.map(|hint| format!(" {hint}")).unwrap_or_default();
            texts.push(format!("The attempt failed: {}{hint}", failure.message));
        }
        State::Cancelled { .. } => texts.push("The attempt was cancelled.".to_owned()),
        State::AwaitingInput { question, .. } => texts.push(format!(
            "The agent asks:\n\n{question}\n\nAnswer with `outwork answer {id} \"…\"`."
        )),
        State::Queued { .. } | State::Held { .. } | State::Succeeded { .. } => {}
    }
    if matches!(diff, Diff::NotText) {
        texts.push(format!(
            "The diff holds bytes that are no UTF-8, which this client cannot be sent. Take it with `outwork apply {id}`."
        ));
    }
    for further in further_changed(record) {
        texts.push(format!(
            "The repository `{further}` changed too: `outwork apply {id} --repo {further}`."
        ));
    }
    texts
        .iter()
        .map(|text| Item::message("assistant", text))
        .collect()
}

fn further_changed(record: &AttemptRecord) -> impl Iterator<Item = &str> {
    let further = record
        .result
        .iter()
        .flat_map(|result| &result.further_diffs);
    further
        .filter(|further| further.diff.size_bytes > 0)
        .map(|further| further.repository.as_str())
}
