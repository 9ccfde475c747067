//! Address of a repository, checked when it is parsed.

use crate::names::is_deceptive;
use std::fmt;

/// Why an address was refused. The text is for the user and never repeats a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("repository address is not valid: {reason}")]
pub struct InvalidUrl {
    reason: &'static str,
}

impl InvalidUrl {
    pub(crate) const fn of(reason: &'static str) -> Self {
        Self { reason }
    }
}

/// How git reaches the repository: the only protocol that a call for this address may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Protocol {
    Https,
    Http,
    Ssh,
    Git,
    File,
}

impl Protocol {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Ssh => "ssh",
            Self::Git => "git",
            Self::File => "file",
        }
    }
}

/// An `https`, `http`, `ssh`, `git` or `file` address, an scp-like `user@host:path`, or an absolute local path.
///
/// `Display` and `Debug` never show the user part; [`RepoUrl::as_str`] is the address as git needs it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RepoUrl {
    text: String,
    display: String,
    protocol: Protocol,
}

const ADVICE_CREDENTIALS: &str = "it holds a password or token; remove it from the address and give the credential to Outwork instead";
const ADVICE_FORM: &str = "give https://host/path, ssh://user@host/path, user@host:path, file:///path or an absolute path";

/// Beginnings of access tokens that people put where the user name goes.
const TOKEN_PREFIXES: [&str; 8] = [
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "gldt-",
    "ATCTT",
];

impl RepoUrl {
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let refuse = |reason| Err(InvalidUrl { reason });
        if text.is_empty() {
            return refuse(
                "it is empty; give https://host/path, user@host:path or an absolute path",
            );
        }
        if text.len() > 2048 {
            return refuse("it is longer than 2048 bytes");
        }
        if text.starts_with('-') {
            return refuse("it begins with '-'");
        }
        if text.chars().any(is_deceptive) {
            return refuse("it holds a control, invisible or unusual space character");
        }
        if text.starts_with('/') {
            return Self::local(text, text);
        }
        let is_file = text
            .get(..7)
            .is_some_and(|start| start.eq_ignore_ascii_case("file://"));
        if !is_file && text.contains([' ', '\\']) {
            return refuse("it holds a space or a backslash");
        }
        match text.split_once("://") {
            Some((scheme, rest)) => Self::with_scheme(scheme, rest),
            None => Self::scp_like(text),
        }
    }

    fn local(text: &str, path: &str) -> Result<Self, InvalidUrl> {
        refuse_dot_dot(path)?;
        Ok(Self {
            text: text.to_owned(),
            display: text.to_owned(),
            protocol: Protocol::File,
        })
    }

    fn with_scheme(scheme: &str, rest: &str) -> Result<Self, InvalidUrl> {
        let protocol = match scheme.to_ascii_lowercase().as_str() {
            "https" => Protocol::Https,
            "http" => Protocol::Http,
            "ssh" | "git+ssh" | "ssh+git" => Protocol::Ssh,
            "git" => Protocol::Git,
            "file" => Protocol::File,
            _ => {
                return Err(InvalidUrl {
                    reason: "its protocol is none of https, http, ssh, git, file",
                });
            }
        };
        if protocol == Protocol::File {
            let path = rest.strip_prefix("localhost").unwrap_or(rest);
            if !path.starts_with('/') {
                return Err(InvalidUrl {
                    reason: "a file address needs three slashes: file:///path",
                });
            }
            let text = format!("file://{path}");
            return Self::local(&text, path);
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = split_user(authority);
        check_user(user, protocol)?;
        check_host(host)?;
        refuse_dot_dot(path)?;
        if path.is_empty() {
            return Err(InvalidUrl {
                reason: "it names a host but no repository",
            });
        }
        let name = protocol.as_str();
        let at = user.map(|user| format!("{user}@")).unwrap_or_default();
        Ok(Self {
            text: format!("{name}://{at}{host}/{path}"),
            display: format!("{name}://{host}/{path}"),
            protocol,
        })
    }

    fn scp_like(text: &str) -> Result<Self, InvalidUrl> {
        let Some((authority, path)) = text.split_once(':') else {
            return Err(InvalidUrl {
                reason: ADVICE_FORM,
            });
        };
        if path.starts_with(':') {
            return Err(InvalidUrl {
                reason: "remote helpers (name::address) are not allowed",
            });
        }
        if authority.contains('/') {
            return Err(InvalidUrl {
                reason: ADVICE_FORM,
            });
        }
        let (user, host) = split_user(authority);
        if path.contains('@') && user.is_none() {
            // user:password@host:path
            return Err(InvalidUrl {
                reason: ADVICE_CREDENTIALS,
            });
        }
        check_user(user, Protocol::Ssh)?;
        check_host(host)?;
        refuse_dot_dot(path)?;
        if path.is_empty() || path.starts_with('-') || host.contains(':') {
            return Err(InvalidUrl {
                reason: "the path after ':' is empty or begins with '-'",
            });
        }
        Ok(Self {
            text: text.to_owned(),
            display: format!("{host}:{path}"),
            protocol: Protocol::Ssh,
        })
    }

    /// The address as git needs it. May hold a user name, never a password.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Host, and port if one is named, in small letters and without a user: what a credential is stored for. None for an address of this
    /// machine's files.
    pub fn authority(&self) -> Option<String> {
        let authority = self.authority_with_user()?;
        Some(split_user(authority).1.to_ascii_lowercase())
    }

    /// The user of the address, as it is written there.
    pub fn user(&self) -> Option<&str> {
        split_user(self.authority_with_user()?).0
    }

    pub(crate) fn has_user(&self) -> bool {
        self.user().is_some()
    }

    fn authority_with_user(&self) -> Option<&str> {
        if self.protocol == Protocol::File {
            return None;
        }
        match self.text.split_once("://") {
            Some((_, rest)) => rest.split('/').next(),
            None => self.text.split(':').next(),
        }
    }

    /// Whether the host is this machine, whatever a resolver says.
    pub fn is_loopback(&self) -> bool {
        let authority = self.authority().unwrap_or_default();
        let host = match authority.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        };
        let address = host.parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// The folder, when the address is one of this machine.
    pub(crate) fn local_path(&self) -> Option<&std::path::Path> {
        let path = self.text.strip_prefix("file://").unwrap_or(&self.text);
        (self.protocol == Protocol::File).then(|| std::path::Path::new(path))
    }
}

