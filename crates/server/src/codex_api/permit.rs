//! Who asks.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use outwork_api::problem::Code;
use outwork_domain::principal::Viewer;

use super::access_token;
use crate::http::audit::Actor;
use crate::http::permit::{FromPrincipal, principal, sent};
use crate::http::scope;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Somebody who signed in to this server with the stock client, or has a token of this server.
pub(super) struct SignedIn<P = Viewer>(pub(super) P);

impl<P: FromPrincipal> FromRequestParts<Arc<Plane>> for SignedIn<P> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, plane: &Arc<Plane>) -> Result<Self, Refusal> {
        let known = match sent(parts) {
            Ok(token) => principal(plane, &access_token::unwrap(token)).await,
            Err(refusal) => Err(refusal),
        };
        let known = known.map_err(advise)?;
        scope::check(parts, &known.scopes)?;
        Actor::tell(parts, &known.principal);
        Ok(Self(P::from_principal(known.principal)?))
    }
}

fn advise(refusal: Refusal) -> Refusal {
    if refusal.problem().is(Code::Unauthorized) {
        return refusal
            .with_hint("Sign in with `outwork login --codex`, and run `outwork codex -- …`.");
    }
    refusal
}
