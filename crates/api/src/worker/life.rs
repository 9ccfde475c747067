//! How a worker comes and goes: its enrolment, and what operators want of it.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AttemptMessage, Desired};
use crate::secret::Secret;

/// Exchanges an enrolment token, which is the request's bearer token, for a worker's own token.
///
/// Sent again with the same key it is answered with the same worker and the same token, also when
/// the enrolment token has expired or is used up meanwhile: the worker writes the key to its disk
/// before it asks, and asks until it has an answer. Another key is another worker and counts as
/// another use. Errors: `401 unauthorized` if the enrolment token is not known, has expired or is
/// used up; `401 token_revoked` if it, or the worker's token that this key was given, was revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Enroll {
    /// What the worker made for this enrolment: 32 to 128 letters, digits, `-` and `_`, at random.
    /// Whoever knows it and the enrolment token can have the worker's token.
    #[schema(value_type = String, min_length = 32, max_length = 128, pattern = "^[A-Za-z0-9_-]+$")]
    pub key: Secret,
    /// What people call the worker, until it registers.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
}

/// What a worker has from its enrolment, to be kept where only it can read.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Enrolled {
    /// `wkr_…`: the only worker that the token may speak for. It may be left out of `register`;
    /// every other verb of another worker is refused with `403 forbidden`.
    pub worker: String,
    /// `ow_w…`: the bearer token of all other verbs. It does not expire; once it is revoked it is
    /// answered with `401 token_revoked`.
    #[schema(value_type = String)]
    pub token: Secret,
}

/// What operators want of a worker: all of it, each time. Left out, or empty: go on as registered.
///
/// It is kept for the worker's id, also while the worker is away, until operators want something
/// else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Orders {
    /// Whether to take work.
    #[serde(default, skip_serializing_if = "WorkerDesired::is_run")]
    pub desired: WorkerDesired,
    /// With `drain` and `retire`: in how many milliseconds, counted from the receipt, what still
    /// runs is to be given back; 0 at once. Left out: it may run to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// How many attempts it may run at once, 1 to 1000. A smaller number than now: what runs goes
    /// on, and nothing is taken until there is a free slot. Left out: as many as it registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub slots: Option<u32>,
}

impl Orders {
    /// Whether nothing is wanted but to go on.
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a worker is to take work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkerDesired {
    /// Take work.
    #[default]
    Run,
    /// Take nothing more. What runs may go on until the deadline; what still runs then is given
    /// back ([`super::Release`]). Heartbeats and verbs about what it holds go on; asked for work,
    /// the server answers that there is none. It stays registered until it is wanted to run again.
    Drain,
    /// Drain, then deregister and end with success: the server forgets the worker and revokes its
    /// own token. A worker that is away, and holds nothing any more, is forgotten all the same.
    Retire,
}

impl WorkerDesired {
    /// Whether work is wanted.
    pub fn is_run(&self) -> bool {
        *self == Self::Run
    }

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Drain => "drain",
            Self::Retire => "retire",
        }
    }
}

impl fmt::Display for WorkerDesired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What cannot wait for the next heartbeat. Over HTTP a server-sent event whose type is
/// [`WorkerCommand::event`] and whose data is the JSON inside; events of another type are passed
/// over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerCommand {
    /// About an attempt: the event `command`.
    Attempt(AttemptCommand),
    /// About the worker: the event `orders`. Only for workers that registered with version 4 of
    /// the protocol or a later one; others hear it from nobody, but are given no work.
    Orders(Orders),
}

/// What is wanted of an attempt, before the next heartbeat says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttemptCommand {
    /// `att_…`.
    pub attempt: String,
    /// Which claim is meant.
    pub epoch: i64,
    /// What to do.
    pub desired: Desired,
    /// What people said; may hold what the worker has already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<AttemptMessage>,
}

impl WorkerCommand {
    const ATTEMPT: &'static str = "command";
    const ORDERS: &'static str = "orders";

    /// The type of its event.
    pub const fn event(&self) -> &'static str {
        match self {
            Self::Attempt(_) => Self::ATTEMPT,
            Self::Orders(_) => Self::ORDERS,
        }
    }

    /// The data of its event.
    pub fn data(&self) -> String {
        match self {
            Self::Attempt(command) => serde_json::to_string(command),
            Self::Orders(orders) => serde_json::to_string(orders),
        }
        .expect("a command is plain data")
    }

    /// The command of an event; `None` for one of another type. Errors: the data is not what the
    /// type says.
    pub fn parse(event: &str, data: &str) -> Result<Option<Self>, serde_json::Error> {
        Ok(match event {
            Self::ATTEMPT => Some(Self::Attempt(serde_json::from_str(data)?)),
            Self::ORDERS => Some(Self::Orders(serde_json::from_str(data)?)),
            _ => None,
        })
    }
}
