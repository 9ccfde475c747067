//! Signing and verifying, as <https://www.standardwebhooks.com> says: HMAC-SHA256 of `id.timestamp.body`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use outwork_domain::Timestamp;
use sha2::Sha256;

use crate::secret::Secret;

/// The header that names what is told, the same at every try.
pub const ID: &str = "webhook-id";
/// The header that says when it was sent, in seconds since 1970.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signatures, apart by spaces.
pub const SIGNATURE: &str = "webhook-signature";
/// How far the time of sending may be from a receiver's own, in seconds.
pub const TOLERANCE_SECONDS: i64 = 5 * 60;

const PREFIX: &str = "whsec_";
const VERSION: &str = "v1,";

/// What signs.
#[derive(Clone)]
pub struct Key(Vec<u8>);

/// A text that is no secret of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret of a webhook looks like `whsec_` and Base64 of 24 to 64 bytes")]
pub struct InvalidKey;

/// Why something is not taken to be ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// The time is no number of seconds.
    #[error("the timestamp is not a number of seconds")]
    Timestamp,
    /// It was sent long ago, or will be.
    #[error("it was sent more than five minutes from now; somebody may send an old one again")]
    Old,
    /// No signature of a kind that is known.
    #[error("there is no signature of version v1")]
    Unsigned,
    /// None fits.
    #[error("no signature fits the body, the id, the timestamp and the secret")]
    Wrong,
}

impl Key {
    /// Reads `whsec_…`.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or(InvalidKey)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| InvalidKey)?;
        match (24..=64).contains(&bytes.len()) {
            true => Ok(Self(bytes)),
            false => Err(InvalidKey),
        }
    }

    /// A new one of bytes that nobody can guess, as it is shown to people.
    pub fn text(random: [u8; 32]) -> Secret {
        Secret::new(format!("{PREFIX}{}", STANDARD.encode(random)))
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0);
        let mut mac = mac.expect("a key of any length will do");
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac
    }

    fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        let signature = self.mac(id, timestamp, body).finalize().into_bytes();
        format!("{VERSION}{}", STANDARD.encode(signature))
    }
}

/// The header with the signatures of all these keys.
pub fn sign(keys: &[Key], id: &str, timestamp: i64, body: &[u8]) -> String {
    let timestamp = timestamp.to_string();
    let signed = keys.iter().map(|key| key.sign(id, &timestamp, body));
    signed.collect::<Vec<_>>().join(" ")
}

/// Whether a body was sent by who has the secret, a short time from now. The comparison takes as long for a wrong signature as for the
/// right one.
pub fn verify(
    key: &Key,
    id: &str,
    timestamp: &str,
    signatures: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<(), Unverified> {
    let sent_at: i64 = timestamp.parse().map_err(|_| Unverified::Timestamp)?;
    let apart = now.as_millis().div_euclid(1000).saturating_sub(sent_at);
    if apart.saturating_abs() > TOLERANCE_SECONDS {
        return Err(Unverified::Old);
    }
    let known = signatures
        .split_ascii_whitespace()
        .filter_map(|one| one.strip_prefix(VERSION));
    let mut result = Err(Unverified::Unsigned);
    for signature in known {
        let signature = STANDARD.decode(signature).unwrap_or_default();
        if key
            .mac(id, timestamp, body)
            .verify_slice(&signature)
            .is_ok()
        {
            return Ok(());
        }
        result = Err(Unverified::Wrong);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SENT_AT: &str = "1614265330";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn check(id: &str, at: &str, signed: &str, body: &[u8], later: i64) -> Result<(), Unverified> {
        let key = Key::parse(SECRET).expect("a secret");
        let now = Timestamp::from_millis((1_614_265_330 + later) * 1000 + 999);
        verify(&key, id, at, signed, body, now)
    }

    #[test]
    fn the_specifications_example_is_signed_as_it_says() {
        let key = Key::parse(SECRET).expect("a secret");
        assert_eq!(
            sign(std::slice::from_ref(&key), ID, 1_614_265_330, BODY),
            SIGNED
        );
        assert_eq!(check(ID, SENT_AT, SIGNED, BODY, 0), Ok(()));
        let other = Key::parse(Key::text([7; 32]).reveal()).expect("a secret");
        let both = sign(&[other, key], ID, 1_614_265_330, BODY);
        assert_eq!(both.split(' ').count(), 2);
        assert_eq!(check(ID, SENT_AT, &both, BODY, 0), Ok(()));
        let newer = format!("v2,AAAA v1a,{SIGNED} {SIGNED}");
        assert_eq!(check(ID, SENT_AT, &newer, BODY, 0), Ok(()));
    }

    #[test]
    fn what_is_not_ours_is_told_apart() {
        use Unverified::{Old, Timestamp, Unsigned, Wrong};
        for later in [-300, 300] {
            assert_eq!(check(ID, SENT_AT, SIGNED, BODY, later), Ok(()));
            let too_far = later + later.signum();
            assert_eq!(check(ID, SENT_AT, SIGNED, BODY, too_far), Err(Old));
        }
        assert_eq!(check("msg_x", SENT_AT, SIGNED, BODY, 0), Err(Wrong));
        assert_eq!(check(ID, "1614265331", SIGNED, BODY, 0), Err(Wrong));
        assert_eq!(check(ID, SENT_AT, SIGNED, b"{}", 0), Err(Wrong));
        assert_eq!(check(ID, SENT_AT, "v1,!", BODY, 0), Err(Wrong));
        assert_eq!(check(ID, SENT_AT, "v1,", BODY, 0), Err(Wrong));
        assert_eq!(check(ID, SENT_AT, &SIGNED[..20], BODY, 0), Err(Wrong));
        for unsigned in ["", "v2,AAAA", &SIGNED[3..]] {
            assert_eq!(check(ID, SENT_AT, unsigned, BODY, 0), Err(Unsigned));
        }
        for text in ["", "now", "9223372036854775808"] {
            assert_eq!(check(ID, text, SIGNED, BODY, 0), Err(Timestamp));
        }
        let text = i64::MIN.to_string();
        assert_eq!(check(ID, &text, SIGNED, BODY, 0), Err(Old));
    }

    #[test]
    fn a_secret_has_a_form() {
        for text in ["", "whsec_", "whsec_AAAA", &SECRET[6..], "whsec_*"] {
            assert!(Key::parse(text).is_err(), "{text}");
        }
    }
}
