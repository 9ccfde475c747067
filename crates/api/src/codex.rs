//! Logins for the stock client.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::secret::Secret;

/// What the stock client keeps of a login: the `tokens` of its `auth.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CodexLogin {
    /// What it sends as its bearer token: a JWT that holds a token of its own, which ends after a year.
    pub access_token: Secret,
    /// Who that is; not signed, and of no use but to be read.
    pub id_token: String,
    /// Always empty, so that there is nothing to be sent elsewhere.
    pub refresh_token: String,
    /// The workspace.
    pub account_id: String,
}

/// The code that a client shows to whoever signs in with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceApproval {
    /// Such as `BCDF-GHJK`, in any case, with or without the hyphen.
    pub user_code: String,
}
