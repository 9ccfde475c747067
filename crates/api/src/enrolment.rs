//! Operating workers: how they are let in, put out of work, and locked out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::secret::Secret;
use crate::time::Time;

/// How long an enrolment token can be used unless it is said, in seconds: a day.
pub const ENROLMENT_SECONDS: u64 = 24 * 3600;

/// An enrolment token to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEnrolmentToken {
    /// How many workers it lets in, 1 to 1000; 1 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub max_uses: Option<u32>,
    /// How long it can be used, in seconds, 60 to 31536000; a day when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 60, maximum = 31_536_000)]
    pub expires_in_seconds: Option<u64>,
    /// What it is for, in the words of who makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200)]
    pub name: Option<String>,
}

/// An enrolment token, without its text: that is shown once, when it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnrolmentToken {
    /// `enr_…`.
    pub id: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How many workers it lets in.
    pub max_uses: u32,
    /// How many it has let in.
    pub uses: u32,
    /// When it was made.
    pub created_at: Time,
    /// When it can be used no more.
    pub expires_at: Time,
    /// When it was revoked, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Time>,
}

/// An enrolment token that was just made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MadeEnrolmentToken {
    /// `ow_e…`: the token itself. It is shown this once; only its hash is stored.
    #[schema(value_type = String)]
    pub token: Secret,
    /// What is stored of it.
    #[serde(flatten)]
    pub enrolment_token: EnrolmentToken,
}

/// A worker's own token, without its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkerToken {
    /// `tok_…`.
    pub id: String,
    /// `wkr_…`: the only worker that it speaks for, whether or not that is there.
    pub worker: String,
    /// What the worker called itself when it enrolled.
    pub name: String,
    /// `enr_…`: the enrolment token that it was exchanged for.
    pub enrolment_token: String,
    /// When it was enrolled.
    pub created_at: Time,
    /// When it was revoked, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Time>,
}

/// How a worker is drained or retired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// In how many seconds what still runs is given back, at most 31536000; left out: it may run
    /// to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 31_536_000)]
    pub deadline_seconds: Option<u64>,
}

/// How many attempts a worker may run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetSlots {
    /// 1 to 1000; `null`: as many as the worker says by itself.
    #[schema(minimum = 1, maximum = 1000)]
    pub slots: Option<u32>,
}

/// What a worker does, as people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// It takes work.
    Online,
    /// It takes nothing more, and holds attempts.
    Draining,
    /// It takes nothing more, and holds nothing.
    Drained,
    /// It was not heard of within about the last lease time.
    Offline,
}

impl WorkerState {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Draining => "draining",
            Self::Drained => "drained",
            Self::Offline => "offline",
        }
    }
}