fn split_user(authority: &str) -> (Option<&str>, &str) {
    match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    }
}

fn check_user(user: Option<&str>, protocol: Protocol) -> Result<(), InvalidUrl> {
    let Some(user) = user else { return Ok(()) };
    let over_http = matches!(protocol, Protocol::Https | Protocol::Http);
    let token = TOKEN_PREFIXES.iter().any(|prefix| user.starts_with(prefix))
        || (over_http && user.len() > 30);
    if user.contains([':', '@']) || user.to_ascii_lowercase().contains("%3a") || token {
        return Err(InvalidUrl {
            reason: ADVICE_CREDENTIALS,
        });
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-+%".contains(&b);
    if user.is_empty() || user.starts_with('-') || !user.bytes().all(plain) {
        return Err(InvalidUrl {
            reason: "the user name before '@' holds characters that are not allowed",
        });
    }
    Ok(())
}

fn check_host(host: &str) -> Result<(), InvalidUrl> {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address, None),
        Some((address, port)) => (address, Some(port.strip_prefix(':').unwrap_or("x"))),
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    let bracketed = host.starts_with('[');
    let plain =
        |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b) || (bracketed && b == b':');
    if name.is_empty() || name.starts_with('-') || !name.bytes().all(plain) {
        return Err(InvalidUrl {
            reason: "its host name is empty or holds characters that are not allowed",
        });
    }
    match port {
        Some(port) if port.parse::<u16>().is_err() => Err(InvalidUrl {
            reason: "its port is not a number from 0 to 65535",
        }),
        _ => Ok(()),
    }
}

fn refuse_dot_dot(path: &str) -> Result<(), InvalidUrl> {
    let lower = path.to_ascii_lowercase();
    let encoded_control = lower
        .match_indices('%')
        .any(|(at, _)| matches!(lower.as_bytes().get(at + 1), Some(b'0' | b'1')));
    if encoded_control || lower.contains("%7f") {
        return Err(InvalidUrl {
            reason: "it holds an encoded control character",
        });
    }
    if path
        .split('/')
        .any(|part| part.to_ascii_lowercase().replace("%2e", ".") == "..")
    {
        return Err(InvalidUrl {
            reason: "it holds '..'; give the path without it",
        });
    }
    Ok(())
}

impl fmt::Display for RepoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.display)
    }
}

impl fmt::Debug for RepoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RepoUrl({})", self.display)
    }
}
