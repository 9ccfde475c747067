//! A task as it stands in the list.

use outwork_api::task::{DiffStat, TaskSummary};
use outwork_domain::Timestamp;

use crate::plain::plain;

/// Where a task stands in the list: the newest first. Two tasks of the same time are told apart by their ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowKey {
    pub created_at: Timestamp,
    pub id: String,
}

/// A task's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Pending,
    Running,
    NeedsInput,
    Completed,
    Failed,
    /// One that this version does not know.
    Unknown,
}

impl Status {
    pub fn of_task(status: &str) -> Self {
        match status {
            "pending" => Self::Pending,
            "running" => Self::Running,
            "needs_input" => Self::NeedsInput,
            "completed" => Self::Completed,
            "failed" => Self::Failed,
            _ => Self::Unknown,
        }
    }

    pub fn of_attempt(state: &str) -> Self {
        match state {
            "queued" => Self::Pending,
            "leased" | "preparing" | "setting_up" | "running" | "collecting" => Self::Running,
            "awaiting_input" => Self::NeedsInput,
            "succeeded" => Self::Completed,
            "failed" | "cancelled" => Self::Failed,
            _ => Self::Unknown,
        }
    }

    pub fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

/// A row. All of its text is fit to be shown, but the id, which is asked for with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskRow {
    pub key: RowKey,
    pub status: Status,
    /// The outcome where it says more than the status.
    pub told: String,
    pub title: String,
    pub environment: String,
    pub environment_id: String,
    pub updated_at: Timestamp,
    pub diff: DiffStat,
    pub attempts: u32,
    /// What a task that does not run yet waits for.
    pub waits_for: Option<String>,
    pub url: String,
}

impl From<&TaskSummary> for TaskRow {
    fn from(task: &TaskSummary) -> Self {
        let TaskSummary {
            id,
            url,
            title,
            status,
            outcome,
            created_at,
            updated_at,
            created_by: _,
            environment_id,
            environment_label,
            summary,
            // The list says so.
            is_review: _,
            attempt_total,
            waiting_for,
            approval_state: _,
            overlap_count: _,
        } = task;
        let outcome = outcome.as_deref().filter(|it| *it != "succeeded");
        Self {
            key: RowKey {
                created_at: created_at.timestamp(),
                id: id.clone(),
            },
            status: Status::of_task(status),
            told: plain(outcome.unwrap_or(status)),
            title: plain(title),
            environment: plain(environment_label),
            environment_id: plain(environment_id),
            updated_at: updated_at.timestamp(),
            diff: *summary,
            attempts: *attempt_total,
            waits_for: waiting_for.as_ref().map(|waits| plain(&waits.text)),
            url: plain(url),
        }
    }
}

/// The last digits of an id, by which commands take it too.
pub(crate) fn short(id: &str) -> String {
    let start = id.char_indices().rev().nth(7).map_or(0, |(at, _)| at);
    plain(&id[start..])
}

/// `2 files, +3 -1`.
pub(crate) fn stat(diff: &DiffStat) -> String {
    let DiffStat {
        files_changed,
        lines_added,
        lines_removed,
    } = diff;
    match files_changed {
        0 => "no changes".to_owned(),
        1 => format!("1 file, +{lines_added} -{lines_removed}"),
        files => format!("{files} files, +{lines_added} -{lines_removed}"),
    }
}

/// `+3 -1`; nothing where nothing changed.
pub(crate) fn lines_changed(diff: &DiffStat) -> String {
    match diff.files_changed {
        0 => String::new(),
        _ => format!("+{} -{}", diff.lines_added, diff.lines_removed),
    }
}

/// `12s`, `5m`, `3h`, `2d`.
pub(crate) fn age(then: Timestamp, now: Timestamp) -> String {
    match now.since(then).as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..86400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86400),
    }
}
