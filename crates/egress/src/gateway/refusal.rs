//! Answers of the gateway's own, and why.

use bytes::Bytes;
use hyper::{Response, StatusCode, header};
use serde_json::json;

use super::request::{Body, whole};

/// Why a request was not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// CONNECT, or a target with a host: this is not a proxy.
    Target,
    Path,
    Method,
    Query,
    BodyTooLarge,
    TooManyRequests,
}

impl Refusal {
    /// Stable; the `code` of the error document.
    pub fn code(self) -> &'static str {
        match self {
            Self::Target => "target_not_allowed",
            Self::Path => "path_not_allowed",
            Self::Method => "method_not_allowed",
            Self::Query => "query_not_allowed",
            Self::BodyTooLarge => "request_too_large",
            Self::TooManyRequests => "too_many_requests",
        }
    }

    pub fn status(self) -> u16 {
        match self {
            Self::Target => 400,
            Self::Path | Self::Query => 403,
            Self::Method => 405,
            Self::BodyTooLarge => 413,
            Self::TooManyRequests => 429,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Target => "This is the model gateway, not a proxy: send the path only.",
            Self::Path => "The model gateway forwards only the paths of the model API.",
            Self::Method => "The model gateway forwards this path with another method only.",
            Self::Query => "The model gateway does not forward this query parameter.",
            Self::BodyTooLarge => "The request is larger than the model gateway forwards.",
            Self::TooManyRequests => "Too many model requests at once: wait for one to end.",
        }
    }

    pub(super) fn response(self) -> Response<Body> {
        error_response(self.status(), self.code(), self.message())
    }
}

/// One document that clients of OpenAI's and of Anthropic's API understand.
pub(super) fn error_response(status: u16, code: &str, message: &str) -> Response<Body> {
    let document = json!({
        "type": "error",
        "error": { "type": "gateway_error", "code": code, "message": message, "param": null },
    });
    let mut response = Response::new(whole(Bytes::from(document.to_string())));
    *response.status_mut() = StatusCode::from_u16(status).expect("our own statuses are valid");
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
