//! Credentials for repositories: which one belongs to an address. Their secrets are the store's.

use crate::id::{CredentialId, WorkspaceId};
use crate::time::Timestamp;

/// What a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// A token or password, for https.
    Token,
    /// A private key, for ssh.
    SshKey,
    /// A token that may write, for https and for the interface of the repository's server. Never given to a worker.
    PushToken,
    /// A private key that may write, for ssh. Never given to a worker.
    PushSshKey,
}

impl CredentialKind {
    /// The name in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::SshKey => "ssh_key",
            Self::PushToken => "push_token",
            Self::PushSshKey => "push_ssh_key",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Token, Self::SshKey, Self::PushToken, Self::PushSshKey]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }

    /// Whether it is for publishing, and not for reading.
    pub const fn is_push(self) -> bool {
        match self {
            Self::Token | Self::SshKey => false,
            Self::PushToken | Self::PushSshKey => true,
        }
    }
}

/// A credential without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// Its tenant.
    pub workspace_id: WorkspaceId,
    /// Which addresses it is for; unique in the workspace together with the kind.
    pub scope: CredentialScope,
    /// What it is.
    pub kind: CredentialKind,
    /// The user name, where the server wants a particular one.
    pub username: Option<String>,
    /// When it was last set.
    pub updated_at: Timestamp,
}

/// A host with its port where it has one, and the beginning of a path: `git.example.com`,
/// `git.example.com:8443/team`, `git.example.com/team/project`. The host is in small letters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialScope(String);

/// A text that is not a scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write a host, or a host and the beginning of a path, such as git.example.com/team; no scheme, user or spaces"
)]
pub struct InvalidScope;

impl CredentialScope {
    /// Reads a scope.
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        let text = text.trim_end_matches('/');
        let (host, path) = text.split_once('/').unwrap_or((text, ""));
        let host_char =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        let usable = host.chars().any(|c| c.is_ascii_alphanumeric())
            && text.len() <= 500
            && host.chars().all(host_char)
            && path
                .chars()
                .all(|c| c.is_ascii_graphic() && c != '@' && c != '\\')
            && !path.split('/').any(|part| part == "..")
            && !text.contains("//");
        if !usable {
            return Err(InvalidScope);
        }
        let host = host.to_ascii_lowercase();
        Ok(Self(match path {
            "" => host,
            path => format!("{host}/{path}"),
        }))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `address` (see [`address_of`]) lies in it: a path is compared part by part.
    fn covers(&self, address: &str) -> bool {
        address
            .strip_prefix(self.0.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Host and path of a repository's URL, and which kind of credential it takes; `None` for a path
/// of this machine.
pub fn address_of(url: &str) -> Option<(CredentialKind, String)> {
    let (kind, rest) = match url.split_once("://") {
        Some(("https" | "http", rest)) => (CredentialKind::Token, rest.to_owned()),
        Some(("ssh", rest)) => (CredentialKind::SshKey, rest.to_owned()),
        Some(_) => return None,
        None => {
            let (host, path) = url.split_once(':')?;
            if host.contains('/') {
                return None;
            }
            (
                CredentialKind::SshKey,
                format!("{host}/{}", path.trim_start_matches('/')),
            )
        }
    };
    let (authority, path) = rest.split_once('/').unwrap_or((&rest, ""));
    let host = authority.rsplit('@').next()?.to_ascii_lowercase();
    let path = path.trim_end_matches('/').trim_end_matches(".git");
    Some((
        kind,
        format!("{host}/{path}").trim_end_matches('/').to_owned(),
    ))
}

/// The credential to read `url` with: of the right kind, with the longest scope that covers it. Never one for publishing.
pub fn choose<'a, T>(
    candidates: impl IntoIterator<Item = &'a T>,
    credential: impl Fn(&T) -> &Credential,
    url: &str,
) -> Option<&'a T> {
    let (kind, _) = address_of(url)?;
    choose_kind(candidates, credential, url, kind)
}

/// The credential of that kind with the longest scope that covers `url`.
pub fn choose_kind<'a, T>(
    candidates: impl IntoIterator<Item = &'a T>,
    credential: impl Fn(&T) -> &Credential,
    url: &str,
    kind: CredentialKind,
) -> Option<&'a T> {
    let (_, address) = address_of(url)?;
    candidates
        .into_iter()
        .filter(|candidate| {
            let credential = credential(candidate);
            credential.kind == kind && credential.scope.covers(&address)
        })
        .max_by_key(|candidate| credential(candidate).scope.as_str().len())
}

#[cfg(test)]
mod tests {
    use super::CredentialKind::{SshKey, Token};
    use super::*;
    use uuid::Uuid;

    fn credential(scope: &str, kind: CredentialKind) -> Credential {
        Credential {
            id: CredentialId::from_uuid(Uuid::from_u128(1)),
            workspace_id: WorkspaceId::from_uuid(Uuid::from_u128(2)),
            scope: CredentialScope::parse(scope).unwrap(),
            kind,
            username: None,
            updated_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn the_longest_scope_of_the_right_kind_wins() {
        let all = [
            credential("Git.Example.com", Token),
            credential("git.example.com/team", Token),
            credential("git.example.com", SshKey),
            credential("git.example.com:8443", Token),
        ];
        let chosen =
            |url: &str| choose(&all, |one| one, url).map(|one| (one.scope.as_str(), one.kind));
        for (url, expected) in [
            (
                "https://git.example.com/team/a.git",
                Some(("git.example.com/team", Token)),
            ),
            (
                "https://ada@GIT.example.com/team",
                Some(("git.example.com/team", Token)),
            ),
            (
                "https://git.example.com/teammate/a",
                Some(("git.example.com", Token)),
            ),
            (
                "https://git.example.com:8443/team/a",
                Some(("git.example.com:8443", Token)),
            ),
            (
                "git@git.example.com:team/a.git",
                Some(("git.example.com", SshKey)),
            ),
            (
                "ssh://git@git.example.com/team/a",
                Some(("git.example.com", SshKey)),
            ),
            ("https://evil.git.example.com.org/team/a", None),
            ("https://example.com/git.example.com/team", None),
            ("/srv/git.example.com", None),
            ("file:///srv/x", None),
        ] {
            assert_eq!(chosen(url), expected, "{url}");
        }
    }

    #[test]
    fn a_scope_is_a_host_and_perhaps_a_path() {
        for text in [
            "",
            "/",
            "https://host",
            "user@host",
            "host/../x",
            "../x",
            "ho st",
            "host//x",
            "host/a b",
        ] {
            assert_eq!(CredentialScope::parse(text), Err(InvalidScope), "{text}");
        }
        assert_eq!(
            CredentialScope::parse("Host/Team/").unwrap().as_str(),
            "host/Team"
        );
    }
}
