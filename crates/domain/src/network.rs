//! What an agent may reach: nothing, unless its environment says otherwise.
//!
//! Setup and maintenance scripts are not meant here: they reach every public host.

use std::collections::BTreeSet;
use std::fmt;

use crate::limits;

/// The network of the agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AgentNetwork {
    /// None.
    #[default]
    Off,
    /// Through the worker's proxy, as far as the rules let it.
    On(NetworkRules),
}

impl AgentNetwork {
    /// Why header injections do not go with it, if they do not: where TLS is not ended, no header
    /// can be put in.
    pub fn refuses_injections(&self) -> Option<&'static str> {
        match self {
            Self::On(rules) if rules.tls == Tls::Tunnel => Some(
                "cannot be used with TLS tunnels, whose requests are not seen; set `tls` to `inspect`, or remove them",
            ),
            Self::Off | Self::On(_) => None,
        }
    }
}

/// What is let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkRules {
    /// Hosts that many projects need.
    pub preset: Preset,
    /// Further hosts, each with its subdomains.
    pub allow: BTreeSet<DomainName>,
    /// Ports that may be asked for.
    pub ports: BTreeSet<u16>,
    /// Methods that may be used.
    pub methods: Methods,
    /// Whether git may push over HTTP.
    pub git_push: bool,
    /// Whether connections may become WebSockets.
    pub websocket: bool,
    /// What is done with TLS.
    pub tls: Tls,
}

impl Default for NetworkRules {
    fn default() -> Self {
        Self {
            preset: Preset::None,
            allow: BTreeSet::new(),
            ports: BTreeSet::from(limits::DEFAULT_PORTS),
            methods: Methods::All,
            git_push: false,
            websocket: false,
            tls: Tls::Inspect,
        }
    }
}

/// A field of the rules that cannot be, by its name in the API, and why.
pub(crate) type Fault = (&'static str, String);

impl NetworkRules {
    /// Whether they can be kept.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let Self {
            preset: _,
            allow,
            ports,
            methods,
            git_push: _,
            websocket: _,
            tls,
        } = self;
        if allow.len() > limits::ALLOWED_DOMAINS {
            let most = limits::ALLOWED_DOMAINS;
            let problem = format!(
                "has more than {most} entries; an entry covers its subdomains, so name the domain above them"
            );
            return Err(("network.allow", problem));
        }
        if ports.is_empty() || ports.len() > limits::NETWORK_PORTS || ports.contains(&0) {
            let most = limits::NETWORK_PORTS;
            let problem = format!("must have 1 to {most} ports from 1 to 65535");
            return Err(("network.ports", problem));
        }
        match (tls, methods) {
            (Tls::Tunnel, Methods::ReadOnly) => Err((
                "network.methods",
                "cannot be `read_only` with TLS tunnels, whose methods are not seen; set `tls` to `inspect`, or `methods` to `all`".to_owned(),
            )),
            (Tls::Inspect, Methods::All | Methods::ReadOnly) | (Tls::Tunnel, Methods::All) => Ok(()),
        }
    }
}

/// Declares an enum of names that stand in the API, the database and on the command line.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name in the API and the database.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// The one of that name.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == name)
            }
        }
    };
}

named! {
    /// Hosts that are allowed together.
    Preset {
        /// None.
        None = "none",
        /// Package registries, source hosts and the like.
        Common = "common",
        /// Every public host.
        All = "all",
    }
}

named! {
    /// Which methods are let through.
    Methods {
        /// All.
        All = "all",
        /// GET, HEAD, OPTIONS, and what `git fetch` posts.
        ReadOnly = "read_only",
    }
}

named! {
    /// What the proxy does with TLS.
    Tls {
        /// It ends TLS with a certificate of the attempt's own authority, and sees requests.
        Inspect = "inspect",
        /// It passes bytes on unread, once the host that is asked for is checked.
        Tunnel = "tunnel",
    }
}

/// The name of a host, in small letters: labels of letters, digits and `-`, at least two of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainName(String);

/// A text that is no name of a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDomain {
    /// It has a scheme, a port, a path or a user.
    #[error("`{0}` is more than a name; write the host alone, such as example.com")]
    MoreThanAName(String),
    /// It has a star elsewhere than in front.
    #[error(
        "`{0}` has a star inside; an entry covers its subdomains, so write example.com for all of *.example.com"
    )]
    Wildcard(String),
    /// It is an address.
    #[error("`{0}` is an address; only names can be allowed")]
    Address(String),
    /// It has other characters.
    #[error("`{0}` is not in ASCII; write the name as it is looked up, with xn--")]
    NotAscii(String),
    /// It is a whole top-level domain, or a name without one.
    #[error("`{0}` has no dot; write the whole name, such as example.com")]
    NoDot(String),
    /// Anything else.
    #[error(
        "`{0}` is not the name of a host: use letters, digits, `-` and dots, such as example.com"
    )]
    NotAName(String),
}

impl DomainName {
    /// Reads an exact name; capitals and one final dot do not matter.
    pub fn parse(text: &str) -> Result<Self, InvalidDomain> {
        Self::read(text, text)
    }

