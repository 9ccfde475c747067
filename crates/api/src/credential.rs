//! Credentials for private repositories on the wire. Used by the control plane and the workers' mirrors,
//! never handed into a sandbox.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::secret::Secret;
use crate::time::Time;

/// A credential to be stored. One of the same scope and kind is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCredential {
    /// Which repositories: a host, or a host and the beginning of a path, such as
    /// `git.example.com/team`. The longest that fits is used.
    pub scope: String,
    /// What it is.
    pub secret: CredentialSecret,
}

/// The secret part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum CredentialSecret {
    /// For https.
    Token {
        /// The user name, where the server wants a particular one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        username: Option<String>,
        /// The token or password.
        token: Secret,
    },
    /// For ssh.
    SshKey {
        /// An unencrypted private key, as OpenSSH writes it.
        private_key: Secret,
        /// Lines of a `known_hosts` file; the first key seen is kept when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        known_hosts: Option<String>,
    },
}

/// A stored credential without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Credential {
    /// `cred_…`.
    pub id: String,
    /// Which repositories.
    pub scope: String,
    /// `token` or `ssh_key`.
    pub kind: String,
    /// The user name, if one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// When it was last set.
    pub updated_at: Time,
}
