//! Secrets at rest: XChaCha20-Poly1305 under the server's key, bound to the place where the secret is kept.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use outwork_domain::credential::{CredentialKind, CredentialScope};
use outwork_domain::environment::InjectionTarget;
use outwork_domain::{EnvironmentId, IntegrationId, WebhookId, WorkspaceId};

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;

/// A sealed value cannot be opened: another key, another place, or damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value cannot be opened with this server's key")]
pub(crate) struct CannotOpen;

/// Where a sealed value is kept: it opens nowhere else.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// The key of a workspace's model.
    ModelKey(WorkspaceId),
    /// A secret of an environment.
    Secret {
        workspace: WorkspaceId,
        environment: EnvironmentId,
        name: &'a str,
    },
    /// The value of a header injection of an environment.
    Injection {
        workspace: WorkspaceId,
        environment: EnvironmentId,
        target: &'a InjectionTarget,
    },
    /// A credential, by what is unique about it.
    Credential {
        workspace: WorkspaceId,
        kind: CredentialKind,
        scope: &'a CredentialScope,
    },
    /// The secrets of an integration.
    Integration {
        workspace: WorkspaceId,
        integration: IntegrationId,
    },
    /// The secret of a webhook.
    Webhook {
        workspace: WorkspaceId,
        webhook: WebhookId,
    },
    /// Who is signed in with a browser; the browser keeps it.
    SignIn,
    /// The text by which a server knows whether its key is the right one.
    Check,
}

impl Place<'_> {
    /// Different for each place: the parts before the last hold no slash.
    fn text(self) -> String {
        match self {
            Self::ModelKey(workspace) => format!("{workspace}/model.api_key"),
            Self::Secret {
                workspace,
                environment,
                name,
            } => format!("{workspace}/environment_secrets/{environment}/{name}"),
            Self::Injection {
                workspace,
                environment,
                target: InjectionTarget { host, header },
            } => {
                format!("{workspace}/environment_injections/{environment}/{host}/{header}")
            }
            Self::Credential {
                workspace,
                kind,
                scope,
            } => format!(
                "{workspace}/credentials/{}/{}",
                kind.as_str(),
                scope.as_str()
            ),
            Self::Integration {
                workspace,
                integration,
            } => format!("{workspace}/integrations/{integration}"),
            Self::Webhook { workspace, webhook } => format!("{workspace}/webhooks/{webhook}"),
            Self::SignIn => "browser/sign_in".to_owned(),
            Self::Check => "server/sealed_check".to_owned(),
        }
    }
}

/// Seals and opens.
#[derive(Clone)]
pub(crate) struct Seal {
    cipher: XChaCha20Poly1305,
}

impl Seal {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self {
            cipher: XChaCha20Poly1305::new(key.into()),
        }
    }

    /// Version, nonce and cipher text, for that place.
    pub(crate) fn close(&self, plain: &str, place: Place<'_>, nonce: [u8; NONCE_BYTES]) -> Vec<u8> {
        let place = place.text();
        let payload = Payload {
            msg: plain.as_bytes(),
            aad: place.as_bytes(),
        };
        let text = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .expect("a secret is far below the cipher's limit");
        [&[VERSION][..], &nonce, &text].concat()
    }

    /// The plain text of what [`Self::close`] made for the same place.
    pub(crate) fn open(&self, sealed: &[u8], place: Place<'_>) -> Result<String, CannotOpen> {
        let (version, rest) = sealed.split_first().ok_or(CannotOpen)?;
        let (nonce, text) = rest.split_at_checked(NONCE_BYTES).ok_or(CannotOpen)?;
        if *version != VERSION {
            return Err(CannotOpen);
        }
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| CannotOpen)?;
        let place = place.text();
        let plain = self
            .cipher
            .decrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: text,
                    aad: place.as_bytes(),
                },
            )
            .map_err(|_| CannotOpen)?;
        String::from_utf8(plain).map_err(|_| CannotOpen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_secret_opens_only_in_its_place() {
        let id = Uuid::from_u128;
        let workspaces = [1, 2].map(|number| WorkspaceId::from_uuid(id(number)));
        let environments = [1, 2].map(|number| EnvironmentId::from_uuid(id(number)));
        let scopes = ["host", "host/path"].map(|text| CredentialScope::parse(text).unwrap());
        let targets = [("a.example", "x"), ("a.example", "y"), ("b.example", "x")]
            .map(|(host, header)| InjectionTarget::parse(host, header).unwrap());
        let mut places = vec![Place::Check, Place::SignIn];
        for workspace in workspaces {
            places.push(Place::ModelKey(workspace));
            for webhook in [1, 2].map(|number| WebhookId::from_uuid(id(number))) {
                places.push(Place::Webhook { workspace, webhook });
            }
            for environment in environments {
                for name in ["A", "B"] {
                    places.push(Place::Secret {
                        workspace,
                        environment,
                        name,
                    });
                }
                for target in &targets {
                    places.push(Place::Injection {
                        workspace,
                        environment,
                        target,
                    });
                }
            }
            for scope in &scopes {
                for kind in [
                    CredentialKind::Token,
                    CredentialKind::SshKey,
                    CredentialKind::PushToken,
                ] {
                    places.push(Place::Credential {
                        workspace,
                        kind,
                        scope,
                    });
                }
            }
        }
        let (seal, other) = (Seal::new(&[1; 32]), Seal::new(&[2; 32]));
        for (at, place) in places.iter().enumerate() {
            let sealed = seal.close("sk-canary", *place, [3; 24]);
            assert!(!sealed.windows(9).any(|part| part == b"sk-canary"));
            for (elsewhere, other) in places.iter().enumerate() {
                let opened = seal.open(&sealed, *other);
                let expected = if at == elsewhere {
                    Ok("sk-canary".to_owned())
                } else {
                    Err(CannotOpen)
                };
                assert_eq!(opened, expected, "{place:?} in {other:?}");
            }
            assert_eq!(other.open(&sealed, *place), Err(CannotOpen));
            for damaged in [&sealed[..10], &sealed[..sealed.len() - 1], &[]] {
                assert_eq!(seal.open(damaged, *place), Err(CannotOpen));
            }
        }
    }
}
