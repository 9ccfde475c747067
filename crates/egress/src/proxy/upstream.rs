//! The operator's own proxy, for a worker that cannot reach the Internet itself.

use std::fmt;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::policy::target::{Host, Target};

/// Which proxies the worker's machine itself must use. The default is none.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UpstreamProxies {
    http: Option<UpstreamProxy>,
    https: Option<UpstreamProxy>,
    bypass: Vec<Bypass>,
}

/// One proxy. `Debug` does not show the password.
#[derive(Clone, Serialize, Deserialize)]
pub struct UpstreamProxy {
    pub(super) host: String,
    pub(super) port: u16,
    authorization: Option<String>,
}

/// Which variable of the operator is wrong, and why.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{variable} {reason}")]
pub struct UpstreamProxyError {
    variable: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Bypass {
    Everything,
    /// The name itself and all below it.
    Domain(String, Option<u16>),
    Network(IpNet, Option<u16>),
}

impl UpstreamProxies {
    /// Takes the values of `http_proxy`, `https_proxy` and `no_proxy` in their usual forms: `http://[user:password@]host[:port]`, and names,
    /// addresses and networks with commas between them, or `*`. An empty value is none.
    ///
    /// # Errors
    /// A proxy that is no `http://` address: others are refused rather than ignored.
    pub fn parse(
        http_proxy: Option<&str>,
        https_proxy: Option<&str>,
        no_proxy: Option<&str>,
    ) -> Result<Self, UpstreamProxyError> {
        let proxy = |variable, value: Option<&str>| match value.map(str::trim) {
            None | Some("") => Ok(None),
            Some(value) => UpstreamProxy::parse(value)
                .map(Some)
                .map_err(|reason| UpstreamProxyError { variable, reason }),
        };
        let bypass = no_proxy.unwrap_or_default().split([',', ' ']);
        Ok(Self {
            http: proxy("http_proxy", http_proxy)?,
            https: proxy("https_proxy", https_proxy)?,
            bypass: bypass.filter_map(Bypass::parse).collect(),
        })
    }

    pub(super) fn for_http(&self, target: &Target) -> Option<&UpstreamProxy> {
        self.unless_bypassed(self.http.as_ref(), target)
    }

    pub(super) fn for_tunnel(&self, target: &Target) -> Option<&UpstreamProxy> {
        self.unless_bypassed(self.https.as_ref(), target)
    }

    fn unless_bypassed<'a>(
        &self,
        proxy: Option<&'a UpstreamProxy>,
        target: &Target,
    ) -> Option<&'a UpstreamProxy> {
        proxy.filter(|_| !self.bypass.iter().any(|bypass| bypass.covers(target)))
    }
}

impl UpstreamProxy {
    fn parse(value: &str) -> Result<Self, &'static str> {
        const FORM: &str = "is no proxy's address; give http://host:port";
        let value = match value.contains("://") {
            true => value.to_owned(),
            false => format!("http://{value}"),
        };
        let url = Url::parse(&value).map_err(|_| FORM)?;
        if url.scheme() != "http" {
            return Err("is a proxy that is not reached by http://; give one that is");
        }
        let host = url.host_str().ok_or(FORM)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let has_user = !url.username().is_empty() || url.password().is_some();
        let authorization = has_user.then(|| {
            let user = percent_decode(url.username());
            let password = percent_decode(url.password().unwrap_or_default());
            let plain = [&user[..], b":", &password].concat();
            format!("Basic {}", STANDARD.encode(plain))
        });
        Ok(Self {
            host: host.to_owned(),
            port: url.port_or_known_default().ok_or(FORM)?,
            authorization,
        })
    }
}

impl UpstreamProxy {
    /// A header line, or nothing if it needs no password.
    pub(super) fn authorization_line(&self) -> String {
        let value = self.authorization.as_ref();
        value.map_or_else(String::new, |value| {
            format!("proxy-authorization: {value}\r\n")
        })
    }
}

/// What is no `%` and two digits stays as it is.
fn percent_decode(text: &str) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = after.split_at_checked(2).and_then(|(digits, after)| {
            let digits = str::from_utf8(digits).ok()?;
            let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            let byte = u8::from_str_radix(digits, 16).ok()?;
            plain.then_some((byte, after))
        });
        (rest, _) = match escaped {
            Some((byte, after)) if *first == b'%' => (after, decoded.push(byte)),
            _ => (after, decoded.push(*first)),
        };
    }
    decoded
}

