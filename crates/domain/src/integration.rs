//! Where tasks come from besides the API: forges and chats, and what is talked about there.

use crate::id::{ConversationId, EnvironmentId, IntegrationId, PrincipalId, TaskId, WorkspaceId};
use crate::time::Timestamp;

/// Which system it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

impl IntegrationKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Github, Self::Gitlab, Self::Gitea, Self::Slack];

    /// The name in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Gitea => "gitea",
            Self::Slack => "slack",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A connection to another system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integration {
    /// Its id.
    pub id: IntegrationId,
    /// Its tenant.
    pub workspace_id: WorkspaceId,
    /// Which system.
    pub kind: IntegrationKind,
    /// What people call it; unique in the workspace.
    pub name: String,
    /// The member that it acts as, where nobody whom it knows asked.
    pub principal_id: PrincipalId,
    /// What an admin set, as JSON of its kind; no secrets.
    pub settings: String,
    /// Whether it takes what comes in, and sends.
    pub is_active: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// A place of another system where something is talked about: an issue, a pull request, a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// Its tenant.
    pub workspace_id: WorkspaceId,
    /// Where.
    pub integration_id: IntegrationId,
    /// Names it among those of its integration.
    pub key: String,
    /// The task that is talked about now.
    pub task_id: Option<TaskId>,
    /// The environment that was chosen for it.
    pub environment_id: Option<EnvironmentId>,
    /// What the integration remembers of it, as JSON of its kind.
    pub data: String,
    /// The state of the task that it was told last: `None`, nothing yet.
    pub told_at: Option<Timestamp>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// Somebody of another system who is known to be a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedUser {
    /// Where.
    pub integration_id: IntegrationId,
    /// What the other system calls that person, unchangeably.
    pub external_id: String,
    /// What people call that person there.
    pub name: String,
    /// The member.
    pub principal_id: PrincipalId,
    /// Since when.
    pub created_at: Timestamp,
}

/// Whether that can be what another system calls a person, unchangeably: 1 to 255 letters, digits, `_` and `-`.
pub fn is_external_id(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    (1..=255).contains(&text.len()) && text.chars().all(is_part)
}
