//! A rollout, the file in which Codex keeps a conversation, carried from one Codex to another: from a person's machine
//! into a sandbox, and from a sandbox back.
//!
//! What is carried is the conversation alone: messages, calls and their outputs, and what is shown of them. Settings stay
//! behind, because a rollout also keeps, and gives back when it is resumed, the model's provider, the approval policy and
//! the sandbox. A person's own must hold again on their machine, whatever an agent wrote into its file. Codex writes new
//! ones with the next turn, and tells the model where it works now.

mod filter;

use serde_json::{Map, Value, json};

/// The most rollouts that a conversation may consist of: each fork goes on from another.
pub const FORKS: usize = 32;
const ID_BYTES: usize = 64;

/// A rollout, read.
#[derive(Debug, Clone)]
pub struct Rollout {
    thread_id: String,
    /// `2026-11-30T07:34:52` of the time at which the conversation began, UTC.
    began_at: String,
    originator: Option<String>,
    cli_version: Option<String>,
    cwd: Option<String>,
    is_of_person: bool,
    is_paginated: bool,
    base: Option<Base>,
    items: Vec<Item>,
}

/// Where a forked conversation goes on: its own rollout has only what came after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    pub thread_id: String,
    /// Items from this number on are not part of it.
    pub end: u64,
}

#[derive(Debug, Clone)]
struct Item {
    timestamp: Value,
    ordinal: u64,
    kind: &'static str,
    payload: Value,
}

/// A rollout as it is put into another home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    pub thread_id: String,
    /// Below `sessions` of Codex' home: `2026/11/30/rollout-2026-11-30T07-34-52-ID.jsonl`.
    pub path: String,
    pub contents: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RolloutError {
    #[error("it is not a rollout of Codex: its first line does not describe a session")]
    NotARollout,
    #[error("line {line} of it is not JSON")]
    Line { line: usize },
    #[error("its {field} cannot be used")]
    Field { field: &'static str },
    #[error("it holds no conversation")]
    Empty,
    #[error(
        "its model's provider compacted it in encrypted form, which no other can read; go on from before that, or start anew"
    )]
    Sealed,
    #[error("it goes on from {FORKS} other sessions or more")]
    TooManyForks,
}

impl Rollout {
    /// Reads a file, or only its first line, which has all but the conversation. A last line that a killed Codex did not write to its end is left out.
    pub fn read(bytes: &[u8]) -> Result<Self, RolloutError> {
        let mut lines = bytes.split(|byte| *byte == b'\n').enumerate();
        let (_, first) = lines.next().ok_or(RolloutError::NotARollout)?;
        let head: Value = serde_json::from_slice(first).map_err(|_| RolloutError::NotARollout)?;
        if head["type"] != "session_meta" {
            return Err(RolloutError::NotARollout);
        }
        let mut rollout = Self::described(&head["payload"])?;
        let last = bytes.iter().filter(|byte| **byte == b'\n').count();
        for (number, line) in lines {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match serde_json::from_slice(line) {
                Ok(line) => rollout.items.extend(filter::item(line, number as u64)),
                Err(_) if number == last => {}
                Err(_) => return Err(RolloutError::Line { line: number + 1 }),
            }
        }
        Ok(rollout)
    }

    fn described(meta: &Value) -> Result<Self, RolloutError> {
        let text = |name: &str| meta[name].as_str().map(str::to_owned);
        let wrong = |field| RolloutError::Field { field };
        let thread_id = text("id").filter(|id| is_id(id)).ok_or(wrong("id"))?;
        let began_at = text("timestamp").ok_or(wrong("time"))?;
        let began_at = began_at.get(..19).filter(|time| is_time(time));
        let base = match &meta["history_base"] {
            Value::Null => None,
            base => {
                let of = base["thread_id"].as_str().filter(|id| is_id(id));
                let end = base["end_ordinal_exclusive"].as_u64();
                let (of, end) = of.zip(end).ok_or(wrong("origin"))?;
                Some(Base {
                    thread_id: of.to_owned(),
                    end,
                })
            }
        };
        Ok(Self {
            thread_id,
            began_at: began_at.ok_or(wrong("time"))?.to_owned(),
            originator: text("originator").filter(|name| is_word(name)),
            cli_version: text("cli_version").filter(|version| is_word(version)),
            cwd: text("cwd"),
            is_of_person: meta["source"].is_string(),
            is_paginated: meta["history_mode"] == "paginated",
            base,
            items: Vec::new(),
        })
    }

