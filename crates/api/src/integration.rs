//! Integrations on the wire: forges and chats that give tasks and are told what came of them.

use outwork_domain::integration::IntegrationKind as DomainKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::secret::Secret;
use crate::time::Time;

/// Which system it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum IntegrationKind {
    /// GitHub, also Enterprise Server.
    Github,
    /// GitLab.
    Gitlab,
    /// Gitea or Forgejo.
    Gitea,
    /// Slack.
    Slack,
}

impl From<IntegrationKind> for DomainKind {
    fn from(kind: IntegrationKind) -> Self {
        match kind {
            IntegrationKind::Github => Self::Github,
            IntegrationKind::Gitlab => Self::Gitlab,
            IntegrationKind::Gitea => Self::Gitea,
            IntegrationKind::Slack => Self::Slack,
        }
    }
}

/// An integration to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewIntegration {
    /// What people call it; unique in the workspace. It is also the name of the member that it acts as.
    pub name: String,
    /// Labels of the environments that tasks from there may run in; all when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
    /// The label of the one that is used where nothing else says which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_environment: Option<String>,
    /// What it needs to know of the other system.
    pub settings: IntegrationSettings,
}

/// A GitHub App to be made, and the integration of it. GitHub gives the app's number, its key and the secret of its webhooks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApp {
    /// What people call the integration; unique in the workspace.
    pub name: String,
    /// Labels of the environments that tasks from there may run in; all when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
    /// The label of the one that is used where nothing else says which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_environment: Option<String>,
    /// What it needs to know of GitHub, without secrets.
    #[serde(default)]
    pub settings: ForgeSettings,
    /// The name that the form proposes for the app, which is unique on GitHub; the integration's when left out. It is also how it is mentioned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_name: Option<String>,
    /// The organization that is to own it; whoever opens the form when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Where people open GitHub; `https://github.com` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_url: Option<String>,
}

/// The form that makes a GitHub App.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppForm {
    /// To be opened in a browser.
    pub url: String,
    /// It is not valid any more from then on.
    pub expires_at: Time,
}

/// A change of an integration; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IntegrationChange {
    /// What people call it from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Labels of the environments that tasks from there may run in; an empty list: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environments: Option<Vec<String>>,
    /// The label of the one that is used where nothing else says which; an empty text: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_environment: Option<String>,
    /// Whether it takes what comes in, and sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_active: Option<bool>,
    /// All settings anew; secrets that are left out stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<IntegrationSettings>,
}

/// What an integration needs to know of the other system. Secrets are sent and never shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum IntegrationSettings {
    /// GitHub.
    Github(ForgeSettings),
    /// GitLab.
    Gitlab(ForgeSettings),
    /// Gitea or Forgejo.
    Gitea(ForgeSettings),
    /// Slack.
    Slack(SlackSettings),
}

impl IntegrationSettings {
    /// Which system.
    pub const fn kind(&self) -> IntegrationKind {
        match self {
            Self::Github(_) => IntegrationKind::Github,
            Self::Gitlab(_) => IntegrationKind::Gitlab,
            Self::Gitea(_) => IntegrationKind::Gitea,
            Self::Slack(_) => IntegrationKind::Slack,
        }
    }

    /// The fields that are secrets.
    pub const fn secrets(&self) -> &'static [&'static str] {
        match self {
            Self::Github(_) | Self::Gitlab(_) | Self::Gitea(_) => ForgeSettings::SECRETS,
            Self::Slack(_) => SlackSettings::SECRETS,
        }
    }
}

