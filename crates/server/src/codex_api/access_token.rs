//! An Outwork token as the stock client has to hold it.
//!
//! It takes any text as the access token of a login, but asks the issuer for another one by the clock unless it is a JWT that says until
//! when it lasts; and a personal access token has to begin with `at-`. So both are wrappings of the token that the store knows.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use outwork_domain::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::login::jwt;
use crate::token::PlainToken;

const PERSONAL: &str = "at-";
/// Far beyond the token's own end: a client that thinks it has ended asks others for a new one.
const CLIENT_LIFE_SECONDS: i64 = 20 * 365 * 24 * 3600;

#[derive(Deserialize)]
struct Claims {
    outwork_token: String,
}

/// A token as the access token of a login.
pub(super) fn wrap(token: &PlainToken, now: Timestamp) -> String {
    let exp = now.as_millis() / 1000 + CLIENT_LIFE_SECONDS;
    jwt(&json!({"outwork_token": token.reveal(), "exp": exp}))
}

/// The Outwork token in what a client sent; what is no wrapping is the token itself.
pub(super) fn unwrap(sent: &str) -> Cow<'_, str> {
    if let Some(token) = sent.strip_prefix(PERSONAL) {
        return Cow::Borrowed(token);
    }
    match claims(sent) {
        Some(Claims { outwork_token }) => Cow::Owned(outwork_token),
        None => Cow::Borrowed(sent),
    }
}

fn claims(sent: &str) -> Option<Claims> {
    let mut parts = sent.split('.');
    let (_, payload, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}
