//! The workspace's model, its workers, and who is asking.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::enrolment::WorkerState;
use crate::member::{Role, Scope};
use crate::secret::Secret;
use crate::time::Time;
use crate::worker::WorkerDesired;

/// The model that agents use, as it is set.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewModel {
    /// Where its API is, with the version: `https://host/v1`.
    pub base_url: String,
    /// The model's name as the endpoint knows it.
    pub name: String,
    /// The key; write-only. Left out: the key that is set stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only, value_type = Option<String>)]
    pub api_key: Option<Secret>,
    /// How many tokens a conversation may have; 128000 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// What its tokens cost; not known when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
}

/// What a model's tokens cost. Prices are decimal numbers as texts, such as `1.25`: at most 1000000000, with at most 9 digits after the point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// The currency: three capital letters.
    #[schema(example = "USD")]
    pub currency: String,
    /// Of a million tokens of input.
    #[schema(example = "1.25")]
    pub input_per_million: String,
    /// Of a million tokens of input that the model had cached; the same as other input when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "0.125")]
    pub cached_input_per_million: Option<String>,
    /// Of a million tokens of output, reasoning included.
    #[schema(example = "10")]
    pub output_per_million: String,
}

/// The model that agents use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Model {
    /// Where its API is.
    pub base_url: String,
    /// Its name.
    pub name: String,
    /// Whether a key is set. The key itself is never shown.
    pub has_api_key: bool,
    /// How many tokens a conversation may have.
    pub context_window: u64,
    /// What its tokens cost; absent when that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
    /// When it was set.
    pub updated_at: Time,
}

/// A worker, as the server sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Worker {
    /// `wkr_…`.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// How many attempts it runs at once.
    pub slots: u32,
    /// How many more it could begin, as it said last; absent for one that does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_slots: Option<u32>,
    /// How many it is wanted to run at once, if that was set; `slots` follows as soon as it hears.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_slots: Option<u32>,
    /// The agents it has.
    pub agents: Vec<String>,
    /// How it isolates attempts: `namespaces`, `oci:crun` and the like; absent until one that an
    /// older version registered has registered anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<String>,
    /// What it says of itself: name to value.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The version of its program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The versions of its agents, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub agent_versions: BTreeMap<String, String>,
    /// Whether it has a token of its own, which can be revoked.
    #[serde(default)]
    pub enrolled: bool,
    /// What it does.
    pub state: WorkerState,
    /// What operators want of it.
    #[serde(default)]
    pub desired: WorkerDesired,
    /// When what it still runs is given back, if it drains with a deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain_deadline_at: Option<Time>,
    /// Whether it was heard of within about the last lease time.
    pub online: bool,
    /// When it was last heard of, to about half a lease: not each time is written.
    pub seen_at: Time,
    /// The attempts it holds.
    pub attempts: Vec<String>,
}

/// A workspace: what belongs to it is seen by its members alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Workspace {
    /// `ws_…`.
    pub id: String,
    /// What people call it.
    pub name: String,
}

/// Who is asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// `prn_…`.
    #[serde(default)]
    pub id: String,
    /// The same, as it was called first.
    pub principal_id: String,
    /// `user`, `worker` or `integration`.
    pub kind: String,
    /// What people call it.
    pub name: String,
    /// What it may do; absent for a worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Role>)]
    pub role: Option<String>,
    /// What the token may at most, besides reading; absent: everything that the role may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Scope>)]
    pub scopes: Vec<String>,
    /// The workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Workspace>,
    /// `ws_…`.
    pub workspace_id: String,
    /// The workspace's name.
    pub workspace_name: String,
    /// The server's version.
    pub server_version: String,
}
