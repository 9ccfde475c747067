//! What a request's address says: ids in its path, and its query.

use std::convert::Infallible;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::Uri;
use axum::http::request::Parts;
use outwork_api::problem::Code;
use serde::de::DeserializeOwned;

use crate::refusal::{Refusal, sentence};

/// The id in the path. A text that is no id names nothing: 404.
pub(crate) struct Id<T>(pub(crate) T);

impl<T: FromStr<Err: std::fmt::Display> + Send, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Refusal::new(Code::NotFound, "The address holds no id."))?;
        text.parse()
            .map(Self)
            .map_err(|fault: T::Err| Refusal::new(Code::NotFound, sentence(&fault.to_string())))
    }
}

/// The query.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(params)| Self(params))
            .map_err(|rejection| {
                let text = rejection.body_text();
                let why = text
                    .rsplit_once("query string: ")
                    .map_or(text.as_str(), |(_, why)| why);
                Refusal::new(
                    Code::InvalidRequest,
                    format!("The query cannot be read: {why}."),
                )
            })
    }
}

/// The whole address of a request, as it was sent. (Inside a nested router a request's own address lacks its beginning.)
#[derive(Clone)]
pub(crate) struct Address(pub(crate) Uri);

impl<S: Send + Sync> FromRequestParts<S> for Address {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts
            .extensions
            .get::<Self>()
            .cloned()
            .unwrap_or_else(|| Self(parts.uri.clone())))
    }
}