impl Bypass {
    fn parse(entry: &str) -> Option<Self> {
        let entry = entry.trim().to_ascii_lowercase();
        if entry == "*" {
            return Some(Self::Everything);
        }
        if let Some(network) = network(&entry) {
            return Some(Self::Network(network, None));
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (entry.as_str(), None),
        };
        let plain = host.trim_start_matches('[').trim_end_matches(']');
        if let Some(network) = network(plain) {
            return Some(Self::Network(network, port));
        }
        let domain = host.trim_start_matches("*.").trim_matches('.');
        (!domain.is_empty()).then(|| Self::Domain(domain.to_owned(), port))
    }

    fn covers(&self, target: &Target) -> bool {
        let at = |port: &Option<u16>| port.is_none_or(|port| port == target.port);
        match (self, &target.host) {
            (Self::Everything, _) => true,
            (Self::Domain(domain, port), Host::Name(name)) => {
                let above = name.as_str().strip_suffix(domain.as_str());
                at(port) && above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
            }
            (Self::Network(network, port), Host::Address(address)) => {
                at(port) && network.contains(address)
            }
            (Self::Domain(..), Host::Address(_)) | (Self::Network(..), Host::Name(_)) => false,
        }
    }
}

fn network(text: &str) -> Option<IpNet> {
    let single = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(single)
}

impl fmt::Display for UpstreamProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for UpstreamProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.authorization.as_ref().map_or("", |_| "****@");
        write!(f, "UpstreamProxy({user}{self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Target {
        Target::parse(text, None).expect("a target")
    }

    #[test]
    fn the_usual_forms_of_a_proxy() {
        let proxy = |text| UpstreamProxy::parse(text).expect(text);
        assert_eq!(
            proxy("http://proxy.corp:3128/").to_string(),
            "proxy.corp:3128"
        );
        assert_eq!(proxy("proxy.corp:8080").to_string(), "proxy.corp:8080");
        assert_eq!(proxy("http://[::1]").to_string(), "[::1]:80");
        let with_user = proxy("http://us%40er:p%3Aw%zz@proxy.corp:3128");
        let header = with_user.authorization.as_ref().expect("a header");
        assert_eq!(
            STANDARD.decode(&header.as_bytes()[6..]).expect("Base64"),
            b"us@er:p:w%zz"
        );
        assert_eq!(
            format!("{with_user:?}"),
            "UpstreamProxy(****@proxy.corp:3128)"
        );
        for text in ["https://proxy.corp", "socks5://proxy.corp", "http://"] {
            assert!(UpstreamProxy::parse(text).is_err(), "{text}");
        }
        let none = UpstreamProxies::parse(Some(""), None, None).expect("none");
        assert!(none.for_http(&target("a.example:80")).is_none());
    }

    #[test]
    fn what_goes_by_the_proxy() {
        let no_proxy = "localhost, .corp,*.lan,mirror.example:443,10.0.0.0/8,[fd00::]/8,::1,x:y";
        let proxies = UpstreamProxies::parse(
            Some("http://proxy.corp:3128"),
            Some("http://proxy.corp:3129"),
            Some(no_proxy),
        )
        .expect("proxies");
        for (text, direct) in [
            ("corp:80", true),
            ("a.corp:80", true),
            ("acorp:80", false),
            ("a.lan:443", true),
            ("mirror.example:443", true),
            ("sub.mirror.example:443", true),
            ("mirror.example:80", false),
            ("10.1.2.3:80", true),
            ("11.1.2.3:80", false),
            ("[::1]:80", true),
        ] {
            let target = target(text);
            assert_eq!(proxies.for_http(&target).is_none(), direct, "{text}");
            assert_eq!(proxies.for_tunnel(&target).is_none(), direct, "{text}");
        }
        let all = UpstreamProxies::parse(Some("http://p"), None, Some("*")).expect("proxies");
        assert!(all.for_http(&target("a.example:80")).is_none());
    }
}
