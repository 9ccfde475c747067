//! Requests to a server's interface, and what their answers hold.

use serde_json::Value;

use crate::event::Place;

/// The verbs that are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Get,
    Post,
    Patch,
    Put,
}

/// One request, below the interface's address.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub verb: Verb,
    /// Each is one part of the path, whatever it holds.
    pub path: Vec<String>,
    pub query: Vec<(&'static str, String)>,
    pub body: Option<Value>,
}

impl Call {
    pub(crate) fn get(path: Vec<String>) -> Self {
        Self {
            verb: Verb::Get,
            path,
            query: Vec::new(),
            body: None,
        }
    }

    pub(crate) fn send(verb: Verb, path: Vec<String>, body: Value) -> Self {
        Self {
            verb,
            path,
            query: Vec::new(),
            body: Some(body),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }
}

/// An issue or pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `owner/name`.
    pub repository: String,
    pub number: u64,
    pub is_pull: bool,
}

/// How much somebody may do in a repository, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    None,
    Read,
    Triage,
    Write,
    Maintain,
    Admin,
}

impl Level {
    /// As settings name it.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            "read" => Some(Self::Read),
            "triage" => Some(Self::Triage),
            "write" => Some(Self::Write),
            "maintain" => Some(Self::Maintain),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Triage => "triage",
            Self::Write => "write",
            Self::Maintain => "maintain",
            Self::Admin => "admin",
        }
    }
}

/// The text of an issue or pull request, and where that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Top {
    pub title: String,
    pub body: String,
    pub by: String,
    /// As the server writes times.
    pub at: String,
    pub is_open: bool,
    /// How many comments there are, where it is said.
    pub comments: u64,
    /// Of a pull request.
    pub pull: Option<PullRefs>,
}

/// Where a pull request comes from and goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRefs {
    pub branch: String,
    pub commit: String,
    pub base: String,
    /// Whether its branch is in the repository itself, and not in a fork.
    pub is_own: bool,
}

/// A comment that somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub id: u64,
    pub by: String,
    pub at: String,
    pub text: String,
    /// File and line, of a comment on one.
    pub on: Option<(String, Option<u64>)>,
}

/// What a pull request changes in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDiff {
    pub path: String,
    pub old_path: Option<String>,
    /// Hunks alone, from the first `@@`; empty for what is binary or too large.
    pub patch: String,
}

/// A check that did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedCheck {
    pub id: u64,
    pub name: String,
    /// What it says of itself.
    pub text: String,
}

/// Where the mention that is answered stands, for a reaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At<'a> {
    pub target: &'a Target,
    pub place: &'a Place,
}

/// A field that is text; empty where there is none.
pub(crate) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

/// How many entries are asked for at a time.
pub const PAGE: u64 = 100;
