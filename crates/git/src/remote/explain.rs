//! What git says when a repository cannot be reached or read, and what to do about it.

use super::{ResolveError, through_gateway};
use crate::credentials::{Credentials, Unusable};
use crate::process::GitError;
use crate::url::{Protocol, RepoUrl};
use std::fmt;

/// With what a repository was asked for that is not there. Servers say "not found" of what may not be seen, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A folder of this machine.
    Here,
    WithoutCredential(CredentialHint),
    /// `host`: the one that the credential is stored for.
    WithCredential {
        host: String,
    },
}

/// Why a repository may not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// A folder of this machine that another user owns, or that is closed.
    Files,
    /// There is no credential for it.
    NoCredential(CredentialHint),
    /// There is one, and the server does not take it.
    Credential(CredentialHint),
    /// The server's ssh key is another than the one known.
    HostKeyChanged { host: String },
    /// Known hosts are stored with the credential, and this is none of them.
    HostKeyUnknown { host: String },
    /// No credential is stored, and the user that runs Outwork does not know the server's ssh key.
    HostKeyUnasked(CredentialHint),
    /// The server sends readers to another one, which wants a credential of its own.
    Redirected { host: String, to: String },
    /// The credential was not sent.
    NotSent { why: String },
    /// The host is at an address that Outwork's server may not go to.
    Address { address: String },
}

/// How a credential is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialHint {
    host: String,
    option: &'static str,
}

impl CredentialHint {
    pub(super) fn of(url: &RepoUrl) -> Self {
        let option = match url.protocol() {
            Protocol::Ssh => "--ssh-key-file",
            Protocol::Https | Protocol::Http | Protocol::Git | Protocol::File => "--token-file",
        };
        Self {
            host: url.authority().unwrap_or_default(),
            option,
        }
    }
}

impl fmt::Display for CredentialHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, option } = self;
        write!(f, "`outwork credential set {host} {option} FILE`")
    }
}

/// Completes "check the address…".
impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here => Ok(()),
            Self::WithoutCredential(hint) => {
                write!(f, ", or if it is private store a credential: {hint}")
            }
            Self::WithCredential { host } => {
                write!(f, ", and that the stored credential for {host} may read it")
            }
        }
    }
}

/// Completes "may not be read; …".
impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files => {
                f.write_str("it does not exist, or is not readable for the user that runs Outwork")
            }
            Self::NoCredential(hint) => {
                write!(f, "it does not exist or needs a credential: {hint}")
            }
            Self::Credential(hint) => write!(
                f,
                "the server refuses the stored credential for {}, or it may not read this repository; store another: {hint}",
                hint.host
            ),
            Self::HostKeyChanged { host } => write!(
                f,
                "the ssh key of {host} is not the one that is known, so somebody else may be answering; if it was changed, store the \
                 credential again with `--known-hosts FILE`"
            ),
            Self::HostKeyUnknown { host } => write!(
                f,
                "the known hosts that are stored with the credential do not hold the ssh key of {host}; store it again with the right \
                 `--known-hosts FILE`"
            ),
            Self::HostKeyUnasked(hint) => write!(
                f,
                "the ssh key of {} is not known to the user that runs Outwork; store a credential, with which the first key is kept: {hint}",
                hint.host
            ),
            Self::Redirected { host, to } => write!(
                f,
                "{host} sends readers to {to}, where the credential for {host} is not sent; use the address there, with a credential for it"
            ),
            Self::Address { address } => write!(
                f,
                "its host is at {address}, where Outwork's server does not read repositories; its operator allows addresses with `--git-address`"
            ),
            Self::NotSent { why } => write!(f, "{why}; use an address that fits the credential"),
        }
    }
}

const NOT_FOUND: [&str; 6] = [
    "does not appear to be a git repository",
    "not found",
    "no such file or directory",
    "does not exist",
    "error: 404",
    "not a git repository",
];
const UNREADABLE: [&str; 12] = [
    "authentication failed",
    "could not read username",
    "could not read password",
    "terminal prompts disabled",
    "permission denied",
    "access denied",
    "error: 401",
    "error: 403",
    "dubious ownership",
    "host key verification failed",
    "http 401",
    "http 403",
];
pub(super) const UNREACHABLE: [&str; 14] = [
    "could not resolve host",
    "name or service not known",
    "failed to connect",
    "couldn't connect",
    "unable to connect",
    "connection refused",
    "connection timed out",
    "operation timed out",
    "connection reset",
    "network is unreachable",
    "no route to host",
    "unable to look up",
    "gnutls",
    "ssl",
];