/// A forge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgeSettings {
    /// The name by which it is mentioned, without the `@`; `outwork` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mention: Option<String>,
    /// The address of its interface; that of github.com, gitlab.com or gitea.com when left out. `https://HOST/api/v3` of GitHub Enterprise
    /// Server, `https://HOST/api/v4` of GitLab, `https://HOST/api/v1` of Gitea and Forgejo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_url: Option<String>,
    /// What people must at least be allowed in the repository: `read`, `triage`, `write`, `maintain` or `admin`; `write` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
    /// A label that gives a task when it is put on an issue; none when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// When a result becomes a pull request: `when_done`, which it is when left out, or `when_asked`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_requests: Option<String>,
    /// How often failing checks of its own pull requests are looked into without anybody asking, 0 to 10; 3 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 10)]
    pub check_rounds: Option<u32>,
    /// The number of a GitHub App, in place of a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<u64>,
    /// What its webhooks are signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_secret: Option<Secret>,
    /// What it is asked with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// The private key of the GitHub App, as GitHub gives it (PEM).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_key: Option<Secret>,
}

impl ForgeSettings {
    /// The fields that are secrets.
    pub const SECRETS: &[&str] = &["webhook_secret", "token", "app_key"];
}

/// A workspace of Slack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SlackSettings {
    /// What requests are signed with; not needed with Socket Mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_secret: Option<Secret>,
    /// The bot's token, `xoxb-…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot_token: Option<Secret>,
    /// The app's token, `xapp-…`, with the scope `connections:write`: for Socket Mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_token: Option<Secret>,
    /// Whether the server asks Slack for what happens there, over a connection that it opens itself.
    #[serde(default)]
    pub socket_mode: bool,
    /// Whether threads are told no more of a task than its link and its state.
    #[serde(default)]
    pub link_only: bool,
    /// The ids of the channels in which tasks may be given, `C…`; all when left out. Conversations with the app alone are never left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub channels: Vec<String>,
    /// Who may give tasks.
    #[serde(default)]
    pub who: SlackWho,
    /// Whether somebody whose confirmed address for mail is the name of a member is that member.
    #[serde(default)]
    pub link_by_email: bool,
    /// Where its Web API is; `https://slack.com/api` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_url: Option<String>,
}

impl SlackSettings {
    /// The fields that are secrets.
    pub const SECRETS: &[&str] = &["signing_secret", "bot_token", "app_token"];
}

/// Who may give tasks in Slack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SlackWho {
    /// Those who are linked to a member.
    #[default]
    Linked,
    /// All full members of the Slack workspace; those who are not linked act as the integration's own member.
    Everyone,
}

/// An integration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Integration {
    /// `int_…`.
    pub id: String,
    /// `github`, `gitlab`, `gitea` or `slack`.
    pub kind: String,
    /// What people call it.
    pub name: String,
    /// Labels of the environments that tasks from there may run in; empty: all.
    pub environments: Vec<String>,
    /// The label of the one that is used where nothing else says which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_environment: Option<String>,
    /// Whether it takes what comes in, and sends.
    pub is_active: bool,
    /// `prn_…`: the member that it acts as, where nobody who is linked asked.
    pub member_id: String,
    /// Where the other system sends what happens there.
    pub hook_url: String,
    /// What it knows of the other system, without secrets.
    pub settings: serde_json::Value,
    /// Names of the secrets that it has.
    pub secrets: Vec<String>,
    /// When it was made.
    pub created_at: Time,
    /// When it was changed last.
    pub updated_at: Time,
}

/// Something that came in from another system, or went out to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// `job_…`.
    pub id: String,
    /// `in` or `out`.
    pub direction: String,
    /// What names it in the other system, or what it tells.
    pub key: String,
    /// What it is about, such as `mention` or `result`.
    pub kind: String,
    /// `waiting`, `working`, `done` or `failed`.
    pub state: String,
    /// Waiting: what went wrong before. Done: what came of it. Failed: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How often it was put off.
    pub tries: u32,
    /// When it came.
    pub created_at: Time,
    /// When it is tried next, while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
}

/// Somebody of another system who is known to be a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLink {
    /// What the other system calls that person, unchangeably: a user id, not a name.
    pub external_id: String,
    /// What people call that person there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `prn_…`.
    pub member_id: String,
}

/// Somebody of another system who is known to be a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Link {
    /// What the other system calls that person.
    pub external_id: String,
    /// What people call that person there.
    pub name: String,
    /// `prn_…`.
    pub member_id: String,
    /// Since when.
    pub created_at: Time,
}
