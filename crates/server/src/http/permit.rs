//! Who asks, and what they may do. A handler that takes a [`Permit`] cannot be reached without one.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use outwork_api::problem::Code;
use outwork_domain::principal::{Member, Principal, WorkerAccess};
use outwork_store::Authenticated;

use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::token;

/// A permit of the domain, made from the request's token.
pub(crate) struct Permit<P>(pub(crate) P);

impl FromRequestParts<Arc<Plane>> for Permit<Member> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, plane: &Arc<Plane>) -> Result<Self, Refusal> {
        Ok(Self(authenticate(parts, plane).await?.principal.member()?))
    }
}

impl FromRequestParts<Arc<Plane>> for Permit<WorkerAccess> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, plane: &Arc<Plane>) -> Result<Self, Refusal> {
        Ok(Self(authenticate(parts, plane).await?.principal.worker()?))
    }
}

/// Anybody with a valid token.
pub(crate) struct Anybody {
    pub(crate) principal: Principal,
    pub(crate) workspace_name: String,
}

impl FromRequestParts<Arc<Plane>> for Anybody {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, plane: &Arc<Plane>) -> Result<Self, Refusal> {
        let Authenticated {
            principal,
            workspace_name,
        } = authenticate(parts, plane).await?;
        Ok(Self {
            principal,
            workspace_name,
        })
    }
}

async fn authenticate(parts: &Parts, plane: &Plane) -> Result<Authenticated, Refusal> {
    let Some(header) = parts.headers.get(AUTHORIZATION) else {
        return Err(unauthorized("The request has no token."));
    };
    let header = header.to_str().unwrap_or("");
    let token = header
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let Some(hash) = token.and_then(token::parse) else {
        return Err(unauthorized("The token is not one of this server's kind."));
    };
    let known = plane.store.authenticate(hash, plane.now()).await?;
    known.ok_or_else(|| unauthorized("The token is not known here, or it has expired."))
}

fn unauthorized(detail: &str) -> Refusal {
    Refusal::new(Code::Unauthorized, detail).with_hint(
        "Run `outwork login`, or set OUTWORK_TOKEN; over HTTP send `Authorization: Bearer TOKEN`.",
    )
}
