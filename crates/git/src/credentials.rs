//! What a private repository is read with, checked when it is made.

mod access;
mod gateway;
mod private_key;

pub(crate) use access::{Access, Unusable, sweep};
pub use gateway::{Login, Trouble};
pub use private_key::PrivateKey;

use crate::url::RepoUrl;
use std::fmt;

/// What a repository needs to be read. Reaches git through its environment or a private file, never through an address or an argument.
/// `Debug` prints secrets as `****`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Credentials {
    /// Public, local, or readable through the machine's ssh agent.
    #[default]
    None,
    /// For https (and http on loopback): a token or password. See [`Credentials::token`].
    Token {
        /// The one of the address, else a usual one when there is none.
        username: Option<Username>,
        token: Token,
    },
    /// For ssh. See [`Credentials::ssh_key`].
    SshKey {
        private_key: PrivateKey,
        /// The host's keys; without them the first one seen is kept and asked for from then on.
        known_hosts: Option<KnownHosts>,
    },
    /// Through a gateway, which has the credential. See [`Credentials::gateway`].
    Gateway { address: RepoUrl, token: Token },
}

/// Why a text is no credential. Never repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCredential {
    #[error("the token is empty")]
    EmptyToken,
    #[error("the token holds line ends or other control characters; give the token alone")]
    TokenCharacters,
    #[error("the user name holds a colon, a line end or another control character")]
    Username,
    #[error("this is no private key; give the file that ssh-keygen made, the one without .pub")]
    NoPrivateKey,
    #[error("this is the public half of a key; give the private one, the file without .pub")]
    PublicKey,
    #[error(
        "the private key has a passphrase, and nobody is there to type it; make a key without one, or take it away: ssh-keygen -p -N '' -f FILE"
    )]
    Passphrase,
    #[error("this is a key of PuTTY; convert it: puttygen FILE -O private-openssh -o NEW")]
    Putty,
    #[error(
        "line {line} of the known hosts is none; each is a host, the kind of a key, and the key, as ssh-keyscan prints it"
    )]
    KnownHosts { line: usize },
    #[error("the known hosts are empty; leave them out to keep the first key seen")]
    NoKnownHosts,
}

/// A token or password. Prints as `****`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// A user name of HTTP's Basic authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

/// Lines of a `known_hosts` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownHosts(String);

impl Credentials {
    /// A token for https. White space around it, such as the final newline of a file, is not part of it; an empty user name is none.
    ///
    /// # Errors
    /// It is empty, or cannot be told to git.
    pub fn token(username: Option<&str>, token: &str) -> Result<Self, InvalidCredential> {
        let token = token.trim();
        if token.is_empty() {
            return Err(InvalidCredential::EmptyToken);
        }
        if token.contains(char::is_control) {
            return Err(InvalidCredential::TokenCharacters);
        }
        let username = username.map(str::trim).filter(|name| !name.is_empty());
        if username.is_some_and(|name| name.contains(|c: char| c == ':' || c.is_control())) {
            return Err(InvalidCredential::Username);
        }
        Ok(Self::Token {
            username: username.map(|name| Username(name.to_owned())),
            token: Token(token.to_owned()),
        })
    }

    /// A private key for ssh, as OpenSSH writes it. Line ends of Windows and a missing final newline are mended.
    ///
    /// # Errors
    /// It is no private key, or one with a passphrase; or the known hosts are none.
    pub fn ssh_key(
        private_key: &str,
        known_hosts: Option<&str>,
    ) -> Result<Self, InvalidCredential> {
        Ok(Self::SshKey {
            private_key: PrivateKey::parse(private_key)?,
            known_hosts: known_hosts.map(KnownHosts::parse).transpose()?,
        })
    }
}

impl KnownHosts {
    fn parse(text: &str) -> Result<Self, InvalidCredential> {
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        let mut entries = 0;
        for (line, number) in lines.iter().zip(1..) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let fields = line.split_whitespace().count();
            let needed = if line.starts_with('@') { 4 } else { 3 };
            if fields < needed || line.contains(char::is_control) {
                return Err(InvalidCredential::KnownHosts { line: number });
            }
            entries += 1;
        }
        if entries == 0 {
            return Err(InvalidCredential::NoKnownHosts);
        }
        Ok(Self(lines.join("\n") + "\n"))
    }
}

/// The user name when neither the credential nor the address has one. Most servers look at the token only and want any name (GitHub, GitLab,
/// Gitea, Azure DevOps); `x-access-token` is GitHub's own for the tokens of its apps. Bitbucket has a name for each kind of token.
fn usual_username(url: &RepoUrl, token: &Token) -> &'static str {
    let host = url.authority().unwrap_or_default();
    match host == "bitbucket.org" {
        true if token.0.starts_with("ATATT") => "x-bitbucket-api-token-auth",
        true => "x-token-auth",
        false => "x-access-token",
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

#[cfg(test)]
mod tests;
