//! Which people are told of what: kept as JSON, which the store writes and reads.

use std::fmt;

use outwork_domain::notice::{NoticeSettings, Occasion, Place, QuietHours, Rule};
use outwork_domain::{EnvironmentId, PrincipalId, Timestamp, WorkspaceId};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::sql::{id, values};
use crate::store::{Store, Tx, Write};

/// Whose settings they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoticeOwner {
    /// A member, for the own tasks.
    Member(PrincipalId),
    /// An environment, for all of its tasks.
    Environment(EnvironmentId),
}

impl fmt::Display for NoticeOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(id) => id.fmt(f),
            Self::Environment(id) => id.fmt(f),
        }
    }
}

impl Store {
    /// What somebody wants to be told; nothing, where that was never said.
    pub async fn notice_settings(
        &self,
        workspace: WorkspaceId,
        owner: NoticeOwner,
    ) -> Result<NoticeSettings, StoreError> {
        const SELECT: &str = "SELECT settings FROM notices WHERE owner = $1 AND workspace_id = $2";
        let values = values![id(owner), id(workspace)];
        let row = self.read().await?.row(SELECT, values).await?;
        row.map_or(Ok(NoticeSettings::default()), |row| {
            read(row.str("settings")?)
        })
    }

    /// Keeps what somebody wants to be told. The owner must be of that workspace.
    pub async fn set_notice_settings(
        &self,
        workspace: WorkspaceId,
        owner: NoticeOwner,
        settings: NoticeSettings,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(Set {
            workspace,
            owner,
            settings,
            now,
        })
        .await?;
        self.hear().await
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    rules: Vec<StoredRule>,
    quiet: Option<StoredQuiet>,
}

#[derive(Serialize, Deserialize)]
struct StoredRule {
    occasions: Vec<String>,
    place: StoredPlace,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredPlace {
    Slack {
        integration: String,
        channel: Option<String>,
    },
    Webhook(String),
    None,
}

#[derive(Serialize, Deserialize)]
struct StoredQuiet {
    from: String,
    to: String,
    zone: String,
}

fn written(settings: &NoticeSettings) -> String {
    let NoticeSettings { rules, quiet } = settings;
    let rule = |Rule { occasions, place }: &Rule| StoredRule {
        occasions: occasions.iter().map(|it| it.as_str().to_owned()).collect(),
        place: match place {
            Place::Slack {
                integration,
                channel,
            } => StoredPlace::Slack {
                integration: integration.to_string(),
                channel: channel.clone(),
            },
            Place::Webhook(webhook) => StoredPlace::Webhook(webhook.to_string()),
            Place::None => StoredPlace::None,
        },
    };
    let stored = Stored {
        rules: rules.iter().map(rule).collect(),
        quiet: quiet.as_ref().map(|hours| StoredQuiet {
            from: hours.from(),
            to: hours.to(),
            zone: hours.zone().to_owned(),
        }),
    };
    serde_json::to_string(&stored).expect("texts are JSON")
}

fn read(json: &str) -> Result<NoticeSettings, StoreError> {
    let corrupt = || StoreError::corrupt("settings of notices");
    let Stored { rules, quiet } = serde_json::from_str(json).map_err(|_| corrupt())?;
    let rule = |StoredRule { occasions, place }| {
        let place = match place {
            StoredPlace::Slack {
                integration,
                channel,
            } => Place::Slack {
                integration: integration.parse().map_err(|_| corrupt())?,
                channel,
            },
            StoredPlace::Webhook(webhook) => {
                Place::Webhook(webhook.parse().map_err(|_| corrupt())?)
            }
            StoredPlace::None => Place::None,
        };
        // Those that this version knows.
        let occasions: Vec<String> = occasions;
        let occasions = occasions.iter().filter_map(|name| Occasion::parse(name));
        Ok(Rule {
            occasions: occasions.collect(),
            place,
        })
    };
    let hours = |StoredQuiet { from, to, zone }| {
        QuietHours::parse(&from, &to, &zone).map_err(|_| corrupt())
    };
    Ok(NoticeSettings {
        rules: rules
            .into_iter()
            .map(rule)
            .collect::<Result<_, StoreError>>()?,
        quiet: quiet.map(hours).transpose()?,
    })
}

struct Set {
    workspace: WorkspaceId,
    owner: NoticeOwner,
    settings: NoticeSettings,
    now: Timestamp,
}

impl Write for Set {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const FORGET: &str = "DELETE FROM notices WHERE owner = $1 AND workspace_id = $2";
        const SET: &str = "INSERT INTO notices (owner, workspace_id, settings, updated_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (owner) DO UPDATE SET settings = excluded.settings, updated_at = excluded.updated_at \
             WHERE notices.workspace_id = excluded.workspace_id";
        let (owner, workspace) = (id(self.owner), id(self.workspace));
        if self.settings == NoticeSettings::default() {
            tx.execute(FORGET, values![owner, workspace]).await?;
            return Ok(());
        }
        let written = written(&self.settings);
        let values = values![owner, workspace, written, self.now];
        match tx.execute(SET, values).await? {
            1 => Ok(()),
            _ => Err(StoreError::NotFound),
        }
    }
}
