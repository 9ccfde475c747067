//! GitHub's own description of its interface, as far as it is needed: is a request, is an answer as it says? Stand-ins use it, too.

use serde_json::Value;

/// The extract of the description; `published/README.md` says of what.
const DESCRIPTION: &str = include_str!("../published/openapi.json");

pub struct Description(Value);

impl Description {
    pub fn read() -> Self {
        Self(serde_json::from_str(DESCRIPTION).expect("JSON"))
    }

    /// The operation of a path below the interface's address.
    fn operation(&self, method: &str, path: &[&str]) -> Option<&Value> {
        let all = self.0.as_object().expect("paths");
        let mut fitting = all.iter().filter(|(template, operations)| {
            let parts: Vec<&str> = template.split('/').skip(1).collect();
            parts.len() == path.len()
                && parts
                    .iter()
                    .zip(path)
                    .all(|(part, given)| part.starts_with('{') || part == given)
                && operations.get(method).is_some()
        });
        let (_, operations) = fitting.next()?;
        assert!(fitting.next().is_none(), "{path:?} fits twice");
        Some(&operations[method])
    }

    /// What is wrong with a request; nothing if all is as described.
    pub fn request(
        &self,
        method: &str,
        path: &[&str],
        query: &[&str],
        body: Option<&Value>,
    ) -> Vec<String> {
        let method = method.to_ascii_lowercase();
        let Some(operation) = self.operation(&method, path) else {
            return vec![format!("there is no {method} {path:?}")];
        };
        let known = operation["query"].as_array().expect("names");
        let unknown = query
            .iter()
            .filter(|name| !known.iter().any(|it| it == *name));
        let mut wrong: Vec<String> = unknown.map(|name| format!("no parameter {name}")).collect();
        match (&operation["body"], body) {
            (Value::Null, None) => {}
            (Value::Null, Some(_)) => wrong.push("it takes no body".to_owned()),
            (_, None) => wrong.push("it wants a body".to_owned()),
            (schema, Some(body)) => check(schema, body, "body", true, &mut wrong),
        }
        wrong
    }

    /// What is wrong with an answer to it.
    pub fn answer(&self, method: &str, path: &[&str], status: u16, body: &Value) -> Vec<String> {
        let method = method.to_ascii_lowercase();
        let Some(operation) = self.operation(&method, path) else {
            return vec![format!("there is no {method} {path:?}")];
        };
        let mut wrong = Vec::new();
        match operation["answers"].get(status.to_string()) {
            Some(schema) => check(schema, body, "answer", false, &mut wrong),
            None if status < 400 => wrong.push(format!("{method} {path:?} never answers {status}")),
            None => {}
        }
        wrong
    }
}

/// The keywords that the description uses. With `closed`, fields that it does not name are wrong, too.
fn check(schema: &Value, value: &Value, at: &str, closed: bool, wrong: &mut Vec<String>) {
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    for (keyword, least, most) in [
        ("oneOf", 1, usize::MAX),
        ("anyOf", 1, usize::MAX),
        ("allOf", usize::MAX, usize::MAX),
    ] {
        if let Some(parts) = schema[keyword].as_array() {
            let fits = |part: &&Value| {
                let mut wrong = Vec::new();
                check(part, value, at, closed, &mut wrong);
                wrong.is_empty()
            };
            let fitting = parts.iter().filter(fits).count();
            if fitting < least.min(parts.len()) || fitting > most {
                wrong.push(format!("{at} fits {fitting} of {keyword}: {value}"));
            }
        }
    }
    let is = match schema["type"].as_str() {
        None => true,
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some(other) => panic!("a schema of type {other}"),
    };
    if !is {
        wrong.push(format!("{at} is no {}: {value}", schema["type"]));
        return;
    }
    if let Some(among) = schema["enum"].as_array()
        && !among.contains(value)
    {
        wrong.push(format!("{at} is none of {among:?}: {value}"));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().expect("a name");
        if value.get(name).is_none() {
            wrong.push(format!("{at} has no {name}"));
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(
            &schema["items"],
            item,
            &format!("{at}[{index}]"),
            closed,
            wrong,
        );
    }
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    for (name, field) in value.as_object().into_iter().flatten() {
        match properties.get(name) {
            Some(schema) => check(schema, field, &format!("{at}.{name}"), closed, wrong),
            None if closed => wrong.push(format!("{at} has an unknown {name}")),
            None => {}
        }
    }
}
