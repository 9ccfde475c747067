//! What may leave a sandbox, as data, and who decides it: pure, without a socket or a clock.
//!
//! A [`Policy`] is checked in three steps, each of which needs what the one before gave:
//!
//! 1. [`Policy::check_host`]: host and port as the client wrote them. Gives a [`Permit`], or a [`Denial`].
//! 2. [`AddressPolicy`](address::AddressPolicy): the addresses that the name resolves to. Gives what may be dialled.
//! 3. [`Policy::check_request`]: method, path and headers, where the proxy can read them. Gives a [`RequestPermit`].
//!
//! Each decision names the rule that made it, and each denial how to allow what was denied.

pub(crate) mod address;
mod denial;
mod domain;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
mod injection;
mod preset;
pub(crate) mod request;
mod rule;
pub(crate) mod target;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub(crate) use denial::{Denial, DenialKind, Remedy};
pub use denial::{OperatorOptions, Remedies};
pub use domain::{BadDomain, Domain};
pub use injection::{BadInjection, Injection, Secret};
pub use preset::Preset;
pub(crate) use request::{Purpose, RequestFacts, RequestPermit};
pub(crate) use rule::Rule;

pub use address::{AddressPolicy, Dialable, Kind};

use target::{Host, Name, Target};

/// What one sandbox may reach, and what it may do there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub destinations: Destinations,
    pub ports: Vec<u16>,
    pub methods: Methods,
    /// Whether `git push` over HTTP may pass, whatever the methods.
    pub git_push: bool,
    /// Whether a connection may become a WebSocket, whatever the methods.
    pub websocket: bool,
    pub tls: TlsMode,
    /// Credentials that the proxy adds, so that the sandbox never holds them.
    pub injections: Vec<Injection>,
    /// Addresses and networks that may be reached though they are not public, or though a client names them by number. A metadata service
    /// is opened by its own number only, not by a network around it.
    pub allow_addresses: Vec<IpNet>,
    /// All that may be sent to one host in the life of the proxy. `None`: no limit.
    pub upload_bytes_per_host: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Destinations {
    /// The preset's domains and these, each with its subdomains.
    Listed { preset: Preset, allow: Vec<Domain> },
    /// Every public host.
    Public,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Methods {
    All,
    /// GET, HEAD, OPTIONS, and the POST with which git fetches.
    ReadOnly,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsMode {
    /// The proxy ends TLS with a certificate authority of its own, reads each request, and speaks TLS to the server itself.
    Inspect,
    /// Bytes pass unread once the ClientHello asks for the host of the tunnel. What happens inside cannot be told apart.
    Tunnel,
}

/// A policy that promises what it cannot keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    #[error("methods are limited, and TLS passes unread: choose `tls: inspect` or `methods: all`")]
    MethodsUnread,
    #[error(
        "a credential is to be added, and TLS passes unread: choose `tls: inspect` or remove the injections"
    )]
    InjectionUnread,
    #[error("two credentials are to be added in the same header for the same host")]
    InjectedTwice,
}

/// The right to connect to a host, as far as it can be known without resolving its name. Only [`Policy::check_host`] makes one.
#[derive(Clone, Debug)]
pub(crate) struct Permit {
    target: Target,
    rule: Rule,
}

impl Permit {
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn rule(&self) -> &Rule {
        &self.rule
    }
}

impl Policy {
    /// Nothing at all: the beginning of every list.
    pub fn closed() -> Self {
        Self {
            destinations: Destinations::Listed {
                preset: Preset::None,
                allow: Vec::new(),
            },
            ports: vec![80, 443],
            methods: Methods::All,
            git_push: false,
            websocket: false,
            tls: TlsMode::Inspect,
            injections: Vec::new(),
            allow_addresses: Vec::new(),
            upload_bytes_per_host: None,
        }
    }

    /// For setup and maintenance scripts: every public host, and TLS unread.
    pub fn setup() -> Self {
        Self {
            destinations: Destinations::Public,
            tls: TlsMode::Tunnel,
            ..Self::closed()
        }
    }

    /// # Errors
    /// What cannot be kept.
    pub fn validate(&self) -> Result<(), Contradiction> {
        let is_unread = self.tls == TlsMode::Tunnel;
        if is_unread && self.methods == Methods::ReadOnly {
            return Err(Contradiction::MethodsUnread);
        }
        if is_unread && !self.injections.is_empty() {
            return Err(Contradiction::InjectionUnread);
        }
        let same = |a: &Injection, b: &Injection| a.host() == b.host() && a.header() == b.header();
        let mut rest = &self.injections[..];
        while let [first, others @ ..] = rest {
            if others.iter().any(|other| same(first, other)) {
                return Err(Contradiction::InjectedTwice);
            }
            rest = others;
        }
        Ok(())
    }

    pub(crate) fn addresses(&self) -> AddressPolicy {
        AddressPolicy::new(self.allow_addresses.clone())
    }

    /// Decides by what the client wrote; nothing is resolved for a name that is not listed.
    pub(crate) fn check_host(&self, target: Target) -> Result<Permit, Denial> {
        let Target { host, port } = &target;
        if !self.ports.contains(port) {
            return Err(self.port_denied(&target));
        }
        let rule = match host {
            Host::Name(name) if name.is_own() => {
                return Err(Denial {
                    kind: DenialKind::OwnName,
                    rule: Rule::OwnName,
                    reason: format!("{host} is a name of the machine itself or of its cloud."),
                    remedy: Remedy::Operator,
                });
            }
            Host::Name(name) => self.check_name(name)?,
            Host::Address(address) => match self.addresses().check_literal(*address, *port) {
                Ok(_) => Rule::ListedAddress(*address),
                Err(kind) => {
                    return Err(Denial {
                        kind: DenialKind::LiteralAddress,
                        rule: Rule::Address(kind),
                        reason: format!(
                            "{host} is {kind}, and not among the addresses that are allowed."
                        ),
                        remedy: Remedy::Operator,
                    });
                }
            },
        };
        Ok(Permit { target, rule })
    }

    fn check_name(&self, name: &Name) -> Result<Rule, Denial> {
        let (preset, allow) = match &self.destinations {
            Destinations::Public => return Ok(Rule::Public),
            Destinations::Listed { preset, allow } => (*preset, allow),
        };
        if let Some(domain) = allow.iter().find(|domain| domain.covers(name.as_str())) {
            return Ok(Rule::Allow(domain.clone()));
        }
        if let Some(domain) = preset.covering(name.as_str()) {
            return Ok(Rule::Preset(preset, domain));
        }
        Err(Denial {
            kind: DenialKind::NotListed,
            rule: Rule::NotListed(preset),
            reason: format!("{} is not among the hosts that are allowed.", name.as_str()),
            remedy: Remedy::Allow(name.as_str().to_owned()),
        })
    }

    fn port_denied(&self, Target { host, port }: &Target) -> Denial {
        let ports: Vec<_> = self.ports.iter().map(u16::to_string).collect();
        Denial {
            kind: DenialKind::Port,
            rule: Rule::Ports(self.ports.clone()),
            reason: format!(
                "Port {port} of {host} is not allowed; {} are.",
                ports.join(", ")
            ),
            remedy: Remedy::Port {
                port: *port,
                beside: self.ports.clone(),
            },
        }
    }
}

#[cfg(test)]
mod tests;
