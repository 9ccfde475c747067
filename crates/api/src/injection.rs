//! Headers that the worker's proxy puts into an agent's requests, on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::secret::Secret;
use crate::time::Time;

/// A header to put into the agent's requests to one host. The agent never sees the value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInjection {
    /// The host, exactly: its subdomains are others.
    pub host: String,
    /// The header, such as `authorization`; not one that says how a request is sent.
    #[schema(min_length = 1, max_length = 100)]
    pub header: String,
    /// The whole value, such as `Bearer …`: one line of ASCII. Never shown again.
    #[schema(write_only, value_type = String)]
    pub value: Secret,
}

/// A change of one injection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InjectionChange {
    /// The host.
    pub host: String,
    /// The header.
    #[schema(min_length = 1, max_length = 100)]
    pub header: String,
    /// The new value; `null`, or left out, to remove it.
    #[serde(default)]
    #[schema(write_only, value_type = Option<String>)]
    pub value: Option<Secret>,
}

/// An injection without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Injection {
    /// The host.
    pub host: String,
    /// The header, in small letters.
    pub header: String,
    /// When its value was last set.
    pub updated_at: Time,
}

/// An injection of an assignment, with its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AssignedInjection {
    /// The host, exactly, in small letters.
    pub host: String,
    /// The header, in small letters.
    pub header: String,
    /// The whole value. Never handed into the sandbox.
    pub value: Secret,
}
