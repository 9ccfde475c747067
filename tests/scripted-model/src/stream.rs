//! A reply in the events of the Responses API, in the published order; those of
//! the two other APIs are below.
//! Source: the API reference, "Streaming events" of `POST /v1/responses`.

pub(crate) mod chat;
pub(crate) mod messages;

use serde_json::{Value, json};

use crate::conversation::ToolKind;
use crate::reply::{Item, Reply, ToolCall};
use crate::scenario::Usage;

/// Every `created_at`; a constant, so that answers can be compared.
const CREATED_AT: u64 = 1_700_000_000;

pub(crate) struct Event {
    pub name: &'static str,
    pub data: Value,
}

impl Event {
    pub(crate) fn is_delta(&self) -> bool {
        self.name.ends_with("delta") || self.name == chat::CHUNK
    }

    pub(crate) fn to_sse(&self) -> String {
        match self.name {
            chat::DONE => format!("data: {}\n\n", chat::DONE),
            chat::CHUNK => format!("data: {}\n\n", self.data),
            name => format!("event: {name}\ndata: {}\n\n", self.data),
        }
    }
}

/// All events of a reply, the last one with the whole response.
pub(crate) fn events(reply: &Reply) -> Vec<Event> {
    let mut events = opening(reply);
    let mut output = Vec::new();
    for (index, item) in reply.items.iter().enumerate() {
        let done = match item {
            Item::Reasoning { id, text } => reasoning(&mut events, reply, index, id, text),
            Item::Message { id, text } => message(&mut events, reply, index, id, text),
            Item::Call { id, call_id, call } => {
                tool_call(&mut events, reply, index, (id, call_id), call)
            }
        };
        events.push(item_event("response.output_item.done", index, &done));
        output.push(done);
    }
    let (name, status) = match reply.incomplete {
        Some(_) => ("response.incomplete", "incomplete"),
        None => ("response.completed", "completed"),
    };
    let mut response = document(reply, status, output);
    response["usage"] = reply.usage.map_or(Value::Null, usage);
    response["incomplete_details"] = match &reply.incomplete {
        Some(reason) => json!({ "reason": reason }),
        None => Value::Null,
    };
    events.push(event(name, json!({ "response": response })));
    numbered(events)
}

/// The response that is not streamed.
pub(crate) fn response(reply: &Reply) -> Value {
    let last = events(reply).pop();
    last.map_or(Value::Null, |mut last| last.data["response"].take())
}

/// A stream that ends with `response.failed`.
pub(crate) fn failed(reply: &Reply, code: &str, message: &str) -> Vec<Event> {
    let mut response = document(reply, "failed", Vec::new());
    response["error"] = json!({ "code": code, "message": message });
    let mut events = opening(reply);
    events.push(event("response.failed", json!({ "response": response })));
    numbered(events)
}

/// A stream that ends with an `error` event.
pub(crate) fn broken(reply: &Reply, code: &str, message: &str) -> Vec<Event> {
    let mut events = opening(reply);
    let data = json!({ "code": code, "message": message, "param": null });
    events.push(event("error", data));
    numbered(events)
}

fn opening(reply: &Reply) -> Vec<Event> {
    ["response.created", "response.in_progress"]
        .map(|name| {
            let response = document(reply, "in_progress", Vec::new());
            event(name, json!({ "response": response }))
        })
        .into()
}

fn document(reply: &Reply, status: &str, output: Vec<Value>) -> Value {
    json!({
        "id": reply.id, "object": "response", "created_at": CREATED_AT, "status": status,
        "error": null, "incomplete_details": null, "instructions": null, "metadata": {},
        "model": reply.model, "output": output, "parallel_tool_calls": true,
        "previous_response_id": null, "store": false, "tool_choice": "auto", "tools": [],
        "usage": null,
    })
}

fn usage(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": { "cached_tokens": usage.cached },
        "output_tokens": usage.output,
        "output_tokens_details": { "reasoning_tokens": usage.reasoning },
        "total_tokens": usage.input + usage.output,
    })
}

