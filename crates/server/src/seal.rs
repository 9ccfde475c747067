//! Secrets at rest: XChaCha20-Poly1305 under the server's key, bound to the place where the secret is kept.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use outwork_domain::WorkspaceId;

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;

/// A sealed value cannot be opened: another key, another place, or damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value cannot be opened with this server's key")]
pub(crate) struct CannotOpen;

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

    /// Version, nonce and cipher text, for that column of that workspace's row.
    pub(crate) fn close(
        &self,
        plain: &str,
        workspace: WorkspaceId,
        column: &str,
        nonce: [u8; NONCE_BYTES],
    ) -> Vec<u8> {
        let aad = place(workspace, column);
        let payload = Payload {
            msg: plain.as_bytes(),
            aad: &aad,
        };
        let text = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .expect("a key is far below the cipher's limit");
        [&[VERSION][..], &nonce, &text].concat()
    }

    /// The plain text of what [`Self::close`] made for the same place.
    pub(crate) fn open(
        &self,
        sealed: &[u8],
        workspace: WorkspaceId,
        column: &str,
    ) -> Result<String, CannotOpen> {
        let (version, rest) = sealed.split_first().ok_or(CannotOpen)?;
        let (nonce, text) = rest.split_at_checked(NONCE_BYTES).ok_or(CannotOpen)?;
        if *version != VERSION {
            return Err(CannotOpen);
        }
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| CannotOpen)?;
        let aad = place(workspace, column);
        let plain = self
            .cipher
            .decrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: text,
                    aad: &aad,
                },
            )
            .map_err(|_| CannotOpen)?;
        String::from_utf8(plain).map_err(|_| CannotOpen)
    }
}

fn place(workspace: WorkspaceId, column: &str) -> Vec<u8> {
    format!("{workspace}/{column}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_secret_opens_only_in_its_place() {
        let (here, there) = (
            WorkspaceId::from_uuid(Uuid::from_u128(1)),
            WorkspaceId::from_uuid(Uuid::from_u128(2)),
        );
        let seal = Seal::new(&[1; 32]);
        let sealed = seal.close("sk-canary", here, "model.api_key", [3; 24]);
        assert!(!sealed.windows(9).any(|part| part == b"sk-canary"));
        assert_eq!(
            seal.open(&sealed, here, "model.api_key"),
            Ok("sk-canary".to_owned())
        );
        assert_eq!(seal.open(&sealed, there, "model.api_key"), Err(CannotOpen));
        assert_eq!(seal.open(&sealed, here, "model.other"), Err(CannotOpen));
        assert_eq!(
            Seal::new(&[2; 32]).open(&sealed, here, "model.api_key"),
            Err(CannotOpen)
        );
        for damaged in [&sealed[..10], &sealed[..sealed.len() - 1], &[]] {
            assert_eq!(seal.open(damaged, here, "model.api_key"), Err(CannotOpen));
        }
    }
}
