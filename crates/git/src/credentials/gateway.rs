//! Reading through a gateway: git asks it in place of the repository's own server, with a token that is good for nothing else. And the other
//! side of that: what a gateway sends to the repository's server, and says to git when it cannot hand it out.

use super::{Credentials, Token, Username, usual_username};
use crate::url::{InvalidUrl, Protocol, RepoUrl};

/// The user name of the gateway's tokens; nobody looks at it.
const USERNAME: &str = "lease";
/// What git puts before each line of an error's text.
const REMOTE: &str = "remote: ";
/// Begins the line that is read again; the code and its argument follow, up to the bracket.
const MARK: &str = "outwork[";

/// User name and password for HTTP's Basic authentication.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// May be empty.
    pub username: String,
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(****)")
    }
}

impl Credentials {
    /// A gateway at that address, which hands out one repository for that token. Over http the token is sent, too: a worker's own goes the
    /// same way.
    ///
    /// # Errors
    /// The address is none of http or https, or holds what a setting of git would take apart.
    pub fn gateway(address: &str, token: &str) -> Result<Self, InvalidUrl> {
        let address = RepoUrl::parse(address)?;
        match address.protocol() {
            Protocol::Https | Protocol::Http if !address.as_str().contains('=') => {}
            Protocol::Https | Protocol::Http => {
                return Err(InvalidUrl::of("a gateway's address holds '='"));
            }
            Protocol::Ssh | Protocol::Git | Protocol::File => {
                return Err(InvalidUrl::of("a gateway is reached by http or https"));
            }
        }
        Ok(Self::Gateway {
            address,
            token: Token(token.to_owned()),
        })
    }

    /// What git sends for that address, for whoever speaks to its server in git's place; `None` where nothing may be sent (see
    /// [`Credentials`]).
    pub fn login(&self, url: &RepoUrl) -> Option<Login> {
        let Self::Token { username, token } = self else {
            return None;
        };
        match url.protocol() {
            Protocol::Https => {}
            Protocol::Http if url.is_loopback() => {}
            Protocol::Http | Protocol::Ssh | Protocol::Git | Protocol::File => return None,
        }
        let username = match (username, url.user()) {
            (Some(Username(name)), _) => name.clone(),
            (None, Some(name)) => percent_decoded(name),
            (None, None) => usual_username(url, token).to_owned(),
        };
        Some(Login {
            username,
            password: token.0.clone(),
        })
    }

    pub(super) fn gateway_username() -> Username {
        Username(USERNAME.to_owned())
    }

    /// By what git reaches the repository.
    pub(crate) fn protocol(&self, url: &RepoUrl) -> Protocol {
        match self {
            Self::Gateway { address, token: _ } => address.protocol(),
            Self::None | Self::Token { .. } | Self::SshKey { .. } => url.protocol(),
        }
    }
}

/// What is no escape stays as it is.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escape = after.get(..2).and_then(|two| {
            let two = std::str::from_utf8(two).ok()?;
            u8::from_str_radix(two, 16).ok()
        });
        match (byte, escape) {
            (b'%', Some(decoded)) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            (byte, _) => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Why a gateway does not hand a repository out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Its server refuses the stored credential.
    Denied,
    /// Its server says that there is none.
    NotFound,
    /// Its server cannot be reached.
    Unreachable,
    /// Its server did not answer in that time.
    TimedOut { limit_ms: u64 },
    /// Its server sends readers to that host.
    Redirected { to: String },
    /// Its server answers with that status, which may pass.
    Failing { status: u16 },
    /// What answers is no git server.
    NotGit,
    /// The host is at that address, where the gateway does not go.
    Address { address: String },
    /// A token is not sent there: it would go in plain.
    Plain,
    /// No credential is stored for it any more.
    NoCredential,
    /// The claim that the token belongs to does not hold the attempt.
    NotHeld,
    /// The gateway reads only.
    ReadOnly,
    /// The gateway itself cannot, for now.
    Unavailable,
}

impl Trouble {
    /// One line for the body of an answer (`text/plain`, so that git shows it): what [`Trouble::said`] reads, and a sentence for people.
    pub fn line(&self) -> String {
        let (code, argument, sentence) = self.parts();
        let argument = argument.map(|text| format!(" {text}")).unwrap_or_default();
        format!("{MARK}{code}{argument}]: {sentence}\n")
    }

