//! Who is signed in with a browser: a cookie that no script can read.
//!
//! It holds the person's token, sealed with the server's key and for a time: taken out of the browser it is no token, any
//! server with the key knows it without a table, and it ends with its token. Browsers send it with nothing that another site
//! began; a write with it must come from a page of this server.

use std::sync::Arc;

use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use outwork_api::problem::Code;
use outwork_domain::Timestamp;
use serde::Deserialize;

use crate::http::body::Body;
use crate::http::permit::principal;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::seal::Place;
use crate::token;

/// As long as nobody signs out and the token is good.
const LASTS_S: i64 = 30 * 24 * 60 * 60;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    token: String,
}

/// Exchanges a token for the cookie.
pub(super) async fn sign_in(
    State(plane): State<Arc<Plane>>,
    Body(SignIn { token }): Body<SignIn>,
) -> Result<Response, Refusal> {
    principal(&plane, &token).await?.principal.viewer()?;
    let until = plane.now().as_millis() + LASTS_S * 1000;
    let sealed = plane.close(&format!("{until} {token}"), Place::SignIn);
    let value = BASE64_URL_SAFE_NO_PAD.encode(sealed);
    Ok(with_cookie(&plane, &value, LASTS_S))
}

/// Makes the browser forget it. The token stays good.
pub(super) async fn sign_out(State(plane): State<Arc<Plane>>) -> Response {
    with_cookie(&plane, "", 0)
}

fn with_cookie(plane: &Plane, value: &str, max_age_s: i64) -> Response {
    let name = name(plane);
    let secure = if plane.public_url.starts_with("https://") {
        "; Secure"
    } else {
        ""
    };
    let cookie = format!(
        "{name}={value}; Path=/api; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}"
    );
    let cookie = HeaderValue::try_from(cookie).expect("letters and digits");
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()
}

/// Browsers do not keep apart the cookies of two servers on one machine: their ports do not count.
fn name(plane: &Plane) -> String {
    let hash = token::hash(&plane.public_url);
    format!("outwork_{}", token::hex(&hash[..4]))
}

/// The token of who is signed in, of a request that names none itself.
pub(crate) fn token_of(plane: &Plane, parts: &Parts) -> Result<Option<String>, Refusal> {
    let Some(value) = cookie(&parts.headers, &name(plane)) else {
        return Ok(None);
    };
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    // What another site sends was refused before; this is what no browser sends.
    if !reads && !parts.headers.contains_key(header::ORIGIN) {
        return Err(Refusal::new(
            Code::Forbidden,
            "Who is signed in may only change something from the web page.",
        )
        .with_hint("Send `Authorization: Bearer TOKEN` instead of a cookie."));
    }
    open(plane, value, plane.now()).map(Some).ok_or_else(|| {
        Refusal::new(Code::Unauthorized, "The sign-in of this browser is over.")
            .with_hint("Sign in again.")
    })
}

fn open(plane: &Plane, value: &str, now: Timestamp) -> Option<String> {
    let sealed = BASE64_URL_SAFE_NO_PAD.decode(value).ok()?;
    let text = plane.seal.open(&sealed, Place::SignIn).ok()?;
    let (until, token) = text.split_once(' ')?;
    (now.as_millis() < until.parse::<i64>().ok()?).then(|| token.to_owned())
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter();
    let pairs = all
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(known, value)| (known == name).then_some(value))
}
