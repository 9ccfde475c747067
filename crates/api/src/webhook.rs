//! Webhooks: addresses that are told what happens to tasks, after the Standard Webhooks specification. [`signature`] is how
//! a receiver knows that it was us.

pub mod signature;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::member::Person;
use crate::secret::Secret;
use crate::time::Time;

/// A webhook to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// Where it is told: an address with `https`, or with `http` where the network between is trusted. It must be one of the public
    /// Internet, unless the server's operator allows others.
    #[schema(max_length = 2000)]
    pub url: String,
    /// What it is told, such as `task.finished`; everything when left out, also what later versions tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
}

/// A change of a webhook; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookChange {
    /// Where it is told from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000)]
    pub url: Option<String>,
    /// What it is told from now on; everything when the list is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// `true`: it is told nothing from now on, and what happens meanwhile is not told later. `false`: it is told again, also if the
    /// server had given it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
}

/// A webhook, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    /// `whk_…`.
    pub id: String,
    /// Where it is told.
    pub url: String,
    /// What it is told; absent: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// `active`; `paused` by somebody; `failing`: nothing could be delivered for five days, and it is told nothing more; `gone`: the
    /// receiver answered 410. A newer server may name others.
    pub state: String,
    /// Since when it is told nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_at: Option<Time>,
    /// Since when no delivery succeeded, if the last one did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Time>,
    /// Until when the secret before the last rotation signs, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_secret_until: Option<Time>,
    /// Who made it.
    pub created_by: Person,
    /// When it was made.
    pub created_at: Time,
    /// When it was last edited.
    pub updated_at: Time,
}

/// A webhook with a secret that was just made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MadeWebhook {
    /// `whsec_…`: what signs. It is shown this once.
    #[schema(value_type = String)]
    pub secret: Secret,
    /// The webhook.
    #[serde(flatten)]
    pub webhook: Webhook,
}

/// Something that a webhook is to be told, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookDelivery {
    /// `job_…`.
    pub id: String,
    /// `evt_…`: the header `webhook-id`, the same at every try.
    pub event_id: String,
    /// What it tells, such as `task.finished`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `waiting`, `working`, `delivered` or `failed`. A newer server may name others.
    pub state: String,
    /// How often it was tried.
    pub tries: u32,
    /// When it was made.
    pub created_at: Time,
    /// When it is tried next, if it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// What the last try came to: the answer's status, how long it took and the first KiB of it, or why there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

/// What a try to deliver came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Answer {
    /// The status; absent if there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The beginning of its body, at most 1 KiB, with what is no text replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Why it did not count as taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Which deliveries are to be made again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// Those that were made at this time or later and did not succeed.
    pub since: Time,
    /// Those that succeeded, too.
    #[serde(default)]
    pub delivered: bool,
}

/// How many deliveries are made again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Replayed {
    /// How many.
    pub count: u32,
}

/// The body of a delivery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Told {
    /// What happened, such as `task.finished`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When.
    pub timestamp: Time,
    /// More of it; see `docs/webhooks.md`.
    pub data: serde_json::Value,
}
