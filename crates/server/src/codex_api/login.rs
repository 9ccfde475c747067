//! This server as the stock client's login provider: a code that is typed elsewhere is exchanged for a token.
//!
//! * [`device`]: the client asks for a code, and then whether it was typed
//! * [`page`]: where it is typed, in a browser
//! * [`oauth`]: the exchange, and the end
//! * [`whoami`]: whose a personal access token is

pub(super) mod device;
pub(super) mod oauth;
pub(super) mod page;
pub(super) mod whoami;

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use outwork_api::Secret;
use outwork_api::codex::CodexLogin;
use outwork_api::problem::Code;
use outwork_domain::Timestamp;
use outwork_domain::principal::{Principal, Viewer};
use outwork_store::StoreError;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::access_token;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::token::PlainToken;

/// How long a login lasts.
pub(crate) const LIFE: Duration = Duration::from_secs(365 * 24 * 3600);
/// The client treats accounts of this kind like any other; of some kinds it asks for more than this server has.
const PLAN: &str = "pro";
/// Without vowels, so that no code is a word, and without digits, which are mistaken for letters.
const CODE_LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const CODE_CHARS: usize = 8;

/// What the client keeps, for a token of `principal`.
pub(crate) fn codex_login(principal: &Principal, token: &PlainToken, now: Timestamp) -> CodexLogin {
    let claims = json!({
        "sub": principal.id.to_string(),
        "name": principal.name,
        "https://api.openai.com/auth": {
            "chatgpt_account_id": principal.workspace_id.to_string(),
            "chatgpt_user_id": principal.id.to_string(),
            "chatgpt_plan_type": PLAN,
        },
    });
    CodexLogin {
        access_token: Secret::new(access_token::wrap(token, now)),
        id_token: jwt(&claims),
        refresh_token: String::new(),
        account_id: principal.workspace_id.to_string(),
    }
}

/// A text in the form of a JWT. Whoever reads it checks no signature, so it has none.
pub(super) fn jwt(claims: &serde_json::Value) -> String {
    let part = |json: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let header = part(&json!({"alg": "none", "typ": "JWT"}));
    format!("{header}.{}.unsigned", part(claims))
}

/// Says that the client which shows `user_code` is that member's.
pub(crate) async fn approve(
    plane: &Plane,
    member: &Viewer,
    user_code: &str,
) -> Result<(), Refusal> {
    let code = typed(user_code);
    let id = member.principal().id;
    match plane
        .store
        .approve_device_login(&code, id, plane.now())
        .await
    {
        Ok(()) => {
            tracing::info!(principal = %id, "a login by a code was approved");
            Ok(())
        }
        Err(StoreError::NotFound) => Err(Refusal::new(
            Code::NotFound,
            "No client waits for that code.",
        )
        .with_hint("A code lasts 15 minutes; run `codex login --device-auth` again for another.")),
        Err(other) => Err(other.into()),
    }
}

/// A new code, `BCDF-GHJK`.
fn new_code(random: [u8; CODE_CHARS]) -> String {
    let letters =
        random.map(|byte| char::from(CODE_LETTERS[usize::from(byte) % CODE_LETTERS.len()]));
    let (first, second) = letters.split_at(CODE_CHARS / 2);
    format!("{}-{}", String::from_iter(first), String::from_iter(second))
}

/// A code as somebody typed it.
fn typed(code: &str) -> String {
    let letters: Vec<char> = code
        .chars()
        .filter(char::is_ascii_alphabetic)
        .map(|letter| letter.to_ascii_uppercase())
        .take(CODE_CHARS)
        .collect();
    let (first, second) = letters.split_at(letters.len().min(CODE_CHARS / 2));
    format!("{}-{}", String::from_iter(first), String::from_iter(second))
}

/// Under which the store knows what a client polls with, and exchanges.
fn hash(device_auth_id: &str) -> [u8; 32] {
    Sha256::digest(device_auth_id.as_bytes()).into()
}

/// The other half of the exchange. The client has it from this server, so it proves no more than the code; but it has to fit.
fn verifier(device_auth_id: &str) -> String {
    let digest = Sha256::digest(format!("outwork code verifier\0{device_auth_id}"));
    BASE64_URL_SAFE_NO_PAD.encode(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = new_code([0, 1, 2, 3, 23, 24, 25, 255]);
        assert_eq!(code, "BCDF-FGHT");
        for text in ["BCDF-FGHT", "bcdffght", " bcdf fght\n", "b-c-d-f-f-g-h-t"] {
            assert_eq!(typed(text), code, "{text}");
        }
        for text in ["", "bcd", "BCDF-FGHX"] {
            assert_ne!(typed(text), code, "{text}");
        }
    }
}
