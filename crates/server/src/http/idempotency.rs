//! `Idempotency-Key`: the same request sent twice makes one thing.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use outwork_api::problem::Code;
use outwork_domain::principal::Member;
use outwork_store::Idempotency;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::plane::Plane;
use crate::refusal::Refusal;

/// Says that the answer is about something made by an earlier request.
pub(crate) const REPLAYED: (HeaderName, HeaderValue) = (
    HeaderName::from_static("idempotency-replayed"),
    HeaderValue::from_static("true"),
);

const KEPT: Duration = Duration::from_secs(24 * 3600);
const MAX_CHARS: usize = 255;

/// The key of a request, if it has one.
pub(crate) struct Key(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let Some(value) = parts.headers.get("idempotency-key") else {
            return Ok(Self(None));
        };
        match value.to_str() {
            Ok(text) if !text.is_empty() && text.len() <= MAX_CHARS => {
                Ok(Self(Some(text.to_owned())))
            }
            Ok(_) | Err(_) => Err(Refusal::new(
                Code::InvalidRequest,
                format!("`Idempotency-Key` must have 1 to {MAX_CHARS} visible ASCII characters."),
            )),
        }
    }
}

impl Key {
    /// What the store keeps: key, who, which route, and a hash of the body as it was understood.
    pub(crate) fn record(
        self,
        plane: &Plane,
        member: &Member,
        route: &str,
        body: &impl Serialize,
    ) -> Option<Idempotency> {
        let key = self.0?;
        let body = serde_json::to_vec(body).expect("a request body is plain data");
        Some(Idempotency {
            principal_id: member.principal().id,
            route: route.to_owned(),
            key,
            fingerprint: Sha256::digest(&body).into(),
            expires_at: plane.now() + KEPT,
        })
    }
}
