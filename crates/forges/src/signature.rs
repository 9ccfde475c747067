//! Whether a delivery is from the server that it says: the only proof that an incoming address has.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How far the time of a delivery may be from ours, where it says one: five minutes.
pub const WINDOW_SECONDS: i64 = 300;

/// Why a delivery is not believed. The texts tell a sender nothing that it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    #[error("the delivery has no signature; give the webhook the integration's secret")]
    Missing,
    #[error("the signature is not that of the integration's secret; give the webhook the same one")]
    Wrong,
    #[error("the delivery is older than five minutes, or from the future; check the clocks")]
    Old,
}

/// `X-Hub-Signature-256` of GitHub (`sha256=` and 64 hexadecimal digits), `X-Gitea-Signature` (the digits alone): HMAC-SHA256 of the body.
pub fn hex(secret: &str, header: Option<&str>, body: &[u8]) -> Result<(), Forged> {
    let header = header.ok_or(Forged::Missing)?.trim();
    let digits = header.strip_prefix("sha256=").unwrap_or(header);
    let sent = from_hex(digits).ok_or(Forged::Wrong)?;
    is(secret.as_bytes(), &[body], &sent)
}

/// `X-Gitlab-Token`: the secret itself. Compared by their codes, so that the time that it takes says nothing.
pub fn token(secret: &str, header: Option<&str>) -> Result<(), Forged> {
    let sent = header.ok_or(Forged::Missing)?;
    let sent = code(secret.as_bytes(), &[sent.as_bytes()]);
    is(
        secret.as_bytes(),
        &[secret.as_bytes()],
        &sent.finalize().into_bytes(),
    )
}

/// The three headers of Standard Webhooks, as GitLab's signing tokens use them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standard<'a> {
    pub id: Option<&'a str>,
    pub timestamp: Option<&'a str>,
    pub signature: Option<&'a str>,
}

/// HMAC-SHA256 of `id.timestamp.body`; one of several signatures is enough. A secret that begins with `whsec_` is base64.
pub fn standard(
    secret: &str,
    headers: Standard<'_>,
    body: &[u8],
    now_seconds: i64,
) -> Result<(), Forged> {
    let (Some(id), Some(timestamp), Some(signatures)) =
        (headers.id, headers.timestamp, headers.signature)
    else {
        return Err(Forged::Missing);
    };
    let at: i64 = timestamp.parse().map_err(|_| Forged::Wrong)?;
    let key = match secret.strip_prefix("whsec_").map(|it| STANDARD.decode(it)) {
        Some(Ok(key)) => key,
        Some(Err(_)) | None => secret.as_bytes().to_vec(),
    };
    let parts = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
    let mut known = signatures
        .split_ascii_whitespace()
        .filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
    if !known.any(|sent| is(&key, &parts, &sent).is_ok()) {
        return Err(Forged::Wrong);
    }
    match now_seconds.saturating_sub(at).unsigned_abs() <= WINDOW_SECONDS.unsigned_abs() {
        true => Ok(()),
        false => Err(Forged::Old),
    }
}

/// What [`hex()`] takes, for those who send: tests, and whoever tries an address out.
pub fn sign(secret: &str, body: &[u8]) -> String {
    let bytes = code(secret.as_bytes(), &[body]).finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn code(secret: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut code = Hmac::<Sha256>::new_from_slice(secret).expect("a key may have any length");
    parts.iter().for_each(|part| code.update(part));
    code
}

/// In constant time.
fn is(secret: &[u8], parts: &[&[u8]], sent: &[u8]) -> Result<(), Forged> {
    // With an empty secret everybody could sign.
    if secret.is_empty() {
        return Err(Forged::Wrong);
    }
    let code = code(secret, parts);
    code.verify_slice(sent).map_err(|_| Forged::Wrong)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of GitHub's documentation on validating deliveries.
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const SIGNED: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn githubs_own_example_holds() {
        assert_eq!(sign(SECRET, BODY), SIGNED);
        assert_eq!(hex(SECRET, Some(&format!("sha256={SIGNED}")), BODY), Ok(()));
        assert_eq!(hex(SECRET, Some(SIGNED), BODY), Ok(()));
    }

    #[test]
    fn nothing_else_is_believed() {
        let wrong = [
            "",
            "sha256=",
            "sha256=00",
            "sha1=757107ea0eb2509fc211221cce984b8a37570b6d",
            &SIGNED.replace('7', "8"),
            &format!("sha256={}", &SIGNED[..62]),
            &format!("sha256=+{}", &SIGNED[..63]),
            "äääääääääääääääääääääääääääääääää",
        ];
        for header in wrong {
            assert_eq!(
                hex(SECRET, Some(header), BODY),
                Err(Forged::Wrong),
                "{header}"
            );
        }
        assert_eq!(hex(SECRET, None, BODY), Err(Forged::Missing));
        assert_eq!(
            hex(SECRET, Some(SIGNED), b"Hello, World"),
            Err(Forged::Wrong)
        );
        assert_eq!(hex("", Some(&sign("", BODY)), BODY), Err(Forged::Wrong));
    }

    #[test]
    fn a_token_is_the_secret_and_nothing_near_it() {
        assert_eq!(token("geheim", Some("geheim")), Ok(()));
        for near in ["", "geheim ", "Geheim", "gehei", "geheimgeheim"] {
            assert_eq!(token("geheim", Some(near)), Err(Forged::Wrong), "{near}");
        }
        assert_eq!(token("geheim", None), Err(Forged::Missing));
        assert_eq!(token("", Some("")), Err(Forged::Wrong));
    }

    /// The example of the Standard Webhooks specification's reference libraries.
    #[test]
    fn a_signing_token_signs_the_time_too() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let body = br#"{"test": 2432232314}"#;
        let at = 1_614_265_330;
        let headers = Standard {
            id: Some("msg_p5jXN8AQM9LWM0D4loKWxJek"),
            timestamp: Some("1614265330"),
            signature: Some("v2,abc v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        };
        assert_eq!(standard(secret, headers, body, at + 300), Ok(()));
        assert_eq!(standard(secret, headers, body, at + 301), Err(Forged::Old));
        assert_eq!(standard(secret, headers, body, at - 301), Err(Forged::Old));
        assert_eq!(standard(secret, headers, b"{}", at), Err(Forged::Wrong));
        let later = Standard {
            timestamp: Some("1614265331"),
            ..headers
        };
        assert_eq!(standard(secret, later, body, at), Err(Forged::Wrong));
        let none = Standard::default();
        assert_eq!(standard(secret, none, body, at), Err(Forged::Missing));
    }
}
