//! The JSON Schema that an agent's last message has to match.
//!
//! The keywords are those of draft 2020-12 that say something about one document by itself, which are more than models take
//! for structured output; a schema with another one is refused, because a check that leaves it out would say yes where it
//! must not. Schemas are their authors' and answers the agents': both are taken as hostile, so a check is bounded in
//! depth and in steps, patterns are matched in linear time, and nothing is ever fetched.

mod check;
mod read;

use std::collections::HashMap;

use outwork_domain::limits::OUTPUT_SCHEMA_BYTES;
use regex::Regex;
use serde_json::Value;

/// A schema that can be checked against.
#[derive(Clone, Debug)]
pub struct OutputSchema {
    root: Value,
    patterns: HashMap<String, Regex>,
}

/// Why something is no schema that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// It is longer than a schema may be.
    #[error("it has {size_bytes} bytes; at most {OUTPUT_SCHEMA_BYTES} are taken")]
    TooLarge {
        /// How long it is.
        size_bytes: usize,
    },
    /// It is not JSON.
    #[error("it is not JSON: {0}")]
    NotJson(String),
    /// It is JSON, but not an object.
    #[error("it is not a JSON Schema, which is an object such as {{\"type\": \"object\"}}")]
    NotAnObject,
    /// A part of it is wrong.
    #[error("{}: {fault}", place(pointer))]
    Part {
        /// Where, as a JSON pointer.
        pointer: String,
        /// What is wrong.
        fault: String,
    },
}

/// Why an answer does not match.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Nothing was said.
    #[error("it is empty")]
    Empty,
    /// It is not JSON.
    #[error("it is not JSON: {0}")]
    NotJson(String),
    /// A part of it is not as the schema wants it.
    #[error("{}: {fault}", place(pointer))]
    Part {
        /// Where, as a JSON pointer.
        pointer: String,
        /// What is wrong.
        fault: String,
    },
    /// It cannot be said in bounded time.
    #[error("it takes too long to check; the schema or the answer is too deep")]
    TooMuch,
}

fn place(pointer: &str) -> &str {
    match pointer {
        "" => "at the top",
        pointer => pointer,
    }
}

impl OutputSchema {
    /// Reads what somebody wrote.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        if text.len() > OUTPUT_SCHEMA_BYTES {
            let size_bytes = text.len();
            return Err(SchemaError::TooLarge { size_bytes });
        }
        let root = serde_json::from_str(text);
        Self::read(root.map_err(|error| SchemaError::NotJson(error.to_string()))?)
    }

    /// Reads what came as JSON.
    pub fn of(root: Value) -> Result<Self, SchemaError> {
        let size_bytes = root.to_string().len();
        if size_bytes > OUTPUT_SCHEMA_BYTES {
            return Err(SchemaError::TooLarge { size_bytes });
        }
        Self::read(root)
    }

    fn read(root: Value) -> Result<Self, SchemaError> {
        let patterns = read::patterns(&root)?;
        Ok(Self { root, patterns })
    }

    /// The schema as it was given.
    pub fn json(&self) -> &Value {
        &self.root
    }

    /// The answer, if it is JSON that matches. Models without structured output like to put it between the three
    /// backticks of a block of code; these are no part of it.
    pub fn check(&self, answer: &str) -> Result<Value, Mismatch> {
        let answer = unfenced(answer);
        if answer.is_empty() {
            return Err(Mismatch::Empty);
        }
        let answer = serde_json::from_str(answer);
        let answer = answer.map_err(|error| Mismatch::NotJson(error.to_string()))?;
        check::matches(self, &answer)?;
        Ok(answer)
    }
}

/// What stands in the only block of code of a text that is nothing else.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let inner = text
        .strip_prefix("```")
        .and_then(|text| text.strip_suffix("```"));
    match inner.and_then(|inner| inner.split_once('\n')) {
        Some((language, block)) if !language.contains(['{', '[', '"']) => block.trim(),
        Some(_) | None => text,
    }
}
