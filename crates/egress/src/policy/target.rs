//! Where a request wants to go, as the client spelled it: strict, since each spelling that two programs read differently is a way round a rule.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A name of letters, digits, `-` and `_`: lower case, without a final dot, and nothing that could be read as an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name(String);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Host {
    Name(Name),
    Address(IpAddr),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    pub(crate) host: Host,
    pub(crate) port: u16,
}

/// Why a spelling was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misspelled {
    #[error("it holds a user name")]
    User,
    #[error("its port is not a plain number from 1 to 65535")]
    Port,
    #[error("it names no port")]
    NoPort,
    #[error("its host name is empty, too long, or holds characters that no host name has")]
    Name,
    #[error("it looks like an IPv4 address and is not four plain decimal numbers")]
    Ipv4,
    #[error("what stands in brackets is not an IPv6 address")]
    Ipv6,
}

/// Names that lead to this machine or to a cloud's metadata service whatever the resolver says: the only check of a name that somebody else resolves.
const OWN_NAMES: [&str; 8] = [
    "localhost",
    "localhost.localdomain",
    "ip6-localhost",
    "ip6-loopback",
    "metadata",
    "metadata.goog",
    "metadata.google.internal",
    "instance-data",
];
const OWN_SUFFIXES: [&str; 4] = [
    ".localhost",
    ".localdomain",
    ".metadata.google.internal",
    ".ec2.internal",
];

impl Target {
    /// Parses `host:port`, `[v6]:port` or, with a default port, those without a port.
    pub(crate) fn parse(authority: &str, default_port: Option<u16>) -> Result<Self, Misspelled> {
        if authority.contains('@') {
            return Err(Misspelled::User);
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']').ok_or(Misspelled::Ipv6)?;
                let address: Ipv6Addr = address.parse().map_err(|_| Misspelled::Ipv6)?;
                let port = match port {
                    "" => None,
                    port => Some(port.strip_prefix(':').ok_or(Misspelled::Port)?),
                };
                (Host::Address(address.into()), port)
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (Host::parse(host)?, Some(port)),
                None => (Host::parse(authority)?, None),
            },
        };
        let port = match port {
            Some(port) => parse_port(port)?,
            None => default_port.ok_or(Misspelled::NoPort)?,
        };
        Ok(Self { host, port })
    }

    /// `host`, or `host:port` when the port is not `default_port`; as a `Host` header has it.
    pub(crate) fn authority(&self, default_port: u16) -> String {
        match self.port == default_port {
            true => self.host.to_string(),
            false => self.to_string(),
        }
    }
}

/// `u16::from_str` takes `+443`.
fn parse_port(text: &str) -> Result<u16, Misspelled> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    match text.parse() {
        Ok(port) if plain => Ok(port),
        _ => Err(Misspelled::Port),
    }
}

impl Host {
    fn parse(text: &str) -> Result<Self, Misspelled> {
        if ends_in_a_number(text) {
            let address: Result<Ipv4Addr, _> = text.parse();
            return Ok(Self::Address(address.map_err(|_| Misspelled::Ipv4)?.into()));
        }
        Name::parse(text).map(Self::Name)
    }
}

