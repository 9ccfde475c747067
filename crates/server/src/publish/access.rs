//! Where a result is published, and with what.

use outwork_api::Secret;
use outwork_api::credential::{CredentialSecret, ForgeKind, PushSettings};
use outwork_domain::WorkspaceId;
use outwork_domain::credential::{CredentialKind, address_of};
use outwork_git::{Credentials, RepoUrl, Trouble as GitTrouble};
use outwork_store::CredentialRecord;

use super::trouble::{Trouble, may_not};
use crate::credentials::{self, PushAccess, Unreadable};
use crate::plane::Plane;
use crate::refusal::sentence;
use crate::surfaces::forge::push_access;

/// How the repository is written to.
pub(super) struct Access {
    /// As git reaches it.
    pub(super) url: RepoUrl,
    pub(super) credentials: Credentials,
    /// Host, and port if there is one; empty for a folder of this machine.
    pub(super) host: String,
    /// The interface for pull requests, if there is one.
    pub(super) forge: Option<ForgeAddress>,
    /// Why there is none.
    pub(super) without_forge: &'static str,
}

/// The interface of a repository's server.
#[derive(Clone)]
pub(crate) struct ForgeAddress {
    pub(crate) kind: ForgeKind,
    /// Without a slash at the end.
    pub(crate) api_url: String,
    /// The repository there: `team/project`.
    pub(crate) path: String,
    pub(crate) token: Secret,
}

const NOT_A_HOST: &str = "It is on this machine's disk, where there are no pull requests.";
const KEY_ONLY: &str = "For a pull request the server needs a token, too: `outwork credential set HOST --push --token-file FILE`.";
const PLAIN: &str = "What its server is, is not known: if it is GitHub, GitLab, Gitea or Forgejo, set the credential again with `--forge`.";

/// The credential for the repository: one that was stored for publishing there, else what an integration of its server has. Without one nothing but a folder of this machine is written to: what can be read by everybody is not
/// to be written by everybody.
pub(super) async fn access(
    plane: &Plane,
    workspace: WorkspaceId,
    records: &[CredentialRecord],
    address: &str,
) -> Result<Access, Trouble> {
    let url = RepoUrl::parse(address).map_err(|fault| {
        let text = sentence(&format!("the {fault}"));
        Trouble::last(
            "repository",
            text,
            "Correct the environment with `outwork env edit`.",
        )
    })?;
    let Some((kind, place)) = address_of(address) else {
        return local(url);
    };
    let host = url.authority().unwrap_or_default();
    let path = place.split_once('/').map_or("", |(_, path)| path);
    let find = |address: &str, kind| {
        credentials::for_push(plane, records, address, kind).map_err(unreadable)
    };
    let is_ssh = kind == CredentialKind::SshKey;
    let (token, key) = match is_ssh {
        // The port is ssh's.
        true => (
            find(
                &format!("https://{}/{path}", name(&host)),
                CredentialKind::PushToken,
            )?,
            find(address, CredentialKind::PushSshKey)?,
        ),
        false => (find(address, CredentialKind::PushToken)?, None),
    };
    // A forge that gives tasks has what takes their results.
    let token = match (&key, token) {
        (None, None) => {
            let of_host = if is_ssh { name(&host) } else { &host };
            push_access(plane, workspace, of_host, path).await?
        }
        (_, token) => token,
    };
    let (url, access) = match (&key, &token) {
        (Some(key), _) => (url, key),
        // The usual servers have a repository at the same path for both.
        (None, Some(token)) if is_ssh => (over_https(&host, path)?, token),
        (None, Some(token)) => (url, token),
        (None, None) => return Err(missing(&host)),
    };
    if matches!(access.secret, CredentialSecret::Token { .. }) {
        may_go(plane, &url).await?;
    }
    let credentials = credentials::for_git(&access.secret).map_err(|fault| {
        let text = sentence(&format!(
            "the credential for {host} cannot be used: {fault}"
        ));
        Trouble::last("not_permitted", text, may_not(&host))
    })?;
    let forge = token.and_then(|token| forge(&host, path, token));
    let without_forge = match key {
        Some(_) => KEY_ONLY,
        None => PLAIN,
    };
    Ok(Access {
        url,
        credentials,
        host,
        forge,
        without_forge,
    })
}

fn local(url: RepoUrl) -> Result<Access, Trouble> {
    if url.authority().is_some() {
        return Err(Trouble::last(
            "not_permitted",
            format!("{url} cannot be written to: its protocol has no credentials."),
            "Give the environment an address with https:// or ssh, with `outwork env edit`.",
        ));
    }
    Ok(Access {
        url,
        credentials: Credentials::None,
        host: String::new(),
        forge: None,
        without_forge: NOT_A_HOST,
    })
}

fn over_https(host: &str, path: &str) -> Result<RepoUrl, Trouble> {
    let name = name(host);
    RepoUrl::parse(&format!("https://{name}/{path}.git")).map_err(|_| missing(host))
}

/// Without the port.
fn name(host: &str) -> &str {
    host.split(':').next().unwrap_or(host)
}

fn missing(host: &str) -> Trouble {
    Trouble::last(
        "no_push_credential",
        format!(
            "There is no credential for publishing to {host}; those for reading are not used for it."
        ),
        format!(
            "Store one that may write: `outwork credential set {host} --push --token-file FILE`."
        ),
    )
}

fn unreadable(fault: Unreadable) -> Trouble {
    Trouble::last("not_permitted", sentence(&fault.to_string()), fault.hint())
}

async fn may_go(plane: &Plane, url: &RepoUrl) -> Result<(), Trouble> {
    let Err(GitTrouble::Address { address }) = plane.git_gateway.may_go(url).await else {
        return Ok(());
    };
    Err(Trouble::last(
        "address",
        format!("The repository {url} is at {address}, where this server sends no credentials."),
        "Its operator allows addresses with `--git-address`.",
    ))
}

fn forge(host: &str, path: &str, access: PushAccess) -> Option<ForgeAddress> {
    let PushAccess { secret, settings } = access;
    let CredentialSecret::Token { token, .. } = secret else {
        return None;
    };
    let PushSettings { forge, api_url } = settings;
    let kind = forge.or(known(host))?;
    let name = name(host);
    let usual = match kind {
        ForgeKind::Github if host == "github.com" => "https://api.github.com".to_owned(),
        ForgeKind::Github => format!("https://{name}/api/v3"),
        ForgeKind::Gitlab => format!("https://{name}/api/v4"),
        ForgeKind::Gitea => format!("https://{name}/api/v1"),
        ForgeKind::None => return None,
    };
    let api_url = api_url.unwrap_or(usual);
    Some(ForgeAddress {
        kind,
        api_url: api_url.trim_end_matches('/').to_owned(),
        path: path.to_owned(),
        token,
    })
}

fn known(host: &str) -> Option<ForgeKind> {
    match host {
        "github.com" => Some(ForgeKind::Github),
        "gitlab.com" => Some(ForgeKind::Gitlab),
        "codeberg.org" | "gitea.com" => Some(ForgeKind::Gitea),
        _ => None,
    }
}