/// Git's answer by class. Git has no codes for these, so its English text (LC_ALL=C) decides; what is not recognised stays `Other`.
pub(crate) fn explain(url: &RepoUrl, credentials: &Credentials, fault: GitError) -> ResolveError {
    let fault = masked(credentials, fault);
    if let Credentials::Gateway { .. } = credentials {
        return through_gateway::explain(url, fault);
    }
    let url = url.clone();
    let text = match &fault {
        GitError::TimedOut { limit_ms, .. } => {
            return ResolveError::TimedOut {
                url,
                limit_ms: *limit_ms,
            };
        }
        GitError::Failed { stderr, .. } => stderr.to_ascii_lowercase(),
        GitError::Start { .. }
        | GitError::OutputTooLarge { .. }
        | GitError::Unexpected { .. }
        | GitError::Io { .. } => {
            return ResolveError::Other { url, source: fault };
        }
    };
    let says = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));
    if says(&UNREADABLE) {
        ResolveError::Unreadable {
            denied: Box::new(denied(&url, credentials, &text)),
            url,
            source: Some(fault),
        }
    } else if says(&UNREACHABLE) {
        let source = Some(fault);
        ResolveError::Unreachable { url, source }
    } else if says(&NOT_FOUND) {
        ResolveError::NotFound {
            asked: Box::new(asked(&url, credentials)),
            url,
            source: Some(fault),
        }
    } else {
        ResolveError::Other { url, source: fault }
    }
}

/// A credential that was not even tried.
pub(crate) fn unusable(url: &RepoUrl, fault: Unusable) -> ResolveError {
    let url = url.clone();
    match fault {
        Unusable::Plain | Unusable::OtherProtocol => ResolveError::Unreadable {
            url,
            denied: Box::new(Denied::NotSent {
                why: fault.to_string(),
            }),
            source: None,
        },
        Unusable::Keys(source) => ResolveError::Other {
            url,
            source: GitError::Io {
                operation: "use the ssh key",
                source,
            },
        },
    }
}

/// A server can say anything, also what it was sent.
fn masked(credentials: &Credentials, fault: GitError) -> GitError {
    match fault {
        GitError::Failed {
            operation,
            code,
            stderr,
        } => GitError::Failed {
            operation,
            code,
            stderr: credentials.masked(stderr),
        },
        other @ (GitError::Start { .. }
        | GitError::TimedOut { .. }
        | GitError::OutputTooLarge { .. }
        | GitError::Unexpected { .. }
        | GitError::Io { .. }) => other,
    }
}

fn asked(url: &RepoUrl, credentials: &Credentials) -> Asked {
    match (url.authority(), credentials) {
        (None, _) => Asked::Here,
        (Some(_), Credentials::None) => Asked::WithoutCredential(CredentialHint::of(url)),
        (
            Some(host),
            Credentials::Token { .. } | Credentials::SshKey { .. } | Credentials::Gateway { .. },
        ) => Asked::WithCredential { host },
    }
}

/// `text` is git's, in small letters.
fn denied(url: &RepoUrl, credentials: &Credentials, text: &str) -> Denied {
    let Some(host) = url.authority() else {
        return Denied::Files;
    };
    if text.contains("host key verification failed") {
        return match (text.contains("has changed"), credentials) {
            (true, _) => Denied::HostKeyChanged { host },
            (false, Credentials::None) => Denied::HostKeyUnasked(CredentialHint::of(url)),
            (
                false,
                Credentials::Token { .. }
                | Credentials::SshKey { .. }
                | Credentials::Gateway { .. },
            ) => Denied::HostKeyUnknown { host },
        };
    }
    if let Some(to) = asked_by(text)
        && to != host
    {
        return Denied::Redirected { host, to };
    }
    match credentials {
        Credentials::None => Denied::NoCredential(CredentialHint::of(url)),
        Credentials::Token { .. } | Credentials::SshKey { .. } | Credentials::Gateway { .. } => {
            Denied::Credential(CredentialHint::of(url))
        }
    }
}

/// The host for which git wanted a user name: "could not read username for 'https://host:port': …".
fn asked_by(text: &str) -> Option<String> {
    let (_, after) = text.split_once("could not read ")?;
    let (_, address) = after.split_once(" for '")?;
    let (address, _) = address.split_once('\'')?;
    let (_, rest) = address.split_once("://")?;
    let authority = rest.split('/').next()?;
    Some(authority.rsplit('@').next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_host_is_told_by_whom_it_is_not_known() {
        let url = RepoUrl::parse("ssh://git@git.example.com/team/repo.git").expect("an address");
        let fault = || GitError::Failed {
            operation: "ls-remote",
            code: Some(128),
            stderr: "Host key verification failed.\nfatal: Could not read from remote repository."
                .to_owned(),
        };
        let said = explain(&url, &Credentials::None, fault()).to_string();
        assert!(
            said.ends_with(
                "; the ssh key of git.example.com is not known to the user that runs Outwork; store a credential, with which the \
                 first key is kept: `outwork credential set git.example.com --ssh-key-file FILE`"
            ),
            "{said}"
        );
    }
}
