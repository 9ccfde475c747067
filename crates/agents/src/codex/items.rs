//! Codex' items in our events.

use super::running::{RunningCommands, Unreported};
use super::wire::{Change, CommandItem, Item, ItemStatus, Kind};
use crate::event::{
    AgentEvent, ChangeKind, CommandResult, FileChange, ItemId, OutputPlace, PatchResult,
};
use crate::text::{EVENT_TEXT_MAX_BYTES, clipped, portions};

/// A message or reasoning is one event; no model writes more in one piece.
const MESSAGE_MAX_BYTES: usize = 256 * 1024;
/// All diffs of one event together.
const DIFFS_MAX_BYTES: usize = 64 * 1024;
const MAX_CHANGES: usize = 200;
const ID_MAX_BYTES: usize = 200;
const PATH_MAX_BYTES: usize = 4096;

pub(super) fn item_id(id: &str) -> ItemId {
    ItemId(clipped(id, ID_MAX_BYTES))
}

pub(super) fn message_text(text: &str) -> String {
    clipped(text, MESSAGE_MAX_BYTES)
}

pub(super) fn started(item: &Item) -> Option<AgentEvent> {
    match item {
        Item::CommandExecution(command) => Some(AgentEvent::CommandStarted {
            item: item_id(&command.id),
            command: clipped(&command.command, EVENT_TEXT_MAX_BYTES),
            cwd: clipped(&command.cwd, PATH_MAX_BYTES),
        }),
        Item::McpToolCall {
            id, server, tool, ..
        } => Some(tool_started(id, &format!("{server}/{tool}"))),
        Item::DynamicToolCall { id, tool, .. } => Some(tool_started(id, tool)),
        Item::WebSearch { id, .. } => Some(tool_started(id, "web search")),
        Item::AgentMessage { .. }
        | Item::Reasoning { .. }
        | Item::FileChange { .. }
        | Item::Plan { .. }
        | Item::ContextCompaction {}
        | Item::Other => None,
    }
}

pub(super) fn completed(item: &Item, running: &mut RunningCommands) -> Vec<AgentEvent> {
    match item {
        Item::AgentMessage { id, text } => {
            vec![AgentEvent::Message {
                item: item_id(id),
                text: message_text(text),
            }]
        }
        Item::Reasoning {
            id,
            summary,
            content,
        } => {
            let parts = if summary.is_empty() { content } else { summary };
            let text = message_text(&parts.join("\n\n"));
            let empty = text.is_empty();
            (!empty)
                .then(|| AgentEvent::Reasoning {
                    item: item_id(id),
                    text,
                })
                .into_iter()
                .collect()
        }
        Item::CommandExecution(command) => command_finished(command, running),
        Item::FileChange {
            id,
            changes,
            status,
        } => vec![files_changed(id, changes, *status)],
        Item::McpToolCall {
            id,
            server,
            tool,
            status,
        } => {
            vec![tool_finished(id, &format!("{server}/{tool}"), *status)]
        }
        Item::DynamicToolCall { id, tool, status } => vec![tool_finished(id, tool, *status)],
        Item::WebSearch { id, query } => {
            vec![tool_finished(
                id,
                &format!("web search: {query}"),
                ItemStatus::Completed,
            )]
        }
        Item::Plan { text } => {
            vec![AgentEvent::Plan {
                explanation: Some(message_text(text)),
                steps: Vec::new(),
            }]
        }
        Item::ContextCompaction {} => vec![AgentEvent::ContextCompacted],
        Item::Other => Vec::new(),
    }
}

fn command_finished(command: &CommandItem, running: &mut RunningCommands) -> Vec<AgentEvent> {
    let item = item_id(&command.id);
    let whole = command.aggregated_output.as_deref().unwrap_or_default();
    let (missing, place) = match running.finished(&command.id, whole) {
        Unreported::Nothing => ("", OutputPlace::Next),
        Unreported::All(text) => (text, OutputPlace::Next),
        Unreported::Beginning(text) => (text, OutputPlace::Beginning),
    };
    let mut events: Vec<AgentEvent> = portions(missing)
        .map(|text| AgentEvent::CommandOutput {
            item: item.clone(),
            text: text.to_owned(),
            place,
        })
        .collect();
    let result = match (command.status, command.exit_code) {
        (ItemStatus::Declined, _) => CommandResult::Declined,
        (_, Some(exit_code)) => CommandResult::Exited { exit_code },
        (_, None) => CommandResult::Aborted,
    };
    let duration_ms = command
        .duration_ms
        .and_then(|duration| u64::try_from(duration).ok());
    events.push(AgentEvent::CommandFinished {
        item,
        result,
        duration_ms,
    });
    events
}

fn files_changed(id: &str, changes: &[Change], status: ItemStatus) -> AgentEvent {
    let mut budget = DIFFS_MAX_BYTES;
    let listed = changes
        .iter()
        .take(MAX_CHANGES)
        .map(|change| {
            let diff = clipped(hunks(change), budget);
            budget = budget.saturating_sub(change.diff.len());
            FileChange {
                path: clipped(&change.path, PATH_MAX_BYTES),
                kind: change_kind(&change.kind),
                diff,
            }
        })
        .collect();
    AgentEvent::FilesChanged {
        item: item_id(id),
        changes: listed,
        left_out: changes.len().saturating_sub(MAX_CHANGES),
        result: match status {
            ItemStatus::Completed => PatchResult::Applied,
            ItemStatus::Declined => PatchResult::Declined,
            ItemStatus::Failed | ItemStatus::InProgress | ItemStatus::Unknown => {
                PatchResult::Failed
            }
        },
    }
}

/// Codex adds a sentence to the diff of a moved file.
fn hunks(change: &Change) -> &str {
    match &change.kind {
        Kind::Update {
            move_path: Some(to),
        } => change
            .diff
            .strip_suffix(to.as_str())
            .and_then(|diff| diff.strip_suffix("\n\nMoved to: "))
            .unwrap_or(&change.diff),
        Kind::Add | Kind::Delete | Kind::Update { move_path: None } => &change.diff,
    }
}

fn change_kind(kind: &Kind) -> ChangeKind {
    match kind {
        Kind::Add => ChangeKind::Added,
        Kind::Delete => ChangeKind::Deleted,
        Kind::Update { move_path: None } => ChangeKind::Updated,
        Kind::Update {
            move_path: Some(to),
        } => ChangeKind::Renamed {
            to: clipped(to, PATH_MAX_BYTES),
        },
    }
}

fn tool_started(id: &str, name: &str) -> AgentEvent {
    AgentEvent::ToolStarted {
        item: item_id(id),
        name: clipped(name, EVENT_TEXT_MAX_BYTES),
    }
}

fn tool_finished(id: &str, name: &str, status: ItemStatus) -> AgentEvent {
    AgentEvent::ToolFinished {
        item: item_id(id),
        name: clipped(name, EVENT_TEXT_MAX_BYTES),
        ok: status == ItemStatus::Completed,
    }
}
