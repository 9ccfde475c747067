//! What a delivery is about, in one vocabulary for all servers. It holds no more than is needed: what a job keeps until it is done.

use serde::{Deserialize, Serialize};

use crate::mention::Wish;

/// Something that happened in a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub repository: Repository,
    /// Number of the issue or pull request.
    pub number: u64,
    pub is_pull: bool,
    /// Number of the app's installation, by which a token is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installation: Option<u64>,
    pub what: What,
}

/// A repository, as its server names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// `owner/name`; on GitLab also `group/sub/name`.
    pub path: String,
    /// Where it is cloned from, over https.
    pub url: String,
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub login: String,
    /// It stays when the login is given to somebody else.
    pub id: u64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Somebody called us.
    Mention {
        by: Person,
        place: Place,
        wish: Wish,
    },
    /// Somebody put a label on it.
    Labelled { by: Person, label: String },
    /// It was closed, or its changes were taken.
    Closed { merged: bool },
    /// What checks the newest commit of a pull request has failed.
    ChecksFailed {
        /// What the server calls the group of checks, or the pipeline.
        suite: u64,
        commit: String,
    },
}

/// Where somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The text of the issue or pull request itself.
    Top,
    /// A comment in its conversation.
    Comment { id: u64 },
    /// A comment on a line.
    Line {
        id: u64,
        path: String,
        line: Option<u64>,
        /// The few lines above it.
        hunk: String,
    },
    /// The text of a review.
    Review { id: u64 },
}

/// An event with what keeps it from being taken up twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// The same for the same happening, however often and by however many webhooks it is told.
    pub key: String,
    pub event: Event,
}

/// What a delivery comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reduced {
    /// Something to be done. A pipeline may be of several pull requests.
    Events(Vec<Incoming>),
    /// Nothing, and why.
    Ignored(&'static str),
}

/// Why a delivery cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("the delivery names no event in its headers")]
    NoEvent,
    #[error(
        "the body is not the JSON of a delivery; choose the content type application/json for the webhook"
    )]
    Body(#[source] serde_json::Error),
}

/// Longest text of a mention that is kept, in bytes: what GitHub takes for a comment. The rest of a longer one is in the conversation.
pub const WISH_BYTES: usize = 65_536;

impl Event {
    /// What names the issue or pull request within one integration.
    pub fn conversation(&self, kind: &str) -> String {
        conversation(kind, &self.repository.path, self.is_pull, self.number)
    }
}

/// The same. GitLab counts issues and merge requests apart; the others do not.
pub fn conversation(kind: &str, repository: &str, is_pull: bool, number: u64) -> String {
    let mark = match kind == "gitlab" && is_pull {
        true => '!',
        false => '#',
    };
    format!("{kind}:{}{mark}{number}", repository.to_lowercase())
}

impl Wish {
    /// Cut to what is kept.
    pub(crate) fn bounded(self) -> Self {
        let cut = |mut text: String| {
            text.truncate(text.floor_char_boundary(WISH_BYTES));
            text
        };
        match self {
            Self::Work(text) => Self::Work(cut(text)),
            Self::Review(text) => Self::Review(cut(text)),
            Self::PullRequest => Self::PullRequest,
            Self::Retry => Self::Retry,
            Self::Cancel => Self::Cancel,
        }
    }
}

/// What one text and the one before it come to: a mention that was there before is not a new one.
pub(crate) fn new_wish(before: Option<&str>, text: &str, name: &str) -> Result<Wish, &'static str> {
    if text.starts_with(crate::words::MARK) {
        return Err("it is our own");
    }
    if before.is_some_and(|before| crate::mention::is_in(before, name)) {
        return Err("the mention was there before the edit");
    }
    let wish = crate::mention::wish(text, name);
    wish.map(Wish::bounded).ok_or("nobody called")
}
