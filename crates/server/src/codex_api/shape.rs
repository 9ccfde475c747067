//! A task as the client reads it, in a list and in its details.

use outwork_domain::status::{TaskOutcome, TaskStatus};
use outwork_domain::{State, Timestamp};
use outwork_store::{AttemptRecord, TaskRecord, TurnRecord};
use serde::Serialize;

use super::text::line;
use crate::view;

/// A task.
#[derive(Serialize)]
pub(super) struct Row {
    id: String,
    title: String,
    has_generated_title: bool,
    archived: bool,
    has_unread_turn: bool,
    created_at: f64,
    updated_at: f64,
    environment_id: String,
    task_status_display: StatusDisplay,
    /// Always empty: the client's browser hides tasks that have any.
    pull_requests: [(); 0],
}

#[derive(Serialize)]
struct StatusDisplay {
    environment_label: String,
    latest_turn_status_display: TurnStatusDisplay,
}

#[derive(Serialize)]
struct TurnStatusDisplay {
    turn_status: &'static str,
    diff_stats: Option<DiffStats>,
    /// Without the one that stands for the task.
    sibling_turn_ids: Vec<String>,
}

#[derive(Serialize)]
struct DiffStats {
    files_modified: u64,
    lines_added: u64,
    lines_removed: u64,
}

impl Row {
    pub(super) fn of(record: &TaskRecord) -> Self {
        let task = &record.task;
        Self {
            id: task.id.to_string(),
            title: line(&task.title),
            has_generated_title: true,
            archived: false,
            has_unread_turn: false,
            created_at: seconds(task.created_at),
            updated_at: seconds(task.updated_at),
            environment_id: task.environment_id.to_string(),
            task_status_display: StatusDisplay {
                environment_label: line(&record.environment_label),
                latest_turn_status_display: turn_status_display(record),
            },
            pull_requests: [],
        }
    }
}

fn turn_status_display(record: &TaskRecord) -> TurnStatusDisplay {
    let attempts = in_order(record.turns.last());
    let (status, outcome) = record.status();
    let stat = attempts
        .first()
        .and_then(|shown| view::attempt::stat(shown));
    TurnStatusDisplay {
        turn_status: status_of_task(status, outcome),
        diff_stats: stat.map(|stat| DiffStats {
            files_modified: stat.files_changed,
            lines_added: stat.lines_added,
            lines_removed: stat.lines_removed,
        }),
        sibling_turn_ids: ids(attempts.iter().skip(1)),
    }
}

/// The attempts of a turn as the client numbers them: first the one that stands for it, then the others by number.
pub(super) fn in_order(turn: Option<&TurnRecord>) -> Vec<&AttemptRecord> {
    let Some(turn) = turn else {
        return Vec::new();
    };
    let first = view::task::shown(turn).or(turn.attempts.first());
    let id = first.map(|record| record.attempt.id);
    let others = turn.attempts.iter();
    let others = others.filter(|record| Some(record.attempt.id) != id);
    first.into_iter().chain(others).collect()
}

/// An attempt is what the client calls a turn.
pub(super) fn ids<'a>(attempts: impl Iterator<Item = &'a &'a AttemptRecord>) -> Vec<String> {
    attempts
        .map(|record| record.attempt.id.to_string())
        .collect()
}

fn status_of_task(status: TaskStatus, outcome: Option<TaskOutcome>) -> &'static str {
    match (status, outcome) {
        (TaskStatus::Pending, _) => "pending",
        // There is no word for a question.
        (TaskStatus::Running | TaskStatus::NeedsInput, _) => "in_progress",
        (TaskStatus::Completed, _) => "completed",
        (TaskStatus::Failed, Some(TaskOutcome::Cancelled)) => "cancelled",
        (TaskStatus::Failed, _) => "failed",
    }
}

pub(super) fn status_of_attempt(state: &State) -> &'static str {
    match state {
        State::Queued { .. } => "pending",
        State::Held { .. } | State::AwaitingInput { .. } => "in_progress",
        State::Succeeded { .. } => "completed",
        State::Failed { .. } => "failed",
        State::Cancelled { .. } => "cancelled",
    }
}

/// Seconds since 1970, with a fraction.
#[expect(clippy::cast_precision_loss, reason = "exact for 285,000 years")]
pub(super) fn seconds(at: Timestamp) -> f64 {
    at.as_millis() as f64 / 1000.0
}
