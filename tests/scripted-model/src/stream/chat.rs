//! A reply as Chat Completions gives it, in chunks or as one document.
//! Source: the API reference, "Create chat completion" and its streaming chunks.
//!
//! Reasoning has no place in the published API; `reasoning_content` is where
//! most servers of open models put it.

use serde_json::{Value, json};

use super::{CREATED_AT, Event, chunks};
use crate::reply::{Item, Reply};
use crate::scenario::Usage;

/// The name that an [`Event`] of this API has; it is not sent.
pub(super) const CHUNK: &str = "chat.completion.chunk";
pub(super) const DONE: &str = "[DONE]";

/// `with_usage`: the request asked for it in `stream_options`.
pub(crate) fn events(reply: &Reply, with_usage: bool) -> Vec<Event> {
    let delta = |delta: Value| chunk(reply, &json!([choice("delta", &delta, None)]));
    let mut events = vec![delta(json!({ "role": "assistant", "content": "" }))];
    let mut calls = 0;
    for item in &reply.items {
        match item {
            Item::Reasoning { text, .. } => {
                let pieces = chunks(text, reply.chunk_chars).into_iter();
                events.extend(pieces.map(|piece| delta(json!({ "reasoning_content": piece }))));
            }
            Item::Message { text, .. } => {
                let pieces = chunks(text, reply.chunk_chars).into_iter();
                events.extend(pieces.map(|piece| delta(json!({ "content": piece }))));
            }
            Item::Call { call_id, call, .. } => {
                let function = json!({ "name": call.name, "arguments": "" });
                let begun = json!({ "index": calls, "id": call_id, "type": "function", "function": function });
                events.push(delta(json!({ "tool_calls": [begun] })));
                let pieces = chunks(&call.payload, reply.chunk_chars).into_iter();
                events.extend(pieces.map(|piece| {
                    let more = json!({ "index": calls, "function": { "arguments": piece } });
                    delta(json!({ "tool_calls": [more] }))
                }));
                calls += 1;
            }
        }
    }
    let reason = finish_reason(reply);
    let last = choice("delta", &json!({}), Some(reason));
    events.push(chunk(reply, &json!([last])));
    if with_usage {
        let mut counted = chunk(reply, &json!([]));
        counted.data["usage"] = reply.usage.map_or(Value::Null, usage);
        events.push(counted);
    }
    events.push(Event {
        name: DONE,
        data: Value::Null,
    });
    events
}

pub(crate) fn document(reply: &Reply) -> Value {
    let mut message = json!({ "role": "assistant", "content": null, "refusal": null });
    let mut calls = Vec::new();
    for item in &reply.items {
        match item {
            Item::Reasoning { text, .. } => message["reasoning_content"] = json!(text),
            Item::Message { text, .. } => message["content"] = json!(text),
            Item::Call { call_id, call, .. } => {
                let function = json!({ "name": call.name, "arguments": call.payload });
                calls.push(json!({ "id": call_id, "type": "function", "function": function }));
            }
        }
    }
    if !calls.is_empty() {
        message["tool_calls"] = json!(calls);
    }
    json!({
        "id": reply.id, "object": "chat.completion", "created": CREATED_AT, "model": reply.model,
        "choices": [choice("message", &message, Some(finish_reason(reply)))],
        "usage": reply.usage.map_or(Value::Null, usage),
    })
}

/// A stream that ends with an error.
pub(crate) fn broken(reply: &Reply, code: &str, message: &str) -> Vec<Event> {
    let error = json!({ "code": code, "message": message, "type": "server_error", "param": null });
    let begun = json!({ "role": "assistant", "content": "" });
    vec![
        chunk(reply, &json!([choice("delta", &begun, None)])),
        Event {
            name: CHUNK,
            data: json!({ "error": error }),
        },
    ]
}

fn chunk(reply: &Reply, choices: &Value) -> Event {
    let data = json!({
        "id": reply.id, "object": CHUNK, "created": CREATED_AT, "model": reply.model, "choices": choices,
    });
    Event { name: CHUNK, data }
}

fn choice(kind: &str, content: &Value, finish_reason: Option<&str>) -> Value {
    json!({ "index": 0, kind: content, "logprobs": null, "finish_reason": finish_reason })
}

fn finish_reason(reply: &Reply) -> &'static str {
    let calls = reply
        .items
        .iter()
        .any(|item| matches!(item, Item::Call { .. }));
    match (&reply.incomplete, calls) {
        (Some(_), _) => "length",
        (None, true) => "tool_calls",
        (None, false) => "stop",
    }
}

fn usage(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "prompt_tokens_details": { "cached_tokens": usage.cached },
        "completion_tokens": usage.output,
        "completion_tokens_details": { "reasoning_tokens": usage.reasoning },
        "total_tokens": usage.input + usage.output,
    })
}
