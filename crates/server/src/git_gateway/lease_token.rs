//! Lease tokens: what a worker shows to read one repository. A MAC over the claim, so that no table keeps them and each server with the same
//! secret key knows them all. That the MAC is right says only that a server gave the token out; whether it still holds is the store's to say.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use outwork_api::Secret;
use outwork_domain::{AttemptId, Epoch, WorkspaceId};
use sha2::Sha256;
use uuid::Uuid;

/// Other tokens of this server have another letter.
const PREFIX: &str = "ow_l";
const VERSION: u8 = 1;
const KEY_OF: &[u8] = b"outwork/lease-token/1";
const MAC_BYTES: usize = 32;

/// The right to read a repository for a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) workspace: WorkspaceId,
    pub(crate) attempt: AttemptId,
    pub(crate) epoch: Epoch,
    /// What the repository is called in the assignment.
    pub(crate) repository: String,
    /// Its address, as it was assigned: what the environment says meanwhile makes no difference, since the worker keeps what it reads under
    /// this one.
    pub(crate) url: String,
}

/// Gives tokens out, and knows them again. Prints as `****`.
#[derive(Clone)]
pub(crate) struct LeaseKey([u8; 32]);

impl fmt::Debug for LeaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

impl LeaseKey {
    /// A key of its own from that which seals secrets.
    pub(crate) fn derived(secret_key: &[u8; 32]) -> Self {
        let mut mac = keyed(secret_key);
        mac.update(KEY_OF);
        Self(mac.finalize().into_bytes().into())
    }

    /// `ow_l`, then in base64: version, workspace, epoch, MAC, address. The worker knows the rest.
    pub(crate) fn issue(&self, lease: &Lease) -> Secret {
        let mac = self.mac(lease).finalize().into_bytes();
        let bytes = [
            &[VERSION][..],
            lease.workspace.as_uuid().as_bytes(),
            &lease.epoch.get().to_be_bytes(),
            &mac,
            lease.url.as_bytes(),
        ]
        .concat();
        Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// What the token allows, if it was given out for that attempt and repository. Takes the same time for every wrong one.
    pub(crate) fn verify(
        &self,
        token: &str,
        attempt: AttemptId,
        repository: &str,
    ) -> Option<Lease> {
        let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (workspace, rest) = rest.split_first_chunk::<16>()?;
        let (epoch, rest) = rest.split_first_chunk::<8>()?;
        let (mac, url) = rest.split_first_chunk::<MAC_BYTES>()?;
        let lease = Lease {
            workspace: WorkspaceId::from_uuid(Uuid::from_bytes(*workspace)),
            attempt,
            epoch: Epoch::new(i64::from_be_bytes(*epoch)),
            repository: repository.to_owned(),
            url: String::from_utf8(url.to_vec()).ok()?,
        };
        let is_right = *version == VERSION && self.mac(&lease).verify_slice(mac).is_ok();
        is_right.then_some(lease)
    }

    fn mac(&self, lease: &Lease) -> Hmac<Sha256> {
        let Lease {
            workspace,
            attempt,
            epoch,
            repository,
            url,
        } = lease;
        let mut mac = keyed(&self.0);
        mac.update(&[VERSION]);
        mac.update(workspace.as_uuid().as_bytes());
        mac.update(attempt.as_uuid().as_bytes());
        mac.update(&epoch.get().to_be_bytes());
        // The only two of no fixed length: the first one's is told.
        mac.update(&(repository.len() as u64).to_be_bytes());
        mac.update(repository.as_bytes());
        mac.update(url.as_bytes());
        mac
    }
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a MAC takes keys of every length")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease() -> Lease {
        Lease {
            workspace: WorkspaceId::from_uuid(Uuid::from_u128(1)),
            attempt: AttemptId::from_uuid(Uuid::from_u128(2)),
            epoch: Epoch::new(3),
            repository: "repo".to_owned(),
            url: "https://git.example.com/team/repo.git".to_owned(),
        }
    }

    #[test]
    fn a_token_is_known_by_every_server_with_the_key() {
        let lease = lease();
        let token = LeaseKey::derived(&[7; 32]).issue(&lease);
        assert!(token.reveal().bytes().all(|byte| byte.is_ascii_graphic()));
        let verify = |key: u8, attempt: u128, repository: &str| {
            let attempt = AttemptId::from_uuid(Uuid::from_u128(attempt));
            LeaseKey::derived(&[key; 32]).verify(token.reveal(), attempt, repository)
        };
        assert_eq!(verify(7, 2, "repo"), Some(lease));
        assert_eq!(verify(8, 2, "repo"), None);
        assert_eq!(verify(7, 1, "repo"), None);
        assert_eq!(verify(7, 2, "rep"), None);
        assert_eq!(verify(7, 2, "repo2"), None);
    }

    #[test]
    fn a_token_that_was_changed_is_none() {
        let (key, lease) = (LeaseKey::derived(&[7; 32]), lease());
        let token = key.issue(&lease);
        let bytes = URL_SAFE_NO_PAD
            .decode(&token.reveal()[PREFIX.len()..])
            .expect("base64");
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            let other = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(other));
            assert_eq!(key.verify(&other, lease.attempt, "repo"), None, "{at}");
        }
        for cut in 0..token.reveal().len() {
            let other = &token.reveal()[..cut];
            assert_eq!(key.verify(other, lease.attempt, "repo"), None, "{other}");
        }
        // A letter moved from the name to the address.
        let shifted = key.issue(&Lease {
            repository: "rep".to_owned(),
            url: format!("o{}", lease.url),
            ..lease.clone()
        });
        assert_eq!(key.verify(shifted.reveal(), lease.attempt, "repo"), None);
        assert_eq!(format!("{key:?}"), "****");
    }
}