    /// Reads the name of a domain that is meant with its subdomains: `*.` or `.` may stand in front.
    pub fn parse_covering(text: &str) -> Result<Self, InvalidDomain> {
        let name = text.strip_prefix("*.").or_else(|| text.strip_prefix('.'));
        Self::read(text, name.unwrap_or(text))
    }

    fn read(text: &str, name: &str) -> Result<Self, InvalidDomain> {
        let fault = |kind: fn(String) -> InvalidDomain| Err(kind(text.to_owned()));
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        if is_address(&name) {
            return fault(InvalidDomain::Address);
        }
        if name.contains([':', '/', '@', '?', '#', '\\']) {
            return fault(InvalidDomain::MoreThanAName);
        }
        if name.contains('*') {
            return fault(InvalidDomain::Wildcard);
        }
        if !name.is_ascii() {
            return fault(InvalidDomain::NotAscii);
        }
        if name.len() > limits::DOMAIN_BYTES || !name.split('.').all(is_label) {
            return fault(InvalidDomain::NotAName);
        }
        match name.contains('.') {
            true => Ok(Self(name)),
            false => fault(InvalidDomain::NoDot),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Whether somebody could read it as an address: what ends in a number is one, in any of the ways
/// that IPv4 addresses are written.
fn is_address(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let hexadecimal = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(hexadecimal);
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    is_number || bare.parse::<std::net::Ipv6Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_letters_digits_hyphens_and_dots() {
        for (text, expected) in [
            ("example.com", "example.com"),
            ("*.example.com", "example.com"),
            (".example.com", "example.com"),
            ("API.Example.COM.", "api.example.com"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("4.example", "4.example"),
            ("a-b.0x.example", "a-b.0x.example"),
        ] {
            let name = DomainName::parse_covering(text).expect(text);
            assert_eq!(name.as_str(), expected, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_is_wrong() {
        use InvalidDomain::{Address, MoreThanAName, NoDot, NotAName, NotAscii, Wildcard};
        let long = format!("{}.example", "a".repeat(64));
        let deep = format!("{}example", "a.".repeat(130));
        type Kind = fn(String) -> InvalidDomain;
        let cases: [(&str, Kind); 26] = [
            ("https://example.com", MoreThanAName),
            ("example.com:443", MoreThanAName),
            ("example.com/path", MoreThanAName),
            ("user@example.com", MoreThanAName),
            ("a.*.example.com", Wildcard),
            ("*", Wildcard),
            ("**.example.com", Wildcard),
            ("1.2.3.4", Address),
            ("127.1", Address),
            ("2130706433", Address),
            ("0x7f.0x1", Address),
            ("0177.0.0.1", Address),
            ("::1", Address),
            ("[::1]", Address),
            ("bücher.example", NotAscii),
            // A letter that only looks like an `a`.
            ("ex\u{430}mple.com", NotAscii),
            ("com", NoDot),
            ("localhost", NoDot),
            ("", NotAName),
            ("*.", NotAName),
            ("a..example.com", NotAName),
            ("-a.example.com", NotAName),
            ("a_b.example.com", NotAName),
            ("exam ple.com", NotAName),
            (&long, NotAName),
            (&deep, NotAName),
        ];
        for (text, kind) in cases {
            let expected = Err(kind(text.to_owned()));
            assert_eq!(DomainName::parse_covering(text), expected, "{text}");
        }
        let exact = DomainName::parse("*.example.com");
        assert_eq!(exact, Err(Wildcard("*.example.com".to_owned())));
    }

    #[test]
    fn rules_have_bounds_and_do_not_contradict_each_other() {
        let rules = NetworkRules::default;
        assert_eq!(rules().check(), Ok(()));
        let domain = |number| DomainName::parse(&format!("d{number}.example")).expect("a name");
        let field = |rules: NetworkRules| rules.check().map_err(|(field, _)| field);
        let many = NetworkRules {
            allow: (0..=limits::ALLOWED_DOMAINS).map(domain).collect(),
            ..rules()
        };
        assert_eq!(field(many), Err("network.allow"));
        let most = u16::try_from(limits::NETWORK_PORTS).expect("few");
        for ports in [
            BTreeSet::new(),
            BTreeSet::from([0, 80]),
            (1..=most + 1).collect(),
        ] {
            let rules = NetworkRules { ports, ..rules() };
            assert_eq!(field(rules), Err("network.ports"));
        }
        let unseen = NetworkRules {
            methods: Methods::ReadOnly,
            tls: Tls::Tunnel,
            ..rules()
        };
        assert_eq!(field(unseen.clone()), Err("network.methods"));
        assert!(AgentNetwork::On(unseen).refuses_injections().is_some());
        assert_eq!(AgentNetwork::On(rules()).refuses_injections(), None);
        assert_eq!(AgentNetwork::Off.refuses_injections(), None);
    }

    #[test]
    fn every_name_reads_back() {
        for one in Preset::ALL {
            assert_eq!(Preset::parse(one.as_str()), Some(*one));
        }
        for one in Methods::ALL {
            assert_eq!(Methods::parse(one.as_str()), Some(*one));
        }
        for one in Tls::ALL {
            assert_eq!(Tls::parse(one.as_str()), Some(*one));
        }
        assert_eq!(Preset::parse("some"), None);
    }
}