    pub fn thread_id(&self) -> &str {
        &self.thread_id
    }

    /// Where Codex worked, as it says.
    pub fn cwd(&self) -> Option<&str> {
        self.cwd.as_deref()
    }

    /// Whether somebody talks there, and not Codex with an agent of its own.
    pub fn is_of_person(&self) -> bool {
        self.is_of_person
    }

    /// The conversation that this one was forked from, and that it is not whole without.
    pub fn base(&self) -> Option<&Base> {
        self.base.as_ref()
    }

    /// Puts the conversation that it was forked from before it.
    pub fn behind(mut self, origin: Self) -> Self {
        let end = self.base.take().map_or(0, |base| base.end);
        let before = origin.items.into_iter().filter(|item| item.ordinal < end);
        self.items = before.chain(self.items).collect();
        self.base = origin.base;
        self.is_paginated &= origin.is_paginated;
        self
    }

    /// The conversation for another home, to be gone on with in the directory `cwd`, under its own id or `thread_id`.
    pub fn carried(&self, cwd: &str, thread_id: Option<&str>) -> Result<Carried, RolloutError> {
        if !self.items.iter().any(|item| item.kind == "response_item") {
            return Err(RolloutError::Empty);
        }
        if self.items.iter().any(filter::is_sealed) {
            return Err(RolloutError::Sealed);
        }
        let id = thread_id.unwrap_or(&self.thread_id);
        let mut contents = line(
            &json!(format!("{}.000Z", self.began_at)),
            0,
            "session_meta",
            self.meta(id, cwd),
        );
        for (number, item) in (1..).zip(&self.items) {
            let mut payload = item.payload.clone();
            if let Some(of) = payload.get_mut("thread_id") {
                *of = id.into();
            }
            contents.extend(line(&item.timestamp, number, item.kind, payload));
        }
        let (date, time) = self.began_at.split_at(10);
        Ok(Carried {
            thread_id: id.to_owned(),
            path: format!(
                "{}/rollout-{date}{}-{id}.jsonl",
                date.replace('-', "/"),
                time.replace(':', "-")
            ),
            contents,
        })
    }

    /// Without a provider, Codex takes the one that its configuration names.
    fn meta(&self, id: &str, cwd: &str) -> Value {
        let mut meta = Map::new();
        let mut set = |name: &str, value: &str| meta.insert(name.to_owned(), value.into());
        set("id", id);
        set("session_id", id);
        set("timestamp", &format!("{}.000Z", self.began_at));
        set("cwd", cwd);
        set("source", "cli");
        set(
            "originator",
            self.originator.as_deref().unwrap_or("outwork"),
        );
        set(
            "cli_version",
            self.cli_version.as_deref().unwrap_or(super::CODEX_VERSION),
        );
        if self.is_paginated {
            set("history_mode", "paginated");
        }
        Value::Object(meta)
    }
}

fn line(timestamp: &Value, ordinal: u64, kind: &str, payload: Value) -> Vec<u8> {
    let line =
        json!({"timestamp": timestamp, "ordinal": ordinal, "type": kind, "payload": payload});
    let mut bytes = line.to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}

/// Ids become names of files.
fn is_id(id: &str) -> bool {
    (1..=ID_BYTES).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_time(time: &str) -> bool {
    const SHAPE: &str = "0000-00-00T00:00:00";
    time.len() == SHAPE.len()
        && time
            .bytes()
            .zip(SHAPE.bytes())
            .all(|(found, shape)| match shape {
                b'0' => found.is_ascii_digit(),
                mark => found == mark,
            })
}

fn is_word(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests;
