//! Answers made from the API's own description, so that each address has one: of this version, of an older and of a newer one.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::server::{Connection, Play, Request, answer};

const DESCRIPTION: &str = include_str!("../../../openapi/outwork.json");
const EVENTS: &str = "text/event-stream";

/// How answers differ from those of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Everything is there.
    This,
    /// Only what a client of this version cannot do without.
    Older,
    /// Fields, statuses and kinds that nobody knows yet.
    Newer,
}

/// Right answers in which every text is `text`.
pub fn documents(version: Version, text: &str) -> Play {
    let maker = Maker {
        description: serde_json::from_str(DESCRIPTION).expect("JSON"),
        version,
        text: text.to_owned(),
    };
    Arc::new(move |request, connection| maker.play(request, connection))
}

struct Maker {
    description: Value,
    version: Version,
    text: String,
}

impl Maker {
    fn play(&self, request: &Request, connection: &mut dyn Connection) -> std::io::Result<()> {
        let Some((status, content)) = self.described(request) else {
            return connection.write_all(&answer(404, "text/plain", b"no such address"));
        };
        if request.head.contains(EVENTS) {
            let event = json!({"seq": 1, "epoch": 1, "at": "2026-11-20T14:50:00.000Z", "type": "state",
                "state": "failed", "failure": {"code": self.text, "message": self.text}});
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-type: {EVENTS}\r\nconnection: close\r\n\r\n");
            return write!(connection, "{head}id: 1\ndata: {event}\n\n");
        }
        let Some((content_type, schema)) = content else {
            return connection.write_all(&answer(status, "text/plain", b""));
        };
        let body = match content_type.as_str() {
            "application/json" => self.value(schema, 0).to_string(),
            _ => diff(&self.text),
        };
        connection.write_all(&answer(status, content_type, body.as_bytes()))
    }

    /// The success that is described for the request: its status, and the type and schema of its content.
    fn described(&self, request: &Request) -> Option<(u16, Option<(&String, &Value)>)> {
        let path = request.target.split('?').next()?;
        let paths = self.description["paths"].as_object()?;
        let parts: Vec<&str> = path.split('/').collect();
        let (_, methods) = paths.iter().find(|(pattern, _)| {
            let pattern: Vec<&str> = pattern.split('/').collect();
            let mut pairs = pattern.iter().zip(&parts);
            pattern.len() == parts.len() && pairs.all(|(p, a)| p.starts_with('{') || p == a)
        })?;
        let responses = methods[request.method.to_lowercase()]["responses"].as_object()?;
        let mut good = responses
            .iter()
            .filter(|(status, _)| status.starts_with('2'));
        // Of several the one that is asked for by nothing special.
        let is_json = |(_, it): &(&String, &Value)| it["content"]["application/json"].is_object();
        let (status, response) = good.clone().find(is_json).or_else(|| good.next())?;
        let content = response["content"].as_object().and_then(|content| {
            let (content_type, content) = content.iter().next()?;
            Some((content_type, &content["schema"]))
        });
        Some((status.parse().expect("a status"), content))
    }

    fn value(&self, schema: &Value, depth: usize) -> Value {
        if let Some(name) = schema["$ref"].as_str() {
            let pointer = name.trim_start_matches('#');
            return self.value(
                self.description.pointer(pointer).expect("it is described"),
                depth + 1,
            );
        }
        if let Some(first) = schema["oneOf"].get(0) {
            return self.value(first, depth + 1);
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let parts = parts.iter().map(|part| self.value(part, depth + 1));
            let fields = parts.filter_map(|part| part.as_object().cloned()).flatten();
            return Value::Object(fields.collect());
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds[0].as_str(),
            kind => kind.as_str(),
        };
        match kind {
            Some("object") => self.object(schema, depth),
            Some("array") if depth > 20 => json!([]),
            Some("array") => json!([self.value(&schema["items"], depth + 1)]),
            Some("integer" | "number") => json!(1),
            Some("boolean") => json!(false),
            Some("string") => self.string(schema),
            _ => Value::Null,
        }
    }

    fn string(&self, schema: &Value) -> Value {
        if schema["format"] == "date-time" {
            return json!("2026-11-20T14:50:00.000Z");
        }
        match (schema["enum"].get(0), self.version) {
            (Some(first), Version::Newer) if !is_closed(first) => json!("from_the_future"),
            (Some(first), _) => first.clone(),
            (None, _) => json!(self.text),
        }
    }

    fn object(&self, schema: &Value, depth: usize) -> Value {
        let required = |name: &String| {
            let list = schema["required"].as_array();
            list.is_some_and(|list| list.iter().any(|one| one == name))
        };
        let mut object = Map::new();
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            // A cursor would be followed for ever.
            let is_left_out = name == "next_cursor" || self.version == Version::Older;
            if required(name) || !is_left_out {
                object.insert(name.clone(), self.value(schema, depth + 1));
            }
        }
        if schema["additionalProperties"].is_object() {
            object.insert(
                self.text.clone(),
                self.value(&schema["additionalProperties"], depth + 1),
            );
        }
        // The names of a map are data.
        if self.version == Version::Newer && schema["additionalProperties"].is_null() {
            object.insert("of_a_later_version".to_owned(), json!([{"x": self.text}]));
        }
        object.into()
    }
}

/// Whether a client has to know every value of an enumeration with this first one: priorities, agents. A server that has more of them is told
/// apart by an error that says so.
fn is_closed(first: &Value) -> bool {
    ["low", "codex", "command"].iter().any(|one| first == one)
}

/// A diff whose every text is that one.
pub fn diff(text: &str) -> String {
    format!(
        "diff --git a/file b/file\n--- a/file\n+++ b/file\n@@ -1 +1,2 @@ {text}\n one\n+{text}\n"
    )
}
