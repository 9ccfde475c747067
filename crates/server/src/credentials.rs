//! Credentials for repositories: kept sealed, opened for the server's own questions to a repository and for the workers' mirrors, never for
//! a sandbox.

use outwork_api::Secret;
use outwork_api::credential::CredentialSecret;
use outwork_domain::WorkspaceId;
use outwork_domain::credential::{Credential, CredentialKind, CredentialScope, choose};
use outwork_git::{Credentials, InvalidCredential};
use outwork_store::CredentialRecord;
use serde::{Deserialize, Serialize};

use crate::plane::Plane;
use crate::seal::{CannotOpen, Place};

/// What is sealed: the text of the database, apart from the wire's.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Sealed {
    Token {
        token: Secret,
    },
    SshKey {
        private_key: Secret,
        known_hosts: Option<String>,
    },
}

/// A credential that was chosen and cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {} for {} cannot be opened with this server's secret key", words(*.kind), .scope.as_str())]
pub(crate) struct Unreadable {
    pub(crate) kind: CredentialKind,
    pub(crate) scope: CredentialScope,
}

impl Unreadable {
    /// What to do about it.
    pub(crate) fn hint(&self) -> String {
        let option = match self.kind {
            CredentialKind::Token => "--token-file FILE",
            CredentialKind::SshKey => "--ssh-key-file FILE",
        };
        format!(
            "Set it again with `outwork credential set {} {option}`, or restore the server's key file.",
            self.scope.as_str()
        )
    }
}

fn words(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Token => "token",
        CredentialKind::SshKey => "ssh key",
    }
}

/// Kind, user name, and the secret as it is stored at that place.
pub(crate) fn close(
    plane: &Plane,
    workspace: WorkspaceId,
    scope: &CredentialScope,
    secret: CredentialSecret,
) -> (CredentialKind, Option<String>, Vec<u8>) {
    let (kind, username, sealed) = match secret {
        CredentialSecret::Token { username, token } => {
            (CredentialKind::Token, username, Sealed::Token { token })
        }
        CredentialSecret::SshKey {
            private_key,
            known_hosts,
        } => {
            let sealed = Sealed::SshKey {
                private_key,
                known_hosts,
            };
            (CredentialKind::SshKey, None, sealed)
        }
    };
    let place = Place::Credential {
        workspace,
        kind,
        scope,
    };
    let text = serde_json::to_string(&sealed).expect("texts are JSON");
    (kind, username, plane.close(&text, place))
}

fn open(plane: &Plane, record: &CredentialRecord) -> Result<CredentialSecret, CannotOpen> {
    let CredentialRecord { credential, sealed } = record;
    let Credential {
        id: _,
        workspace_id,
        scope,
        kind,
        username,
        updated_at: _,
    } = credential;
    let place = Place::Credential {
        workspace: *workspace_id,
        kind: *kind,
        scope,
    };
    let text = plane.seal.open(sealed, place)?;
    Ok(match serde_json::from_str(&text).map_err(|_| CannotOpen)? {
        Sealed::Token { token } => CredentialSecret::Token {
            username: username.clone(),
            token,
        },
        Sealed::SshKey {
            private_key,
            known_hosts,
        } => CredentialSecret::SshKey {
            private_key,
            known_hosts,
        },
    })
}

/// The credential for that address, if there is one.
pub(crate) fn for_url(
    plane: &Plane,
    records: &[CredentialRecord],
    url: &str,
) -> Result<Option<CredentialSecret>, Unreadable> {
    let Some(record) = choose(records, |record| &record.credential, url) else {
        return Ok(None);
    };
    match open(plane, record) {
        Ok(secret) => Ok(Some(secret)),
        Err(CannotOpen) => Err(Unreadable {
            kind: record.credential.kind,
            scope: record.credential.scope.clone(),
        }),
    }
}

/// The token for the registry that an image names by its host. The default registry's host is the worker's to know, so an image without
/// one has none.
pub(crate) fn for_image(
    plane: &Plane,
    records: &[CredentialRecord],
    image: &str,
) -> Result<Option<CredentialSecret>, Unreadable> {
    match registry_address(image) {
        Some(address) => for_url(plane, records, &format!("https://{address}")),
        None => Ok(None),
    }
}

/// Host and path of `host/path:tag@digest`; `None` where the first part is no host, which has a dot or a port or is `localhost`.
fn registry_address(image: &str) -> Option<&str> {
    let (host, _) = image.split_once('/')?;
    if !host.contains(['.', ':']) && host != "localhost" {
        return None;
    }
    let named = image.split('@').next()?;
    let tag = named.rfind(':').filter(|at| *at > host.len());
    Some(&named[..tag.unwrap_or(named.len())])
}

/// As git takes it. Also the check of one that is to be stored.
pub(crate) fn for_git(secret: &CredentialSecret) -> Result<Credentials, InvalidCredential> {
    match secret {
        CredentialSecret::Token { username, token } => {
            Credentials::token(username.as_deref(), token.reveal())
        }
        CredentialSecret::SshKey {
            private_key,
            known_hosts,
        } => Credentials::ssh_key(private_key.reveal(), known_hosts.as_deref()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_names_its_registry_or_none() {
        for (image, expected) in [
            ("debian", None),
            ("debian:12", None),
            ("team/app:1", None),
            ("host.example/app", Some("host.example/app")),
            ("host.example/team/app:1", Some("host.example/team/app")),
            (
                "host.example:5000/app:1@sha256:ab",
                Some("host.example:5000/app"),
            ),
            ("localhost/app@sha256:ab", Some("localhost/app")),
            ("host:5000/app", Some("host:5000/app")),
        ] {
            assert_eq!(registry_address(image), expected, "{image}");
        }
    }
}
