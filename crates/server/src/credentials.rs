//! Credentials for repositories: kept sealed, opened for the server's own questions to a repository and for the workers' mirrors, never for
//! a sandbox. Those for publishing are opened for that alone: they are of a type of their own, which the worker's protocol cannot say.

use outwork_api::Secret;
use outwork_api::credential::{CredentialSecret, PushSettings};
use outwork_domain::WorkspaceId;
use outwork_domain::credential::{
    Credential, CredentialKind, CredentialScope, choose, choose_kind,
};
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
    PushToken {
        token: Secret,
        settings: PushSettings,
    },
    PushSshKey {
        private_key: Secret,
        known_hosts: Option<String>,
        settings: PushSettings,
    },
}

/// What may write a repository.
#[derive(Clone)]
pub(crate) struct PushAccess {
    pub(crate) secret: CredentialSecret,
    pub(crate) settings: PushSettings,
}

/// What a credential is opened for.
enum Opened {
    Read(CredentialSecret),
    Push(PushAccess),
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
            CredentialKind::PushToken => "--push --token-file FILE",
            CredentialKind::PushSshKey => "--push --ssh-key-file FILE",
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
        CredentialKind::PushToken => "token for publishing",
        CredentialKind::PushSshKey => "ssh key for publishing",
    }
}

/// Kind, user name, and the secret as it is stored at that place.
pub(crate) fn close(
    plane: &Plane,
    workspace: WorkspaceId,
    scope: &CredentialScope,
    secret: CredentialSecret,
    push: Option<PushSettings>,
) -> (CredentialKind, Option<String>, Vec<u8>) {
    let (kind, username, sealed) = to_seal(secret, push);
    let place = Place::Credential {
        workspace,
        kind,
        scope,
    };
    let text = serde_json::to_string(&sealed).expect("texts are JSON");
    (kind, username, plane.close(&text, place))
}

fn to_seal(
    secret: CredentialSecret,
    push: Option<PushSettings>,
) -> (CredentialKind, Option<String>, Sealed) {
    use CredentialKind::{PushSshKey, PushToken, SshKey, Token};
    match (secret, push) {
        (CredentialSecret::Token { username, token }, None) => {
            (Token, username, Sealed::Token { token })
        }
        (CredentialSecret::Token { username, token }, Some(settings)) => {
            (PushToken, username, Sealed::PushToken { token, settings })
        }
        (
            CredentialSecret::SshKey {
                private_key,
                known_hosts,
            },
            push,
        ) => match push {
            None => {
                let sealed = Sealed::SshKey {
                    private_key,
                    known_hosts,
                };
                (SshKey, None, sealed)
            }
            Some(settings) => {
                let sealed = Sealed::PushSshKey {
                    private_key,
                    known_hosts,
                    settings,
                };
                (PushSshKey, None, sealed)
            }
        },
    }
}

fn open(plane: &Plane, record: &CredentialRecord) -> Result<Opened, CannotOpen> {
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
        Sealed::Token { token } => Opened::Read(CredentialSecret::Token {
            username: username.clone(),
            token,
        }),
        Sealed::SshKey {
            private_key,
            known_hosts,
        } => Opened::Read(CredentialSecret::SshKey {
            private_key,
            known_hosts,
        }),
        Sealed::PushToken { token, settings } => Opened::Push(PushAccess {
            secret: CredentialSecret::Token {
                username: username.clone(),
                token,
            },
            settings,
        }),
        Sealed::PushSshKey {
            private_key,
            known_hosts,
            settings,
        } => Opened::Push(PushAccess {
            secret: CredentialSecret::SshKey {
                private_key,
                known_hosts,
            },
            settings,
        }),
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
        Ok(Opened::Read(secret)) => Ok(Some(secret)),
        Ok(Opened::Push(_)) | Err(CannotOpen) => Err(unreadable(record)),
    }
}

/// The credential of that kind with which results may be published at that address, if there is one.
pub(crate) fn for_push(
    plane: &Plane,
    records: &[CredentialRecord],
    url: &str,
    kind: CredentialKind,
) -> Result<Option<PushAccess>, Unreadable> {
    let Some(record) = choose_kind(records, |record| &record.credential, url, kind) else {
        return Ok(None);
    };
    match open(plane, record) {
        Ok(Opened::Push(access)) => Ok(Some(access)),
        Ok(Opened::Read(_)) | Err(CannotOpen) => Err(unreadable(record)),
    }
}

fn unreadable(record: &CredentialRecord) -> Unreadable {
    Unreadable {
        kind: record.credential.kind,
        scope: record.credential.scope.clone(),
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
