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
    /// Makes it one for publishing results, which may write and is never given to a worker, instead of one for reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<PushSettings>,
}

/// How results are published with a credential.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PushSettings {
    /// What the repositories' server is; known for github.com, gitlab.com, codeberg.org and gitea.com when left out, elsewhere
    /// `none` then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forge: Option<ForgeKind>,
    /// Where the server's interface is, if not at the usual place of its host, such as `https://git.example.com/api/v3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_url: Option<String>,
}

/// A kind of server of repositories that has pull requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ForgeKind {
    /// GitHub, also GitHub Enterprise Server.
    Github,
    /// GitLab.
    Gitlab,
    /// Gitea and Forgejo.
    Gitea,
    /// Plain git: a branch is all.
    None,
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
    /// `token` or `ssh_key`; for publishing `push_token` or `push_ssh_key`.
    pub kind: String,
    /// The user name, if one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// When it was last set.
    pub updated_at: Time,
}
