//! Who asks, and what they may do. A handler that takes a [`Permit`] cannot be reached without one.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use outwork_api::problem::Code;
use outwork_domain::principal::{
    Admin, Member, NotAllowed, Principal, Reviewer, Viewer, WorkerAccess,
};
use outwork_domain::scope::Scopes;
use outwork_store::Authenticated;

use super::audit::Actor;
use super::scope;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::token::{self, TokenHash};
use crate::web::sign_in;

/// A permit of the domain, made from the request's token.
pub(crate) struct Permit<P>(pub(crate) P);

/// A permit that the domain makes of a principal, or refuses it.
pub(crate) trait FromPrincipal: Sized {
    fn from_principal(principal: Principal) -> Result<Self, NotAllowed>;
}

macro_rules! from_principal {
    ($($permit:ident: $check:ident),+ $(,)?) => {
        $(impl FromPrincipal for $permit {
            fn from_principal(principal: Principal) -> Result<Self, NotAllowed> {
                principal.$check()
            }
        })+
    };
}

from_principal!(
    Viewer: viewer,
    Reviewer: reviewer,
    Member: member,
    Admin: admin,
);

impl FromPrincipal for WorkerAccess {
    fn from_principal(principal: Principal) -> Result<Self, NotAllowed> {
        Ok(principal.worker()?)
    }
}

impl<P: FromPrincipal> FromRequestParts<Arc<Plane>> for Permit<P> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, plane: &Arc<Plane>) -> Result<Self, Refusal> {
        let principal = authenticate(parts, plane).await?.principal;
        Ok(Self(P::from_principal(principal)?))
    }
}

/// Anybody with a valid token.
pub(crate) struct Anybody {
    pub(crate) principal: Principal,
    pub(crate) workspace_name: String,
    /// What its token may at most.
    pub(crate) scopes: Scopes,
}

impl FromRequestParts<Arc<Plane>> for Anybody {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, plane: &Arc<Plane>) -> Result<Self, Refusal> {
        let Authenticated {
            principal,
            workspace_name,
            scopes,
            revoked_at: _,
        } = authenticate(parts, plane).await?;
        Ok(Self {
            principal,
            workspace_name,
            scopes,
        })
    }
}

/// The bearer token of a request: an enrolment token, whose holder is nobody yet.
pub(crate) struct Enrolling {
    /// As it was sent.
    pub(crate) token: String,
    /// The hash under which the store knows it, if it does.
    pub(crate) hash: TokenHash,
}

impl FromRequestParts<Arc<Plane>> for Enrolling {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Plane>) -> Result<Self, Refusal> {
        let (token, hash) = bearer(parts)?;
        if !token::is_enrolment(token) {
            let detail = "The token is not an enrolment token.";
            return Err(Refusal::new(Code::Unauthorized, detail).with_hint(ENROL));
        }
        Ok(Self {
            token: token.to_owned(),
            hash,
        })
    }
}

pub(crate) const ENROL: &str = "Make an enrolment token with `outwork workers enrol`.";

async fn authenticate(parts: &Parts, plane: &Plane) -> Result<Authenticated, Refusal> {
    let signed_in = match parts.headers.contains_key(AUTHORIZATION) {
        true => None,
        false => sign_in::token_of(plane, parts)?,
    };
    let known = match &signed_in {
        Some(token) => principal(plane, token).await?,
        None => principal(plane, sent(parts)?).await?,
    };
    scope::check(parts, &known.scopes)?;
    Actor::tell(parts, &known.principal);
    Ok(known)
}

/// Whom a token speaks for.
pub(crate) async fn principal(plane: &Plane, token: &str) -> Result<Authenticated, Refusal> {
    let hash = parsed(token)?;
    if token::is_enrolment(token) {
        let detail = "An enrolment token only lets a worker in; it opens nothing else.";
        return Err(Refusal::new(Code::Unauthorized, detail)
            .with_hint("Give it to `outwork worker --enrolment-token-file FILE`."));
    }
    let known = plane.store.authenticate(hash, plane.now()).await?;
    let known =
        known.ok_or_else(|| unauthorized("The token is not known here, or it has expired."))?;
    match known.revoked_at {
        None => Ok(known),
        Some(_) => Err(Refusal::new(Code::TokenRevoked, "The worker's token was revoked.").with_hint(
            "Enrol the worker anew if it is to work here: `outwork workers enrol` makes an enrolment token.",
        )),
    }
}

/// The request's token and its hash.
fn bearer(parts: &Parts) -> Result<(&str, TokenHash), Refusal> {
    let token = sent(parts)?;
    Ok((token, parsed(token)?))
}

fn parsed(token: &str) -> Result<TokenHash, Refusal> {
    token::parse(token).ok_or_else(foreign)
}

fn foreign() -> Refusal {
    unauthorized("The token is not one of this server's kind.")
}

/// The bearer token of a request, whatever it is.
pub(crate) fn sent(parts: &Parts) -> Result<&str, Refusal> {
    let Some(header) = parts.headers.get(AUTHORIZATION) else {
        return Err(unauthorized("The request has no token."));
    };
    let header = header.to_str().unwrap_or("");
    let token = header
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    token.ok_or_else(foreign)
}

fn unauthorized(detail: &str) -> Refusal {
    Refusal::new(Code::Unauthorized, detail).with_hint(
        "Run `outwork login`, or set OUTWORK_TOKEN; over HTTP send `Authorization: Bearer TOKEN`.",
    )
}
