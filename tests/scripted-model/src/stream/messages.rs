//! A reply as Anthropic's Messages API gives it, in events or as one document.
//! Source: the API reference, "Messages" and "Streaming messages".

use serde_json::{Value, json};

use super::{Event, chunks, event};
use crate::reply::{Item, Reply};
use crate::scenario::Usage;

pub(crate) fn events(reply: &Reply) -> Vec<Event> {
    let mut events = vec![opening(reply)];
    for (index, item) in reply.items.iter().enumerate() {
        let (begun, kind, field, text) = match item {
            Item::Reasoning { text, .. } => (
                json!({ "type": "thinking", "thinking": "", "signature": "" }),
                "thinking_delta",
                "thinking",
                text,
            ),
            Item::Message { text, .. } => (
                json!({ "type": "text", "text": "" }),
                "text_delta",
                "text",
                text,
            ),
            Item::Call { call_id, call, .. } => (
                json!({ "type": "tool_use", "id": call_id, "name": call.name, "input": {} }),
                "input_json_delta",
                "partial_json",
                &call.payload,
            ),
        };
        let begun = json!({ "index": index, "content_block": begun });
        events.push(event("content_block_start", begun));
        for piece in chunks(text, reply.chunk_chars) {
            let delta = json!({ "type": kind, field: piece });
            let data = json!({ "index": index, "delta": delta });
            events.push(event("content_block_delta", data));
        }
        events.push(event("content_block_stop", json!({ "index": index })));
    }
    let delta = json!({ "stop_reason": stop_reason(reply), "stop_sequence": null });
    let mut end = json!({ "delta": delta });
    if let Some(usage) = reply.usage {
        end["usage"] = json!({ "output_tokens": usage.output });
    }
    events.push(event("message_delta", end));
    events.push(event("message_stop", json!({})));
    events
}

pub(crate) fn document(reply: &Reply) -> Value {
    let block = |item: &Item| match item {
        Item::Reasoning { text, .. } => {
            json!({ "type": "thinking", "thinking": text, "signature": "c2NyaXB0ZWQ=" })
        }
        Item::Message { text, .. } => json!({ "type": "text", "text": text }),
        Item::Call { call_id, call, .. } => {
            let input: Value = serde_json::from_str(&call.payload).unwrap_or_default();
            json!({ "type": "tool_use", "id": call_id, "name": call.name, "input": input })
        }
    };
    let mut message = message(reply);
    message["content"] = reply.items.iter().map(block).collect();
    message["stop_reason"] = json!(stop_reason(reply));
    message["usage"] = match reply.usage {
        Some(usage) => {
            let mut counts = input_counts(usage);
            counts["output_tokens"] = json!(usage.output);
            counts
        }
        None => Value::Null,
    };
    message
}

/// A stream that ends with an `error` event.
pub(crate) fn broken(reply: &Reply, code: &str, message: &str) -> Vec<Event> {
    let error = json!({ "error": { "type": code, "message": message } });
    vec![opening(reply), event("error", error)]
}

fn opening(reply: &Reply) -> Event {
    let mut message = message(reply);
    if let Some(usage) = reply.usage {
        let mut counts = input_counts(usage);
        counts["output_tokens"] = json!(1);
        message["usage"] = counts;
    }
    event("message_start", json!({ "message": message }))
}

fn message(reply: &Reply) -> Value {
    json!({
        "id": reply.id, "type": "message", "role": "assistant", "model": reply.model,
        "content": [], "stop_reason": null, "stop_sequence": null,
    })
}

/// What was read from the cache is not in `input_tokens`.
fn input_counts(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input - usage.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached,
    })
}

fn stop_reason(reply: &Reply) -> &'static str {
    let calls = reply
        .items
        .iter()
        .any(|item| matches!(item, Item::Call { .. }));
    match (&reply.incomplete, calls) {
        (Some(_), _) => "max_tokens",
        (None, true) => "tool_use",
        (None, false) => "end_turn",
    }
}
