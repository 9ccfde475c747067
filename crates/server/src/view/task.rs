//! Tasks and turns, and which attempt stands for a task.

use outwork_api::task::{Task as Wire, TaskSummary, Turn as WireTurn};
use outwork_domain::State;
use outwork_domain::status::{TaskOutcome, task_status};
use outwork_domain::task::Turn;
use outwork_store::{AttemptRecord, StoredDiff, TaskRecord, TurnRecord};

use super::attempt;

/// The attempt whose diff is shown for a turn: the lowest-numbered that succeeded, else the lowest-numbered that has a diff.
pub(crate) fn shown(turn: &TurnRecord) -> Option<&AttemptRecord> {
    let succeeded = turn
        .attempts
        .iter()
        .find(|record| matches!(record.attempt.state, State::Succeeded { .. }));
    succeeded.or_else(|| turn.attempts.iter().find(|record| diff(record).is_some()))
}

pub(crate) fn diff(record: &AttemptRecord) -> Option<&StoredDiff> {
    record.result.as_ref()?.diff.as_ref()
}

/// A task in a list: its newest turn decides.
pub(crate) fn summary(record: &TaskRecord, public_url: &str) -> TaskSummary {
    let TaskRecord {
        task,
        environment_label,
        turns,
    } = record;
    let newest = turns.last();
    let attempts = newest.map_or(&[][..], |turn| &turn.attempts);
    let (status, outcome) = task_status(attempts.iter().map(|record| &record.attempt.state));
    let stat = newest
        .and_then(shown)
        .and_then(diff)
        .map(|diff| attempt::wire_stat(diff.stat));
    TaskSummary {
        id: task.id.to_string(),
        url: format!("{public_url}/tasks/{}", task.id),
        title: task.title.clone(),
        status: status.as_str().to_owned(),
        outcome: outcome.map(TaskOutcome::as_str).map(str::to_owned),
        created_at: task.created_at.into(),
        updated_at: task.updated_at.into(),
        environment_id: task.environment_id.to_string(),
        environment_label: environment_label.clone(),
        summary: stat.unwrap_or_default(),
        is_review: false,
        attempt_total: u32::try_from(attempts.len()).unwrap_or(u32::MAX),
    }
}

/// A task with all its turns.
pub(crate) fn wire(record: TaskRecord, public_url: &str) -> Wire {
    let summary = summary(&record, public_url);
    let TaskRecord {
        task,
        environment_label: _,
        turns,
    } = record;
    Wire {
        summary,
        branch: task.base.branch,
        commit: task.base.commit,
        turns: turns.into_iter().map(wire_turn).collect(),
    }
}

fn wire_turn(record: TurnRecord) -> WireTurn {
    let TurnRecord { turn, attempts } = record;
    let Turn {
        id,
        task_id: _,
        number,
        created_by: _,
        prompt,
        continues,
        created_at,
    } = turn;
    WireTurn {
        id: id.to_string(),
        number: number.get(),
        prompt,
        continues: continues.map(|attempt| attempt.to_string()),
        created_at: created_at.into(),
        attempts: attempts.into_iter().map(attempt::wire).collect(),
    }
}
