//! Why something was not let through, for the client and for the journal.

use std::fmt;

use bytes::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::forward::{Body, whole};

/// The header of an answer that is the proxy's own; its value is [`RefusalCode::as_str`].
pub const ERROR_HEADER: &str = "x-proxy-error";

/// The kind of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalCode {
    /// No request of HTTP/1.1 to a proxy, or one that could be read in two ways.
    BadRequest,
    /// The beginning of a request, and then nothing for too long.
    RequestTimeout,
    /// `Host` is not where the request goes.
    HostMismatch,
    /// An address that begins neither with `http://` nor comes as CONNECT.
    SchemeNotAllowed,
    PortNotAllowed,
    /// A name of this machine or of a metadata service.
    NameNotAllowed,
    /// The client wrote an IP address that the operator did not list.
    AddressNotListed,
    /// All that the name resolves to is private, local or special.
    AddressNotPublic,
    Unresolvable,
    Unreachable,
    /// What came through the tunnel first was no TLS.
    NotTls,
    SniMissing,
    SniMismatch,
    /// The operator's own proxy said no.
    UpstreamProxy,
    /// The server's answer was no HTTP.
    BadAnswer,
    /// The client left before anything was decided.
    ClientGone,
}

/// A refusal and its whole story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: RefusalCode,
    /// What happened, as a sentence, for the journal.
    pub(super) reason: String,
    /// For the client, where the reason is none of its business.
    told: Option<String>,
}

impl Refusal {
    pub(super) fn new(code: RefusalCode, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            told: None,
        }
    }

    /// With another sentence for the client.
    pub(super) fn telling(mut self, sentence: impl Into<String>) -> Self {
        self.told = Some(sentence.into());
        self
    }

    pub(super) fn response(&self) -> Response<Body> {
        let told = self.told.as_ref().unwrap_or(&self.reason);
        let text = format!("{told}\n{}\n", self.code.advice());
        let mut response = Response::new(whole(Bytes::from(text)));
        *response.status_mut() = self.code.status();
        let headers = response.headers_mut();
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, plain);
        headers.insert(
            HeaderName::from_static(ERROR_HEADER),
            HeaderValue::from_static(self.code.as_str()),
        );
        response
    }
}

impl RefusalCode {
    /// Stable.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::RequestTimeout => "request-timeout",
            Self::HostMismatch => "host-mismatch",
            Self::SchemeNotAllowed => "scheme-not-allowed",
            Self::PortNotAllowed => "port-not-allowed",
            Self::NameNotAllowed => "name-not-allowed",
            Self::AddressNotListed => "address-not-listed",
            Self::AddressNotPublic => "address-not-public",
            Self::Unresolvable => "unresolvable",
            Self::Unreachable => "unreachable",
            Self::NotTls => "not-tls",
            Self::SniMissing => "sni-missing",
            Self::SniMismatch => "sni-mismatch",
            Self::UpstreamProxy => "upstream-proxy",
            Self::BadAnswer => "bad-answer",
            Self::ClientGone => "client-gone",
        }
    }

    /// 403 for what is not allowed; what failed has a status that clients may try again after.
    fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::HostMismatch
            | Self::SchemeNotAllowed
            | Self::PortNotAllowed
            | Self::NameNotAllowed
            | Self::AddressNotListed
            | Self::AddressNotPublic
            | Self::NotTls
            | Self::SniMissing
            | Self::SniMismatch => StatusCode::FORBIDDEN,
            Self::Unresolvable
            | Self::Unreachable
            | Self::UpstreamProxy
            | Self::BadAnswer
            | Self::ClientGone => StatusCode::BAD_GATEWAY,
        }
    }

    /// What to do about it.
    fn advice(self) -> &'static str {
        match self {
            Self::BadRequest | Self::RequestTimeout => {
                "Use the proxy as HTTP_PROXY and HTTPS_PROXY say, from a client that speaks HTTP/1.1."
            }
            Self::HostMismatch => "Send a Host header that is the host and port of the address.",
            Self::SchemeNotAllowed => "Only http:// and https:// addresses lead out of a sandbox.",
            Self::PortNotAllowed => {
                "Use an address on an allowed port, or ask who runs the worker to allow this one."
            }
            Self::NameNotAllowed | Self::AddressNotPublic => {
                "If it is meant, ask who runs the worker to allow the address or its network by number."
            }
            Self::AddressNotListed => {
                "Use the server's name, or ask who runs the worker to allow the address by number."
            }
            Self::Unresolvable => {
                "Check the spelling of the name, and that the worker's machine can resolve it."
            }
            Self::Unreachable | Self::BadAnswer => {
                "Check that the server is up and can be reached from the worker's machine."
            }
            Self::NotTls => "Use an http:// address for what is not encrypted.",
            Self::SniMissing | Self::SniMismatch => {
                "Use a TLS client that names the server (SNI) as the address does."
            }
            Self::UpstreamProxy => "Ask who runs the worker what its proxy allows.",
            Self::ClientGone => "Try again.",
        }
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
