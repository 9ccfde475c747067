//! Publications on the wire: a result as a branch and a pull request.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::task::Failure;
use crate::time::Time;

/// A result to be published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPublication {
    /// The turn's number; the newest when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub turn: Option<u32>,
    /// The attempt's number within the turn; the one whose diff is shown for the task when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub attempt: Option<u32>,
    /// The repository's name; the environment's first when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The branch; that of the task's last publication when left out, else `outwork/` and a name made from the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The branch that the pull request is for; the one that the task started from when left out, else the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The pull request's title, and the commit's; the task's when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 250)]
    pub title: Option<String>,
    /// The description, in front of what the server writes itself: what the agent said when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 40000)]
    pub body: Option<String>,
    /// Whether the pull request is a draft.
    #[serde(default)]
    pub draft: bool,
    /// The commit's author, `NAME <ADDRESS>`; Outwork when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
}

/// A result on its way to a branch and a pull request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Publication {
    /// `pub_…`.
    pub id: String,
    /// The task.
    pub task_id: String,
    /// Whose diff.
    pub attempt_id: String,
    /// The repository's name.
    pub repository: String,
    /// `queued`, `publishing`, `published` or `failed`.
    pub state: String,
    /// The branch.
    pub branch: String,
    /// The commit; absent before it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The pull request; absent until it is published, and where the repository's server has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<PullRequest>,
    /// What it waits for to pass, or what there is to say about what was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// When it was asked for.
    pub created_at: Time,
    /// It has failed if it is not published by then; absent once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
}

/// A pull request, or what its server calls so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PullRequest {
    /// Where people look at it.
    pub url: String,
    /// Its number within the repository.
    pub number: u64,
    /// `open`, `draft`, `closed` or `merged`, as its server told it last.
    pub state: String,
}
