//! The exchange of a login for a token, the client's requests to renew one, and its end.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use outwork_api::problem::Code;
use outwork_domain::TokenId;
use outwork_domain::principal::PrincipalKind;
use outwork_store::{DeviceLogin, DeviceToken};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{LIFE, codex_login, hash, verifier};
use crate::codex_api::access_token;
use crate::http::body::Raw;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::token;

#[derive(Deserialize)]
struct Grant {
    grant_type: String,
    code: Option<String>,
    code_verifier: Option<String>,
}

/// The exchange comes as a form, a renewal as JSON.
pub(crate) async fn token(
    State(plane): State<Arc<Plane>>,
    Raw(body): Raw,
) -> Result<Response, Refusal> {
    let grant: Grant = match body.first() {
        Some(b'{') => serde_json::from_slice(&body).map_err(|_| unreadable())?,
        Some(_) | None => form(&body)?,
    };
    match (grant.grant_type.as_str(), grant.code, grant.code_verifier) {
        ("authorization_code", Some(code), Some(given)) if given == verifier(&code) => {
            exchange(&plane, &code).await
        }
        // There is nothing to renew: what the client is not given it keeps, and it does not ask again for days.
        ("refresh_token", _, _) => Ok(Json(serde_json::json!({})).into_response()),
        _ => Err(refused()),
    }
}

async fn exchange(plane: &Plane, code: &str) -> Result<Response, Refusal> {
    plane.need_space()?;
    let now = plane.now();
    let hash = hash(code);
    let kind = match plane.store.device_login(hash, now).await? {
        Some(DeviceLogin::Approved(principal)) => principal.kind,
        Some(DeviceLogin::Waiting) | None => return Err(refused()),
    };
    if kind == PrincipalKind::Worker {
        return Err(refused());
    }
    let (plain, token_hash) = token::new_token(kind, plane.ids.bytes());
    let new = DeviceToken {
        token_id: TokenId::from_uuid(plane.ids.uuid()),
        hash: token_hash,
        expires_at: now + LIFE,
    };
    let exchanged = plane.store.exchange_device_login(hash, new, now).await?;
    let principal = exchanged.ok_or_else(refused)?;
    Ok(Json(codex_login(&principal, &plain, now)).into_response())
}

#[derive(Deserialize)]
struct Revocation {
    token: String,
}

/// The end of a login: whoever has its token may end it. Of a token that is not known, or no login's, nothing is said (RFC 7009).
pub(crate) async fn revoke(
    State(plane): State<Arc<Plane>>,
    Raw(body): Raw,
) -> Result<Response, Refusal> {
    let Revocation { token } = match body.first() {
        Some(b'{') => serde_json::from_slice(&body).map_err(|_| unreadable())?,
        Some(_) | None => form(&body)?,
    };
    if let Some(hash) = token::parse(&access_token::unwrap(&token)) {
        plane.store.remove_login(hash).await?;
    }
    Ok(Json(serde_json::json!({})).into_response())
}

fn refused() -> Refusal {
    Refusal::new(
        Code::InvalidRequest,
        "This login cannot be exchanged for a token.",
    )
    .with_hint("Sign in again with `codex login --device-auth`.")
}

fn unreadable() -> Refusal {
    Refusal::new(Code::InvalidRequest, "The body cannot be read.")
}

/// A form is written as a query is.
pub(super) fn form<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| unreadable())?;
    let uri: Uri = format!("/?{text}").parse().map_err(|_| unreadable())?;
    match Query::try_from_uri(&uri) {
        Ok(Query(form)) => Ok(form),
        Err(_) => Err(unreadable()),
    }
}
