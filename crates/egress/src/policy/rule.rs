//! Which part of a policy decided.

use std::fmt;
use std::net::IpAddr;

use super::address::Kind;
use super::{Domain, Preset};

/// Printed as people see it in the journal: `preset common: npmjs.org`, `allow: example.com`, `methods: read_only`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Public,
    Preset(Preset, &'static str),
    Allow(Domain),
    /// No entry of the list covers it.
    NotListed(Preset),
    Ports(Vec<u16>),
    OwnName,
    Address(Kind),
    ListedAddress(IpAddr),
    ReadOnly,
    NoTrace,
    NoGitPush,
    NoWebSocket,
    NoUpgrade,
    Escapes,
    /// A credential is set for the host.
    Injection,
    UploadBytes(u64),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("mode: all"),
            Self::Preset(preset, domain) => write!(f, "preset {preset}: {domain}"),
            Self::Allow(domain) => write!(f, "allow: {domain}"),
            Self::NotListed(preset) => write!(f, "not listed (preset {preset})"),
            Self::Ports(ports) => {
                let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
                write!(f, "ports: {}", ports.join(", "))
            }
            Self::OwnName => f.write_str("name: this machine"),
            Self::Address(kind) => write!(f, "address: {}", short(kind)),
            Self::ListedAddress(address) => write!(f, "allow_addresses: {address}"),
            Self::ReadOnly => f.write_str("methods: read_only"),
            Self::NoTrace => f.write_str("methods: never TRACE"),
            Self::NoGitPush => f.write_str("git_push: false"),
            Self::NoWebSocket => f.write_str("websocket: false"),
            Self::NoUpgrade => f.write_str("upgrade: websocket only"),
            Self::Escapes => f.write_str("path: plain escapes"),
            Self::Injection => f.write_str("injection: https only"),
            Self::UploadBytes(limit) => write!(f, "upload_bytes_per_host: {limit}"),
        }
    }
}

/// "a private address" is `private`.
fn short(kind: Kind) -> &'static str {
    let kind = kind.strip_suffix(" address").unwrap_or(kind);
    let articles = ["a ", "an ", "the "];
    let bare = articles
        .iter()
        .find_map(|article| kind.strip_prefix(article));
    bare.unwrap_or(kind)
}
