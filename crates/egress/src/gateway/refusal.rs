//! Why a request was not forwarded.

use hyper::Response;

use super::endpoint::Protocol;
use super::own_error::OwnError;
use super::request::Body;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// CONNECT, or a target with a host: this is not a proxy.
    Target,
    Path,
    Method,
    Query,
    BodyTooLarge,
    /// The agent did not send its request in time.
    BodyTooSlow,
    TooManyRequests,
    /// The tokens that the agent may use are used up.
    OverBudget,
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
            Self::BodyTooSlow => "request_timeout",
            Self::TooManyRequests => "too_many_requests",
            // What OpenAI's API says of an account without credit: Codex gives up
            // at this word, and tries again at others.
            Self::OverBudget => "insufficient_quota",
        }
    }

    pub fn status(self) -> u16 {
        match self {
            Self::Target => 400,
            Self::Path | Self::Query => 403,
            Self::Method => 405,
            Self::BodyTooSlow => 408,
            Self::BodyTooLarge => 413,
            Self::TooManyRequests | Self::OverBudget => 429,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Target => "This is the model gateway, not a proxy: send the path only.",
            Self::Path => "The model gateway forwards only the paths of the model API.",
            Self::Method => "The model gateway forwards this path with another method only.",
            Self::Query => "The model gateway does not forward this query parameter.",
            Self::BodyTooLarge => "The request is larger than the model gateway forwards.",
            Self::BodyTooSlow => "The request did not arrive in time: send it again.",
            Self::TooManyRequests => "Too many model requests at once: wait for one to end.",
            Self::OverBudget => {
                "The token budget is used up: no further model calls are allowed. Trying again does not help."
            }
        }
    }

    pub(super) fn error(self) -> OwnError {
        OwnError {
            status: self.status(),
            code: self.code(),
            message: self.message().to_owned(),
        }
    }

    pub(super) fn response(self, protocol: Protocol) -> Response<Body> {
        let mut response = self.error().response(protocol);
        if self == Self::OverBudget {
            // OpenAI's and Anthropic's libraries retry each 429 that lacks it.
            let never = hyper::header::HeaderValue::from_static("false");
            response.headers_mut().insert("x-should-retry", never);
        }
        response
    }
}
