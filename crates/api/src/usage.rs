//! What attempts used and cost, on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::task::{Cost, Tokens};
use crate::time::Time;

/// By what usage is told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum UsageBy {
    /// The day on which an attempt ended, UTC.
    #[default]
    Day,
    /// The task's environment.
    Environment,
    /// Who asked for the turn.
    Member,
    /// The agent.
    Agent,
}

impl UsageBy {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Day, Self::Environment, Self::Member, Self::Agent];

    /// The name in addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Environment => "environment",
            Self::Member => "member",
            Self::Agent => "agent",
        }
    }
}

/// What was used within a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Attempts that ended then or later count.
    pub from: Time,
    /// And those that ended before.
    pub to: Time,
    /// By what it is told apart.
    #[schema(value_type = UsageBy)]
    pub by: String,
    /// The parts: days in their order, others with those first that used most. A part in which nothing ended is left out.
    pub items: Vec<UsageItem>,
    /// All of it.
    pub total: UsageSum,
}

/// A part of what was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageItem {
    /// The day (`2026-11-30`), the environment's or the member's id, or the agent's name.
    pub key: String,
    /// The same for people.
    pub label: String,
    /// What was used.
    #[serde(flatten)]
    pub sum: UsageSum,
}

/// What was used, summed up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageSum {
    /// How many tasks had an attempt that ended.
    pub tasks: u64,
    /// How many attempts ended.
    pub attempts: u64,
    /// Tokens, as far as they were counted.
    pub tokens: Tokens,
    /// What the attempts cost whose cost is known; absent when none is, and when it is of several currencies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// The same in each currency, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub costs: Vec<Cost>,
    /// How many attempts used a model and are not in the cost: no prices were set, or nobody counted. If not 0, the cost is a lower bound.
    pub unknown_cost_attempts: u64,
    /// How long workers held the attempts, all in all.
    pub sandbox_seconds: u64,
}
