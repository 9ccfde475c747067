//! An Outwork token as the stock client has to hold it.
//!
//! It takes any text as the access token of a login, but asks the issuer for another one by the clock unless it is a JWT that says until
//! when it lasts; and a personal access token has to begin with `at-`. So both are wrappings of the token that the store knows.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;

const PERSONAL: &str = "at-";

#[derive(Deserialize)]
struct Claims {
    outwork_token: String,
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