impl Name {
    pub(crate) fn parse(text: &str) -> Result<Self, Misspelled> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(plain);
        if text.len() > 253 || !text.split('.').all(label) {
            return Err(Misspelled::Name);
        }
        if ends_in_a_number(text) {
            return Err(Misspelled::Ipv4);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_own(&self) -> bool {
        OWN_NAMES.contains(&self.as_str())
            || OWN_SUFFIXES.iter().any(|suffix| self.0.ends_with(suffix))
    }
}

/// What `inet_aton`, and so most resolvers, may read as an IPv4 address: `127.1`, `0x7f.1`, `2130706433`, `0177.0.0.1`.
/// The rule is that of the URL standard: the last part is a number.
fn ends_in_a_number(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let last = text.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(&name.0),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, Misspelled> {
        Target::parse(text, None).map(|target| target.to_string())
    }

    #[test]
    fn one_spelling_of_each_name_and_address() {
        for (text, target) in [
            ("Mirror.Example:443", "mirror.example:443"),
            ("mirror.example.:80", "mirror.example:80"),
            ("a_b.xn--bcher-kva.example:1", "a_b.xn--bcher-kva.example:1"),
            ("127.0.0.1:443", "127.0.0.1:443"),
            ("[0:0:0:0:0:FFFF:7f00:1]:443", "[::ffff:127.0.0.1]:443"),
            ("[::1]:65535", "[::1]:65535"),
            ("1password.example:443", "1password.example:443"),
        ] {
            assert_eq!(parsed(text), Ok(target.to_owned()), "{text}");
        }
    }

    #[test]
    fn nothing_that_could_be_read_in_two_ways() {
        for (text, why) in [
            ("user@mirror.example:443", Misspelled::User),
            ("user:password@mirror.example:443", Misspelled::User),
            ("mirror.example", Misspelled::NoPort),
            ("mirror.example:", Misspelled::Port),
            ("mirror.example:0", Misspelled::Port),
            ("mirror.example:+443", Misspelled::Port),
            ("mirror.example:0443", Misspelled::Port),
            ("mirror.example:65979", Misspelled::Port),
            ("mirror.example:443:443", Misspelled::Port),
            ("[::1]443", Misspelled::Port),
            ("::1:443", Misspelled::Name),
            (":443", Misspelled::Name),
            (".:443", Misspelled::Name),
            ("mirror..example:443", Misspelled::Name),
            ("mirror.example..:443", Misspelled::Name),
            ("mirror%2eexample:443", Misspelled::Name),
            ("b\u{fc}cher.example:443", Misspelled::Name),
            ("\u{2488}\u{2488}\u{2488}:443", Misspelled::Name),
            ("127\u{3002}0\u{3002}0\u{3002}1:443", Misspelled::Name),
            ("mirror.example\\@other:443", Misspelled::User),
            ("2130706433:443", Misspelled::Ipv4),
            ("0x7f000001:443", Misspelled::Ipv4),
            ("0X7F.1:443", Misspelled::Ipv4),
            ("0x:443", Misspelled::Ipv4),
            ("017700000001:443", Misspelled::Ipv4),
            ("0177.0.0.1:443", Misspelled::Ipv4),
            ("127.1:443", Misspelled::Ipv4),
            ("127.0.1:443", Misspelled::Ipv4),
            ("127.0.0.1.:443", Misspelled::Ipv4),
            ("127.0.0.0x1:443", Misspelled::Ipv4),
            ("127.0.0.01:443", Misspelled::Ipv4),
            ("256.0.0.1:443", Misspelled::Ipv4),
            ("1.2.3.4.5:443", Misspelled::Ipv4),
            ("name.1:443", Misspelled::Ipv4),
            ("[::1%lo]:443", Misspelled::Ipv6),
            ("[127.0.0.1]:443", Misspelled::Ipv6),
            ("[::1:443", Misspelled::Ipv6),
            ("[v1.a]:443", Misspelled::Ipv6),
        ] {
            assert_eq!(parsed(text), Err(why), "{text}");
        }
        let long = format!("{}.example:443", "a".repeat(64));
        assert_eq!(parsed(&long), Err(Misspelled::Name));
        let long = format!("{}example:443", "a.".repeat(124));
        assert_eq!(parsed(&long), Err(Misspelled::Name));
    }

    #[test]
    fn names_of_this_machine() {
        let own = |text| Name::parse(text).expect("a name").is_own();
        for name in ["LocalHost.", "x.localhost", "Metadata.Google.Internal"] {
            assert!(own(name), "{name}");
        }
        for name in ["notlocalhost", "metadata.example", "localhost.example"] {
            assert!(!own(name), "{name}");
        }
    }
}
