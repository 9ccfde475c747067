//! Headers that the worker's proxy puts into an agent's requests, so that the agent can use a
//! credential that it never sees.

use std::fmt;

use crate::limits;
use crate::network::{DomainName, InvalidDomain};
use crate::time::Timestamp;

/// Where a credential goes: into this header of requests to exactly this host, over TLS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InjectionTarget {
    /// The host; not its subdomains, which may be other people's.
    pub host: DomainName,
    /// The header, in small letters.
    pub header: HeaderName,
}

/// An injection without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    /// Where it goes.
    pub target: InjectionTarget,
    /// When its value was last set.
    pub updated_at: Timestamp,
}

/// The name of a header that may be put in, in small letters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeaderName(String);

/// Headers that say where a request goes or how long it is: with another value of ours, proxy and
/// server would not read the same request.
const FRAMING: [&str; 13] = [
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// The same, by how their names begin.
const FRAMING_PREFIXES: [&str; 2] = ["proxy-", "sec-websocket-"];

/// What is wrong with an injection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInjection {
    /// The host.
    #[error(transparent)]
    Host(InvalidDomain),
    /// The header is no name.
    #[error(
        "`{0}` is not the name of a header: use letters, digits and `-`, such as authorization"
    )]
    Header(String),
    /// The header is not ours to set.
    #[error(
        "`{0}` says how a request is sent, and cannot be put in; choose another header, such as authorization"
    )]
    Framing(String),
    /// The value.
    #[error(
        "the value must be 1 to {} printable ASCII characters, without spaces around it",
        limits::INJECTION_BYTES
    )]
    Value,
}

impl InjectionTarget {
    /// Reads where a credential goes.
    pub fn parse(host: &str, header: &str) -> Result<Self, InvalidInjection> {
        Ok(Self {
            host: DomainName::parse(host).map_err(InvalidInjection::Host)?,
            header: HeaderName::parse(header)?,
        })
    }
}

impl HeaderName {
    /// Reads the name of a header that may be put in.
    pub fn parse(text: &str) -> Result<Self, InvalidInjection> {
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if !(1..=limits::HEADER_NAME_BYTES).contains(&text.len()) || !text.bytes().all(is_token) {
            return Err(InvalidInjection::Header(text.to_owned()));
        }
        let name = text.to_ascii_lowercase();
        let is_prefixed = FRAMING_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix));
        if is_prefixed || FRAMING.contains(&name.as_str()) {
            return Err(InvalidInjection::Framing(text.to_owned()));
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks the value of an injection: one line that every server reads in the same way.
pub fn check_injection_value(value: &str) -> Result<(), InvalidInjection> {
    let is_line = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let has_length = (1..=limits::INJECTION_BYTES).contains(&value.len());
    match is_line && has_length && value.trim() == value {
        true => Ok(()),
        false => Err(InvalidInjection::Value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_token_that_does_not_frame_the_request() {
        let read = |text: &str| HeaderName::parse(text).map(|name| name.0);
        assert_eq!(read("Authorization"), Ok("authorization".to_owned()));
        assert_eq!(read("X-Api-Key"), Ok("x-api-key".to_owned()));
        for text in [
            "",
            "a b",
            "a:b",
            ":authority",
            "a\r\nb",
            "ä",
            &"a".repeat(101),
        ] {
            let expected = Err(InvalidInjection::Header(text.to_owned()));
            assert_eq!(read(text), expected, "{text:?}");
        }
        for text in [
            "Host",
            "Content-Length",
            "Transfer-Encoding",
            "connection",
            "Upgrade",
            "Proxy-Authorization",
            "Sec-WebSocket-Key",
        ] {
            let expected = Err(InvalidInjection::Framing(text.to_owned()));
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn a_value_is_one_printable_line() {
        let longest = "x".repeat(limits::INJECTION_BYTES);
        for value in ["Bearer a-b_c.d=", "x", longest.as_str()] {
            assert_eq!(check_injection_value(value), Ok(()), "{value:?}");
        }
        let too_long = format!("{longest}x");
        for value in [
            "",
            " x",
            "x ",
            "a\nb",
            "a\r\nHost: b",
            "a\0",
            "a\tb",
            "\u{7f}",
            "ü",
            &too_long,
        ] {
            assert_eq!(
                check_injection_value(value),
                Err(InvalidInjection::Value),
                "{value:?}"
            );
        }
    }

    #[test]
    fn a_host_is_meant_exactly() {
        assert!(InjectionTarget::parse("api.example.com", "authorization").is_ok());
        for host in [
            "*.example.com",
            ".example.com",
            "com",
            "1.2.3.4",
            "a.example:443",
        ] {
            let target = InjectionTarget::parse(host, "authorization");
            assert!(matches!(target, Err(InvalidInjection::Host(_))), "{host}");
        }
    }
}
