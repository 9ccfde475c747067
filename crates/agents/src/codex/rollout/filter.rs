//! What of a rollout is the conversation.

use serde_json::{Map, Value};

use super::Item;

/// What is shown of a conversation, and what ends or undoes its turns. What is not named here stays behind.
const EVENTS: [&str; 30] = [
    "user_message",
    "agent_message",
    "agent_reasoning",
    "agent_reasoning_raw_content",
    "agent_reasoning_section_break",
    "task_started",
    "task_complete",
    "turn_started",
    "turn_complete",
    "turn_aborted",
    "token_count",
    "item_started",
    "item_completed",
    "context_compacted",
    "thread_rolled_back",
    "thread_reverted",
    "exec_command_begin",
    "exec_command_end",
    "patch_apply_begin",
    "patch_apply_end",
    "mcp_tool_call_begin",
    "mcp_tool_call_end",
    "web_search_begin",
    "web_search_end",
    "view_image_tool_call",
    "entered_review_mode",
    "exited_review_mode",
    "plan_update",
    "error",
    "warning",
];

/// What is said to the model and by it. `additional_tools` and the like are settings.
const SAID: [&str; 14] = [
    "message",
    "reasoning",
    "local_shell_call",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "tool_search_call",
    "tool_search_output",
    "web_search_call",
    "image_generation_call",
    "compaction",
    "compaction_summary",
    "context_compaction",
];

/// The item of a line, if it is part of the conversation. `number` is that of the line, for lines of older versions, which
/// have none.
pub(super) fn item(line: Value, number: u64) -> Option<Item> {
    let Value::Object(mut line) = line else {
        return None;
    };
    let ordinal = line.get("ordinal").and_then(Value::as_u64);
    let payload = line.remove("payload")?;
    let (kind, payload) = match line.get("type")?.as_str()? {
        "response_item" => ("response_item", response_item(payload)?),
        "compacted" => ("compacted", compacted(payload)?),
        "event_msg" => ("event_msg", event(payload)?),
        _ => return None,
    };
    Some(Item {
        timestamp: line.remove("timestamp").filter(Value::is_string)?,
        ordinal: ordinal.unwrap_or(number),
        kind,
        payload,
    })
}

/// * What Codex itself told the model (role `developer` or `system`) is about the settings that stay behind; Codex tells it
///   anew.
/// * Reasoning that is encrypted can be read by the account alone that it was made for, and another one's endpoint refuses
///   the whole request.
fn response_item(item: Value) -> Option<Value> {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    let stays = match text("type")? {
        "message" => matches!(text("role"), Some("user" | "assistant")),
        "reasoning" => !is_encrypted(&item),
        kind => SAID.contains(&kind),
    };
    stays.then_some(item)
}

fn is_encrypted(item: &Value) -> bool {
    item.get("encrypted_content")
        .is_some_and(|content| !content.is_null())
}

/// Whether what was said before is there only as a summary that its provider alone can read.
pub(super) fn is_sealed(item: &Item) -> bool {
    let sealed = |item: &Value| {
        let kind = item.get("type").and_then(Value::as_str);
        kind.is_some_and(|kind| kind.contains("compaction")) && is_encrypted(item)
    };
    let history = item.payload.get("replacement_history");
    let history = history.and_then(Value::as_array);
    sealed(&item.payload) || history.into_iter().flatten().any(sealed)
}

/// A summary in the place of what was said before.
fn compacted(payload: Value) -> Option<Value> {
    let Value::Object(mut payload) = payload else {
        return None;
    };
    let mut kept = Map::new();
    kept.insert("message".to_owned(), payload.remove("message")?);
    if let Some(Value::Array(history)) = payload.remove("replacement_history") {
        let history = history.into_iter().filter_map(response_item).collect();
        kept.insert("replacement_history".to_owned(), Value::Array(history));
    }
    Some(Value::Object(kept))
}

fn event(payload: Value) -> Option<Value> {
    let kind = payload.get("type")?.as_str()?;
    EVENTS.contains(&kind).then_some(payload)
}