    fn parts(&self) -> (&'static str, Option<String>, &'static str) {
        let plain = |code, sentence| (code, None, sentence);
        match self {
            Self::Denied => plain(
                "denied",
                "the repository's server refuses the stored credential",
            ),
            Self::NotFound => plain(
                "not-found",
                "the repository's server knows no such repository",
            ),
            Self::Unreachable => plain("unreachable", "the repository's server cannot be reached"),
            Self::TimedOut { limit_ms } => (
                "timed-out",
                Some(limit_ms.to_string()),
                "the repository's server did not answer in so many milliseconds",
            ),
            Self::Redirected { to } => (
                "redirected",
                Some(to.clone()),
                "the repository's server sends readers to that host, which the credential is not for",
            ),
            Self::Failing { status } => (
                "failing",
                Some(status.to_string()),
                "the repository's server answers with that status",
            ),
            Self::NotGit => plain("not-git", "what answers is no git server of the smart kind"),
            Self::Address { address } => (
                "address",
                Some(address.clone()),
                "the repository's host is at that address, which this server may not go to",
            ),
            Self::Plain => plain("plain", "a token is sent over https only"),
            Self::NoCredential => plain(
                "no-credential",
                "no credential is stored for the repository any more",
            ),
            Self::NotHeld => plain(
                "not-held",
                "the claim of this token does not hold the attempt",
            ),
            Self::ReadOnly => plain("read-only", "repositories are only read here"),
            Self::Unavailable => plain("unavailable", "this server cannot do that now"),
        }
    }

    /// What a gateway said, from what git wrote to standard error.
    pub(crate) fn said(stderr: &str) -> Option<Self> {
        let lines = stderr.lines().filter_map(|line| line.strip_prefix(REMOTE));
        let marked = lines.filter_map(|line| line.trim_start().strip_prefix(MARK));
        marked
            .filter_map(|line| line.split("]: ").next())
            .find_map(Self::parse)
    }

    fn parse(text: &str) -> Option<Self> {
        let (code, argument) = text.split_once(' ').unwrap_or((text, ""));
        Some(match code {
            "denied" => Self::Denied,
            "not-found" => Self::NotFound,
            "unreachable" => Self::Unreachable,
            "timed-out" => Self::TimedOut {
                limit_ms: argument.parse().ok()?,
            },
            "redirected" => Self::Redirected {
                to: argument.to_owned(),
            },
            "failing" => Self::Failing {
                status: argument.parse().ok()?,
            },
            "not-git" => Self::NotGit,
            "address" => Self::Address {
                address: argument.to_owned(),
            },
            "plain" => Self::Plain,
            "no-credential" => Self::NoCredential,
            "not-held" => Self::NotHeld,
            "read-only" => Self::ReadOnly,
            "unavailable" => Self::Unavailable,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_gateway_says_is_read_again() {
        let all = [
            Trouble::Denied,
            Trouble::NotFound,
            Trouble::Unreachable,
            Trouble::TimedOut { limit_ms: 120_000 },
            Trouble::Redirected {
                to: "[::1]:8443".to_owned(),
            },
            Trouble::Failing { status: 503 },
            Trouble::NotGit,
            Trouble::Address {
                address: "169.254.169.254".to_owned(),
            },
            Trouble::Plain,
            Trouble::NoCredential,
            Trouble::NotHeld,
            Trouble::ReadOnly,
            Trouble::Unavailable,
        ];
        for trouble in all {
            let stderr = format!("warning: x\n{REMOTE}{}fatal: y", trouble.line());
            assert_eq!(Trouble::said(&stderr), Some(trouble.clone()), "{stderr}");
            // A repository's own server may say anything, but not as git itself.
            assert_eq!(Trouble::said(&trouble.line()), None);
        }
        assert_eq!(Trouble::said("remote: outwork[new-word]: x"), None);
    }

    #[test]
    fn a_login_is_what_git_would_send() {
        let login = |url: &str, username| {
            let credentials = Credentials::token(username, "t").expect("a token");
            credentials
                .login(&RepoUrl::parse(url).expect("an address"))
                .map(|login| login.username)
        };
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(login("https://h/a", None), some("x-access-token"));
        assert_eq!(login("https://bitbucket.org/a", None), some("x-token-auth"));
        assert_eq!(login("https://b%20ob@h/a", None), some("b ob"));
        assert_eq!(login("https://bob@h/a", Some("ada")), some("ada"));
        assert_eq!(login("http://127.0.0.1:1/a", None), some("x-access-token"));
        assert_eq!(login("http://h/a", None), None);
        assert_eq!(login("ssh://h/a", None), None);
        let none = Credentials::None.login(&RepoUrl::parse("https://h/a").expect("an address"));
        assert_eq!(none, None);
    }

    #[test]
    fn a_gateway_is_http_and_prints_no_token() {
        for address in ["ssh://h/a", "/a", "https://h/a=b", "h:a"] {
            assert!(Credentials::gateway(address, "t").is_err(), "{address}");
        }
        let made = Credentials::gateway("http://10.0.0.1:7420/a", "canary").expect("a gateway");
        assert!(!format!("{made:?}").contains("canary"));
    }
}
