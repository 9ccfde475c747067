//! Whether a request is Slack's: `X-Slack-Signature` is `v0=` and the HMAC-SHA256 of `v0:TIMESTAMP:BODY` under the app's signing secret, in
//! hexadecimal.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How far the time of a request may be from now, before or after: what is older may be a copy.
pub const WINDOW_SECONDS: i64 = 300;

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// It has no signature, or no time.
    #[error("the request is not signed")]
    Missing,
    /// The signature or the time is not as Slack writes it.
    #[error("the signature or its time cannot be read")]
    Malformed,
    /// It is of more than five minutes ago, or hence.
    #[error("the request is not of now: its time is more than five minutes off")]
    Old,
    /// Another secret, or another body.
    #[error("the signature is not of this body and this app's signing secret")]
    Wrong,
}

/// Checks a request; the comparison takes the same time wherever the difference is.
pub fn check(
    secret: &str,
    timestamp: Option<&str>,
    signature: Option<&str>,
    body: &[u8],
    now_seconds: i64,
) -> Result<(), SignatureFault> {
    let (Some(timestamp), Some(signature)) = (timestamp, signature) else {
        return Err(SignatureFault::Missing);
    };
    let is_number = !timestamp.is_empty() && timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let time: i64 = match is_number {
        true => timestamp.parse().map_err(|_| SignatureFault::Malformed)?,
        false => return Err(SignatureFault::Malformed),
    };
    let given = signature
        .strip_prefix("v0=")
        .and_then(from_hex)
        .ok_or(SignatureFault::Malformed)?;
    if now_seconds.abs_diff(time) > WINDOW_SECONDS.unsigned_abs() {
        return Err(SignatureFault::Old);
    }
    mac(secret, timestamp, body)
        .verify_slice(&given)
        .map_err(|_| SignatureFault::Wrong)
}

/// The signature of a request, as Slack makes it.
pub fn sign(secret: &str, timestamp: &str, body: &[u8]) -> String {
    let made = mac(secret, timestamp, body).finalize().into_bytes();
    let mut text = "v0=".to_owned();
    for byte in made {
        _ = write!(text, "{byte:02x}");
    }
    text
}

fn mac(secret: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(b"v0:");
    mac.update(timestamp.as_bytes());
    mac.update(b":");
    mac.update(body);
    mac
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8]| u8::try_from(16 * digit(pair[0])? + digit(pair[1])?).ok();
    digits.chunks(2).map(byte).collect()
}