fn reasoning(events: &mut Vec<Event>, reply: &Reply, index: usize, id: &str, text: &str) -> Value {
    let mut item = json!({ "type": "reasoning", "id": id, "summary": [] });
    events.push(item_event("response.output_item.added", index, &item));
    let at = json!({ "item_id": id, "output_index": index, "summary_index": 0 });
    let part = |text: &str| json!({ "type": "summary_text", "text": text });
    events.push(with(
        "response.reasoning_summary_part.added",
        &at,
        json!({ "part": part("") }),
    ));
    for chunk in chunks(text, reply.chunk_chars) {
        events.push(with(
            "response.reasoning_summary_text.delta",
            &at,
            json!({ "delta": chunk }),
        ));
    }
    events.push(with(
        "response.reasoning_summary_text.done",
        &at,
        json!({ "text": text }),
    ));
    events.push(with(
        "response.reasoning_summary_part.done",
        &at,
        json!({ "part": part(text) }),
    ));
    item["summary"] = json!([part(text)]);
    // Agents that keep no state on the server ask for it, and send it back.
    item["encrypted_content"] = json!("c2NyaXB0ZWQ=");
    item
}

fn message(events: &mut Vec<Event>, reply: &Reply, index: usize, id: &str, text: &str) -> Value {
    let item = |status: &str, content: Value| json!({ "type": "message", "id": id, "role": "assistant", "status": status, "content": content });
    let part = |text: &str| json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] });
    let at = json!({ "item_id": id, "output_index": index, "content_index": 0 });
    let begun = item("in_progress", json!([]));
    events.push(item_event("response.output_item.added", index, &begun));
    events.push(with(
        "response.content_part.added",
        &at,
        json!({ "part": part("") }),
    ));
    for chunk in chunks(text, reply.chunk_chars) {
        events.push(with(
            "response.output_text.delta",
            &at,
            json!({ "delta": chunk, "logprobs": [] }),
        ));
    }
    events.push(with(
        "response.output_text.done",
        &at,
        json!({ "text": text, "logprobs": [] }),
    ));
    events.push(with(
        "response.content_part.done",
        &at,
        json!({ "part": part(text) }),
    ));
    item("completed", json!([part(text)]))
}

fn tool_call(
    events: &mut Vec<Event>,
    reply: &Reply,
    index: usize,
    (id, call_id): (&str, &str),
    call: &ToolCall,
) -> Value {
    let (kind, field, delta, done) = match call.kind {
        ToolKind::Function => (
            "function_call",
            "arguments",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
        ),
        ToolKind::Custom => (
            "custom_tool_call",
            "input",
            "response.custom_tool_call_input.delta",
            "response.custom_tool_call_input.done",
        ),
    };
    let item = |status: &str, payload: &str| {
        let mut item = json!({ "type": kind, "id": id, "call_id": call_id, "name": call.name, "status": status, field: payload });
        if let Some(namespace) = &call.namespace {
            item["namespace"] = json!(namespace);
        }
        item
    };
    let at = json!({ "item_id": id, "output_index": index });
    let begun = item("in_progress", "");
    events.push(item_event("response.output_item.added", index, &begun));
    for chunk in chunks(&call.payload, reply.chunk_chars) {
        events.push(with(delta, &at, json!({ "delta": chunk })));
    }
    events.push(with(done, &at, json!({ field: call.payload })));
    item("completed", &call.payload)
}

fn item_event(name: &'static str, index: usize, item: &Value) -> Event {
    event(name, json!({ "output_index": index, "item": item }))
}

fn with(name: &'static str, at: &Value, fields: Value) -> Event {
    let mut data = at.clone();
    if let (Value::Object(data), Value::Object(fields)) = (&mut data, fields) {
        data.extend(fields);
    }
    event(name, data)
}

fn event(name: &'static str, mut data: Value) -> Event {
    data["type"] = json!(name);
    Event { name, data }
}

fn numbered(mut events: Vec<Event>) -> Vec<Event> {
    for (number, event) in events.iter_mut().enumerate() {
        event.data["sequence_number"] = json!(number);
    }
    events
}

fn chunks(text: &str, chunk_chars: usize) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    if chunk_chars == 0 {
        return vec![text.to_owned()];
    }
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(chunk_chars).map(String::from_iter).collect()
}
