//! What an admin set of a forge.

use outwork_api::integration::ForgeSettings;
use outwork_forges::Kind;
use outwork_forges::call::Level;

use crate::refusal::Refusal;

const CHECK_ROUNDS: u32 = 3;
const MOST_CHECK_ROUNDS: u32 = 10;
const SECRET_CHARS: usize = 8;

/// What somebody is called by.
pub(super) fn name(settings: &ForgeSettings) -> &str {
    let name = settings.mention.as_deref();
    name.unwrap_or(outwork_forges::mention::NAME)
}

/// What people must at least be allowed to do.
pub(super) fn level(settings: &ForgeSettings) -> Level {
    let level = settings.permission.as_deref().and_then(Level::parse);
    level.unwrap_or(Level::Write)
}

pub(super) fn check_rounds(settings: &ForgeSettings) -> u32 {
    settings.check_rounds.unwrap_or(CHECK_ROUNDS)
}

/// Whether a result becomes a pull request without anybody asking.
pub(super) fn opens_when_done(settings: &ForgeSettings) -> bool {
    settings.pull_requests.as_deref() != Some("when_asked")
}

/// Without a slash at the end.
pub(super) fn api_url(kind: Kind, settings: &ForgeSettings) -> String {
    let usual = match kind {
        Kind::GitHub => "https://api.github.com",
        Kind::GitLab => "https://gitlab.com/api/v4",
        Kind::Gitea => "https://gitea.com/api/v1",
    };
    let url = settings.api_url.as_deref().unwrap_or(usual);
    url.trim_end_matches('/').to_owned()
}

/// The host whose repositories it is for, with the port if there is one.
pub(super) fn host(kind: Kind, settings: &ForgeSettings) -> String {
    let url = api_url(kind, settings);
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default();
    match host {
        "api.github.com" => "github.com".to_owned(),
        host => host.to_ascii_lowercase(),
    }
}

/// Refuses settings that cannot be what somebody means.
pub(crate) fn check(kind: Kind, settings: &ForgeSettings) -> Result<(), Refusal> {
    let ForgeSettings {
        mention,
        api_url,
        permission,
        label,
        pull_requests,
        check_rounds,
        app_id,
        webhook_secret,
        token,
        app_key,
    } = settings;
    let wrong =
        |field: &str, detail: &str| Err(Refusal::field(&format!("/settings/{field}"), detail));
    if let Some(name) = mention
        && (name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
    {
        return wrong(
            "mention",
            "must be letters, digits and `-`, without the `@`",
        );
    }
    if let Some(url) = api_url {
        address(url)?;
    }
    if permission
        .as_deref()
        .is_some_and(|it| !matches!(Level::parse(it), Some(level) if level > Level::None))
    {
        return wrong(
            "permission",
            "must be `read`, `triage`, `write`, `maintain` or `admin`",
        );
    }
    if label.as_deref().is_some_and(|it| it.trim().is_empty()) {
        return wrong("label", "is empty; leave it out for none");
    }
    if pull_requests
        .as_deref()
        .is_some_and(|it| !matches!(it, "when_done" | "when_asked"))
    {
        return wrong("pull_requests", "must be `when_done` or `when_asked`");
    }
    if check_rounds.is_some_and(|it| it > MOST_CHECK_ROUNDS) {
        return wrong("check_rounds", "must be 0 to 10");
    }
    match webhook_secret {
        Some(secret) if secret.reveal().chars().count() >= SECRET_CHARS => {}
        Some(_) => return wrong("webhook_secret", "must have at least 8 characters"),
        None => {
            return wrong(
                "webhook_secret",
                "is needed: it is how deliveries are known from forged ones",
            );
        }
    }
    match (token, app_id, app_key) {
        (Some(_), None, None) => Ok(()),
        (None, Some(app), Some(key)) if kind == Kind::GitHub => {
            match outwork_forges::app::token(*app, key.reveal(), 0) {
                Ok(_) => Ok(()),
                Err(fault) => wrong("app_key", &fault.to_string()),
            }
        }
        (_, Some(_), _) | (_, _, Some(_)) if kind != Kind::GitHub => {
            wrong("app_id", "is of GitHub alone")
        }
        (Some(_), _, _) => wrong(
            "token",
            "is for an integration without an app; give one of both",
        ),
        (None, _, _) => wrong(
            "token",
            "is needed, or `app_id` and `app_key` of a GitHub App",
        ),
    }
}

/// https, or http to this machine, as for credentials.
fn address(url: &str) -> Result<(), Refusal> {
    let refused = |detail: &str| Err(Refusal::field("/settings/api_url", detail));
    let Ok(url) = reqwest::Url::parse(url) else {
        return refused("is no address; it would be like `https://HOST/api/v3`");
    };
    let host = url.host_str().unwrap_or_default();
    let is_here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    match url.scheme() {
        "https" => {}
        "http" if is_here => {}
        _ => return refused("must begin with https://, or http:// of this machine"),
    }
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    match is_plain && !host.is_empty() {
        true => Ok(()),
        false => refused("must be a plain address, without a user name or a query"),
    }
}
