//! Approvals: whether a result may leave.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::member::Person;
use crate::time::Time;

/// What somebody says of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It may leave.
    Approve,
    /// It may not, until this is withdrawn.
    Reject,
    /// What was said before holds no more.
    Withdraw,
}

/// What somebody says of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApproval {
    /// The turn's number; the newest when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub turn: Option<u32>,
    /// The attempt's number within the turn; the one whose diff is shown for it when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub attempt: Option<u32>,
    /// What.
    pub verdict: Verdict,
    /// Why, up to 10,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 10000)]
    pub text: Option<String>,
}

/// What one person said of one attempt's diff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Approval {
    /// The turn's number.
    pub turn: u32,
    /// The attempt's number within the turn.
    pub attempt: u32,
    /// `approve` or `reject`.
    pub verdict: Verdict,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Who.
    pub by: Person,
    /// When.
    pub at: Time,
    /// Whether it counts: not an approval by whoever asked for the result, and nothing of somebody who may not approve any more.
    pub counts: bool,
}

/// Somebody who said yes or no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GivenApproval {
    /// Who.
    pub by: Person,
    /// When.
    pub at: Time,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// How a result stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskApproval {
    /// How many people have to approve it, as the environment asks for now.
    pub needed: u32,
    /// Who did, of those that count.
    pub given: Vec<GivenApproval>,
    /// Who rejected it.
    pub rejected: Vec<GivenApproval>,
    /// `not_needed`, `waiting`, `approved` or `rejected`.
    pub state: String,
}
