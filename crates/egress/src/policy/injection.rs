//! Credentials that the proxy adds to requests for one host.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::target::Name;

/// A header that requests for one host get, over TLS only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Injection {
    host: String,
    header: String,
    value: Secret,
    plain_http: bool,
}

/// A text that prints as `****`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// Why a credential cannot be added. Never says the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadInjection {
    #[error("the host of an injection is one whole host name, such as api.example.com")]
    Host,
    #[error("the header of an injection is one that carries credentials, such as authorization")]
    Header,
    #[error("the value of an injection is printable ASCII on one line")]
    Value,
}

/// Those that say where a request goes or how long it is: a credential in one of them would change what is asked.
const NEVER: [&str; 14] = [
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-proxy-error",
];

impl Injection {
    /// For exactly this host, not what is below it.
    ///
    /// # Errors
    /// A host, header or value that is none.
    pub fn new(host: &str, header: &str, value: Secret) -> Result<Self, BadInjection> {
        let host = Name::parse(host).map_err(|_| BadInjection::Host)?;
        let header = header.to_ascii_lowercase();
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if header.is_empty() || !header.bytes().all(is_token) || NEVER.contains(&header.as_str()) {
            return Err(BadInjection::Header);
        }
        let is_shown = |byte: u8| (0x20..0x7f).contains(&byte);
        if value.0.trim() != value.0 || value.0.is_empty() || !value.0.bytes().all(is_shown) {
            return Err(BadInjection::Value);
        }
        Ok(Self {
            host: host.as_str().to_owned(),
            header,
            value,
            plain_http: false,
        })
    }

    /// Also for `http://`, where everybody on the way can read it. For hosts of a closed network that have no TLS.
    pub fn over_plain_http(self) -> Self {
        Self {
            plain_http: true,
            ..self
        }
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    /// In lower case.
    pub fn header(&self) -> &str {
        &self.header
    }

    pub(crate) fn value(&self) -> &str {
        &self.value.0
    }

    pub(crate) fn is_plain_http(&self) -> bool {
        self.plain_http
    }
}

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// As it is sent to the proxy's process.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    host: String,
    header: String,
    value: Secret,
    plain_http: bool,
}

impl TryFrom<Written> for Injection {
    type Error = BadInjection;

    fn try_from(written: Written) -> Result<Self, BadInjection> {
        let Written {
            host,
            header,
            value,
            plain_http,
        } = written;
        let injection = Self::new(&host, &header, value)?;
        Ok(Self {
            plain_http,
            ..injection
        })
    }
}

impl From<Injection> for Written {
    fn from(injection: Injection) -> Self {
        let Injection {
            host,
            header,
            value,
            plain_http,
        } = injection;
        Self {
            host,
            header,
            value,
            plain_http,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_never_shown() {
        let injection = Injection::new("API.example.com.", "X-Api-Key", Secret::new("canary"));
        let injection = injection.expect("an injection");
        assert_eq!(
            (injection.host(), injection.header()),
            ("api.example.com", "x-api-key")
        );
        assert!(!format!("{injection:?}").contains("canary"));
        // A value of the wrong form is not in the error, either.
        let error = Injection::new(
            "api.example.com",
            "authorization",
            Secret::new("canary\r\nHost: x"),
        );
        assert_eq!(error, Err(BadInjection::Value));
        assert!(!BadInjection::Value.to_string().contains("canary"));
    }

    #[test]
    fn what_cannot_be_injected() {
        for host in [
            "",
            "*.example.com",
            "127.0.0.1",
            "https://example.com",
            "b\u{fc}cher.example",
        ] {
            let injection = Injection::new(host, "authorization", Secret::new("x"));
            assert_eq!(injection, Err(BadInjection::Host), "{host}");
        }
        for header in [
            "",
            "Host",
            "Content-Length",
            "a b",
            "a:b",
            "a\r\nb",
            "transfer-encoding",
        ] {
            let injection = Injection::new("example.com", header, Secret::new("x"));
            assert_eq!(injection, Err(BadInjection::Header), "{header}");
        }
        for value in ["", " x", "x\n", "x\0", "b\u{fc}"] {
            let injection = Injection::new("example.com", "authorization", Secret::new(value));
            assert_eq!(injection, Err(BadInjection::Value), "{value:?}");
        }
    }
}
