//! Comments on results.

use outwork_domain::comment::Side as DomainSide;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::member::Person;
use crate::time::Time;

/// Before or after the change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// As it was.
    Old,
    /// As the attempt left it.
    #[default]
    New,
}

impl From<Side> for DomainSide {
    fn from(side: Side) -> Self {
        match side {
            Side::Old => Self::Old,
            Side::New => Self::New,
        }
    }
}

impl From<DomainSide> for Side {
    fn from(side: DomainSide) -> Self {
        match side {
            DomainSide::Old => Self::Old,
            DomainSide::New => Self::New,
        }
    }
}

/// A comment to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewComment {
    /// The turn's number; the newest when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub turn: Option<u32>,
    /// The attempt's number within the turn; the one whose diff is shown for it when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub attempt: Option<u32>,
    /// The repository's name; the environment's first when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The file as the diff calls it: after the change, or before it where it is deleted.
    pub path: String,
    /// Whose line numbers these are.
    #[serde(default)]
    pub side: Side,
    /// The first line, which the diff has to show; left out: the comment is about the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub line: Option<u32>,
    /// The last line, at most 200 from the first; the first when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub end_line: Option<u32>,
    /// What is said, up to 10,000 characters.
    #[schema(min_length = 1, max_length = 10000)]
    pub text: String,
}

/// A change of a comment; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommentPatch {
    /// What it says from now on: only of one's own, and only before it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 10000)]
    pub text: Option<String>,
    /// Whether it is settled from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<bool>,
}

/// A comment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Comment {
    /// `com_…`.
    pub id: String,
    /// `task_…`.
    pub task_id: String,
    /// The turn's number.
    pub turn: u32,
    /// The attempt's number within the turn.
    pub attempt: u32,
    /// The repository's name.
    pub repository: String,
    /// The file as the diff calls it.
    pub path: String,
    /// Whose line numbers these are.
    #[schema(value_type = Side)]
    pub side: String,
    /// The first line; absent: it is about the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The last line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_line: Option<u32>,
    /// The lines as the diff has them; very long ones are cut.
    pub excerpt: String,
    /// What is said.
    pub text: String,
    /// Who says it.
    pub author: Person,
    /// When it was said.
    pub created_at: Time,
    /// When it was changed last.
    pub updated_at: Time,
    /// Since when it is settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Time>,
    /// The number of the turn whose prompt it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_in_turn: Option<u32>,
}

/// Which comments a follow-up hands to the agent: `true` for the open ones of the attempt that it continues, or their ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum SendComments {
    /// All that are open, or none.
    Open(bool),
    /// These.
    Some(Vec<String>),
}
