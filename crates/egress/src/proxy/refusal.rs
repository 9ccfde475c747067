//! Why something was not let through, for the client and for the journal.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::policy::{Denial, DenialKind, Remedies};

/// The header of an answer that is the proxy's own; its value is [`RefusalCode::as_str`].
pub const ERROR_HEADER: &str = "x-proxy-error";

/// The kind of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
    /// No entry of the environment's list covers the host.
    BlockedByAllowlist,
    BlockedByMethodPolicy,
    BlockedByGitPushPolicy,
    BlockedByWebsocketPolicy,
    /// To another protocol than WebSocket.
    UpgradeNotAllowed,
    /// More was to be sent to the host than may be.
    BlockedByByteBudget,
    Unresolvable,
    Unreachable,
    /// The server's certificate is not its own, or it speaks no TLS that we know.
    ServerTls,
    /// The client did not like our certificate, or speaks no TLS that we know.
    ClientTls,
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
    pub(super) rule: Option<String>,
    pub(super) hint: Option<String>,
    /// For the client, where the reason is none of its business.
    pub(super) told: Option<String>,
}

impl Refusal {
    pub(super) fn new(code: RefusalCode, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            rule: None,
            hint: None,
            told: None,
        }
    }

    pub(super) fn bad_request(reason: impl Into<String>) -> Self {
        Self::new(RefusalCode::BadRequest, reason)
    }

    /// What the policy said, with the words of those who can change it.
    pub(super) fn denied(denial: Denial, remedies: &Remedies) -> Self {
        let Denial {
            kind,
            rule,
            reason,
            remedy,
        } = denial;
        Self {
            code: code(kind),
            reason,
            rule: Some(rule.to_string()),
            hint: remedies.hint(&remedy),
            told: None,
        }
    }

    /// With another sentence for the client.
    pub(super) fn telling(mut self, sentence: impl Into<String>) -> Self {
        self.told = Some(sentence.into());
        self
    }

    /// The whole answer.
    pub(super) fn response(&self, then: Then) -> Vec<u8> {
        let told = self.told.as_ref().unwrap_or(&self.reason);
        let text = match &self.hint {
            Some(hint) => format!("{told}\n{}\nTo allow it: {hint}\n", self.code.advice()),
            None => format!("{told}\n{}\n", self.code.advice()),
        };
        let connection = match then {
            Then::Close => "connection: close\r\n",
            Then::Stay => "",
        };
        let head = format!(
            "HTTP/1.1 {}\r\ncontent-type: text/plain; charset=utf-8\r\n{ERROR_HEADER}: {}\r\n{connection}content-length: {}\r\n\r\n",
            self.code.status(),
            self.code,
            text.len(),
        );
        [head, text].concat().into_bytes()
    }
}

/// What becomes of a connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Stay,
    Close,
}

fn code(kind: DenialKind) -> RefusalCode {
    match kind {
        DenialKind::NotListed => RefusalCode::BlockedByAllowlist,
        DenialKind::Port => RefusalCode::PortNotAllowed,
        DenialKind::OwnName => RefusalCode::NameNotAllowed,
        DenialKind::LiteralAddress => RefusalCode::AddressNotListed,
        DenialKind::Method => RefusalCode::BlockedByMethodPolicy,
        DenialKind::GitPush => RefusalCode::BlockedByGitPushPolicy,
        DenialKind::WebSocket => RefusalCode::BlockedByWebsocketPolicy,
        DenialKind::OtherUpgrade => RefusalCode::UpgradeNotAllowed,
        DenialKind::PlainHttp => RefusalCode::SchemeNotAllowed,
        DenialKind::Ambiguous => RefusalCode::BadRequest,
        DenialKind::UploadBytes => RefusalCode::BlockedByByteBudget,
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
            Self::BlockedByAllowlist => "blocked-by-allowlist",
            Self::BlockedByMethodPolicy => "blocked-by-method-policy",
            Self::BlockedByGitPushPolicy => "blocked-by-git-push-policy",
            Self::BlockedByWebsocketPolicy => "blocked-by-websocket-policy",
            Self::UpgradeNotAllowed => "upgrade-not-allowed",
            Self::BlockedByByteBudget => "blocked-by-byte-budget",
            Self::Unresolvable => "unresolvable",
            Self::Unreachable => "unreachable",
            Self::ServerTls => "server-tls",
            Self::ClientTls => "client-tls",
            Self::NotTls => "not-tls",
            Self::SniMissing => "sni-missing",
            Self::SniMismatch => "sni-mismatch",
            Self::UpstreamProxy => "upstream-proxy",
            Self::BadAnswer => "bad-answer",
            Self::ClientGone => "client-gone",
        }
    }

    /// 403 for what is not allowed; what failed has a status that clients may try again after.
    fn status(self) -> &'static str {
        match self {
            Self::BadRequest => "400 Bad Request",
            Self::RequestTimeout => "408 Request Timeout",
            Self::HostMismatch
            | Self::SchemeNotAllowed
            | Self::PortNotAllowed
            | Self::NameNotAllowed
            | Self::AddressNotListed
            | Self::AddressNotPublic
            | Self::BlockedByAllowlist
            | Self::BlockedByMethodPolicy
            | Self::BlockedByGitPushPolicy
            | Self::BlockedByWebsocketPolicy
            | Self::UpgradeNotAllowed
            | Self::BlockedByByteBudget
            | Self::NotTls
            | Self::SniMissing
            | Self::SniMismatch
            | Self::ClientTls => "403 Forbidden",
            Self::Unresolvable
            | Self::Unreachable
            | Self::UpstreamProxy
            | Self::BadAnswer
            | Self::ServerTls
            | Self::ClientGone => "502 Bad Gateway",
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
            Self::BlockedByAllowlist => {
                "Use a host that the environment allows, or ask who owns the environment to add this one."
            }
            Self::BlockedByMethodPolicy => {
                "The environment lets sandboxes read only: GET, HEAD, OPTIONS and git's fetch."
            }
            Self::BlockedByGitPushPolicy => {
                "Leave the commits in the checkout: what changed is taken from there when the task is done."
            }
            Self::BlockedByWebsocketPolicy => "Use plain requests of HTTP.",
            Self::UpgradeNotAllowed => "Speak HTTP/1.1 without an Upgrade header.",
            Self::BlockedByByteBudget => "Send less to this host.",
            Self::ServerTls => {
                "Check the server's certificate; the worker trusts its machine's own authorities, or those that its operator gave."
            }
            Self::ClientTls => {
                "Let the client trust the certificates in the file that SSL_CERT_FILE names."
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
