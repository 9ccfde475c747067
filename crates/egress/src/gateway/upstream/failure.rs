//! How a call of the model's endpoint can fail.

use std::error::Error;
use std::io;

/// How the model endpoint failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamErrorKind {
    /// The name does not resolve, or no connection within the connect timeout.
    Unreachable,
    /// No head of an answer for too long.
    FirstByteTimeout,
    /// Silence inside an answer for too long.
    IdleTimeout,
    /// The call took too long in all.
    CallTimeout,
    /// The answer is larger than is passed on.
    AnswerTooLarge,
    /// No agreement on TLS; most often a certificate that is not trusted.
    Tls,
    /// It answered with this status, from 400, which was passed on.
    Status(u16),
    /// It redirects; the base URL is not the endpoint's own.
    Redirect,
    /// The connection broke after it stood.
    Broken,
}

pub(in crate::gateway) fn kind_of(error: &reqwest::Error) -> UpstreamErrorKind {
    if find_cause::<rustls::Error>(error).is_some() {
        return UpstreamErrorKind::Tls;
    }
    if error.is_connect() {
        return UpstreamErrorKind::Unreachable;
    }
    UpstreamErrorKind::Broken
}

fn find_cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        // The error inside an io::Error is not its source.
        let inside = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if let Some(inside) = inside
            && let Some(found) = find_cause(inside)
        {
            return Some(found);
        }
        next = error.source();
    }
    None
}

impl UpstreamErrorKind {
    /// A limit of the gateway, not something that the endpoint did.
    pub(in crate::gateway) fn is_limit(self) -> bool {
        match self {
            Self::FirstByteTimeout
            | Self::IdleTimeout
            | Self::CallTimeout
            | Self::AnswerTooLarge => true,
            Self::Unreachable | Self::Tls | Self::Status(_) | Self::Redirect | Self::Broken => {
                false
            }
        }
    }

    /// Whether the model may have worked, and used tokens.
    pub(in crate::gateway) fn may_have_worked(self) -> bool {
        match self {
            Self::FirstByteTimeout
            | Self::IdleTimeout
            | Self::CallTimeout
            | Self::AnswerTooLarge
            | Self::Broken => true,
            Self::Unreachable | Self::Tls | Self::Status(_) | Self::Redirect => false,
        }
    }

    /// Of the answer that the agent gets instead of the endpoint's.
    pub(in crate::gateway) fn own_status(self) -> u16 {
        match self {
            Self::FirstByteTimeout | Self::IdleTimeout | Self::CallTimeout => 504,
            Self::Unreachable
            | Self::Tls
            | Self::Status(_)
            | Self::Redirect
            | Self::Broken
            | Self::AnswerTooLarge => 502,
        }
    }

    pub(in crate::gateway) fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "upstream_unreachable",
            Self::FirstByteTimeout => "upstream_timeout",
            Self::IdleTimeout => "upstream_idle_timeout",
            Self::CallTimeout => "call_timeout",
            Self::AnswerTooLarge => "answer_too_large",
            Self::Tls => "upstream_tls",
            Self::Status(_) => "upstream_status",
            Self::Redirect => "upstream_redirect",
            Self::Broken => "upstream_broken",
        }
    }

    /// What went wrong and what to check; nothing secret.
    pub(in crate::gateway) fn message(self, host: &str) -> String {
        match self {
            Self::Unreachable => format!(
                "The model endpoint {host} cannot be reached: check the base URL of the model, that the endpoint runs, and that the worker's machine may connect to it."
            ),
            Self::FirstByteTimeout => format!(
                "The model endpoint {host} did not answer in time: check that it is healthy, or raise the gateway's timeouts."
            ),
            Self::IdleTimeout => format!(
                "The model endpoint {host} fell silent inside its answer: check that it is healthy, or raise the gateway's timeouts."
            ),
            Self::CallTimeout => format!(
                "The call of the model endpoint {host} took too long in all: ask for a shorter answer, or raise the gateway's timeouts."
            ),
            Self::AnswerTooLarge => format!(
                "The answer of the model endpoint {host} is larger than the gateway passes on."
            ),
            Self::Tls => format!(
                "No secure connection to the model endpoint {host}: check its certificate and whether the base URL should begin with http:// instead."
            ),
            Self::Status(status) => format!("The model endpoint {host} answered {status}."),
            Self::Redirect => format!(
                "The model endpoint {host} redirects, which is not followed: check the base URL of the model."
            ),
            Self::Broken => format!(
                "The model endpoint {host} closed the connection without an answer: check its log."
            ),
        }
    }
}
