//! Webhooks: addresses that are told what happens. Their secrets are sealed by the caller: the store cannot read them.

use outwork_domain::webhook::{Kind, State, Webhook, Why};
use outwork_domain::{Timestamp, WebhookId, WorkspaceId, limits};

use crate::error::StoreError;
use crate::sql::{Row, Sql, for_update, id, json_array, values};
use crate::store::{Store, Tx, Write};

/// `SELECT` of what [`read`] wants, up to where `WHERE` follows.
macro_rules! select {
    () => {
        "SELECT h.id, h.workspace_id, h.url, h.kinds, h.sealed, h.sealed_before, h.before_until, h.created_by, h.created_at, \
         h.updated_at, h.failing_since, h.disabled_at, h.disabled_why FROM webhooks h "
    };
}

/// A webhook with its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRecord {
    /// The webhook.
    pub webhook: Webhook,
    /// The secret that signs, sealed.
    pub sealed: Vec<u8>,
    /// The one before it, sealed, and until when it signs, too.
    pub before: Option<(Vec<u8>, Timestamp)>,
}

/// A change of a webhook; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookChange {
    /// Where it is told from now on.
    pub url: Option<String>,
    /// What it is told from now on.
    pub kinds: Option<Option<Vec<Kind>>>,
    /// Whether it is told nothing from now on. `false` also begins anew what the server ended.
    pub paused: Option<bool>,
}

/// What came of a try to tell it something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// The receiver took it.
    Delivered,
    /// It did not.
    Failed {
        /// It said that it is gone for good.
        is_gone: bool,
    },
}

impl Store {
    /// Keeps a webhook. Errors: [`StoreError::TooMany`].
    pub async fn add_webhook(&self, record: WebhookRecord) -> Result<(), StoreError> {
        self.write(Add { record }).await?;
        self.hear().await
    }

    /// The webhooks of a workspace, oldest first.
    pub async fn webhooks(&self, workspace: WorkspaceId) -> Result<Vec<WebhookRecord>, StoreError> {
        const SELECT: &str = concat!(
            select!(),
            "WHERE h.workspace_id = $1 ORDER BY h.created_at, h.id"
        );
        let rows = self.read().await?.rows(SELECT, values![id(workspace)]);
        rows.await?.iter().map(read).collect()
    }

    /// A webhook, of whichever workspace.
    pub async fn webhook(&self, webhook: WebhookId) -> Result<Option<WebhookRecord>, StoreError> {
        const SELECT: &str = concat!(select!(), "WHERE h.id = $1");
        let row = self.read().await?.row(SELECT, values![id(webhook)]).await?;
        row.as_ref().map(read).transpose()
    }

    /// The webhooks of all workspaces.
    pub async fn webhook_ids(&self) -> Result<Vec<WebhookId>, StoreError> {
        const SELECT: &str = "SELECT id FROM webhooks ORDER BY id";
        let rows = self.read().await?.rows(SELECT, values![]).await?;
        rows.iter().map(|row| row.parsed("id")).collect()
    }

    /// Changes a webhook. Errors: [`StoreError::NotFound`].
    pub async fn change_webhook(
        &self,
        workspace: WorkspaceId,
        webhook: WebhookId,
        change: WebhookChange,
        now: Timestamp,
    ) -> Result<WebhookRecord, StoreError> {
        let changed = self.write(ChangeIt {
            workspace,
            webhook,
            change,
            now,
        });
        let changed = changed.await?;
        self.hear().await?;
        Ok(changed)
    }

    /// Gives it another secret; the one that it has now signs, too, until then. Errors: [`StoreError::NotFound`].
    pub async fn rotate_webhook(
        &self,
        workspace: WorkspaceId,
        webhook: WebhookId,
        sealed: Vec<u8>,
        before_until: Timestamp,
        now: Timestamp,
    ) -> Result<WebhookRecord, StoreError> {
        self.write(Rotate {
            workspace,
            webhook,
            sealed,
            before_until,
            now,
        })
        .await
    }

    /// Forgets a webhook. Errors: [`StoreError::NotFound`].
    pub async fn delete_webhook(
        &self,
        workspace: WorkspaceId,
        webhook: WebhookId,
    ) -> Result<(), StoreError> {
        self.write(Delete { workspace, webhook }).await?;
        self.hear().await
    }

    /// Notes what came of a try, and says how the webhook is now. Errors: [`StoreError::NotFound`].
    pub async fn tried_webhook(
        &self,
        webhook: WebhookId,
        tried: Tried,
        now: Timestamp,
    ) -> Result<State, StoreError> {
        let state = self.write(Note {
            webhook,
            tried,
            now,
        });
        let state = state.await?;
        if let State::Disabled { .. } = state {
            self.hear().await?;
        }
        Ok(state)
    }
}

fn read(row: &Row) -> Result<WebhookRecord, StoreError> {
    let before = row.opt_bytes("sealed_before")?;
    let until = row.opt_time("before_until")?;
    let webhook = Webhook {
        id: row.parsed("id")?,
        workspace_id: row.parsed("workspace_id")?,
        url: row.text("url")?,
        kinds: row.opt_str("kinds")?.map(read_kinds).transpose()?,
        created_by: row.parsed("created_by")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        state: read_state(row)?,
    };
    Ok(WebhookRecord {
        webhook,
        sealed: row.bytes("sealed")?,
        before: before.zip(until),
    })
}

fn read_state(row: &Row) -> Result<State, StoreError> {
    let Some(at) = row.opt_time("disabled_at")? else {
        return Ok(State::Active {
            failing_since: row.opt_time("failing_since")?,
        });
    };
    let why = Why::parse(row.str("disabled_why")?);
    let why = why.ok_or_else(|| StoreError::corrupt("disabled_why"))?;
    Ok(State::Disabled { at, why })
}

/// Those that this version knows; an older one that runs beside a newer one tells the others not.
fn read_kinds(json: &str) -> Result<Vec<Kind>, StoreError> {
    let names: Vec<String> =
        serde_json::from_str(json).map_err(|_| StoreError::corrupt("kinds"))?;
    Ok(names.iter().filter_map(|name| Kind::parse(name)).collect())
}

fn kinds_json(kinds: Option<&Vec<Kind>>) -> Option<String> {
    kinds.map(|kinds| json_array(kinds.iter().map(|kind| kind.as_str())))
}

async fn locked(
    tx: &mut Tx<'_>,
    workspace: Option<WorkspaceId>,
    webhook: WebhookId,
) -> Result<WebhookRecord, StoreError> {
    let sql = for_update!(select!(), "WHERE h.id = $1");
    let row = tx.row(sql, values![id(webhook)]).await?;
    let record = read(&row.ok_or(StoreError::NotFound)?)?;
    match workspace {
        Some(workspace) if workspace != record.webhook.workspace_id => Err(StoreError::NotFound),
        Some(_) | None => Ok(record),
    }
}

async fn update(tx: &mut Tx<'_>, record: &WebhookRecord) -> Result<(), StoreError> {
    const UPDATE: &str = "UPDATE webhooks SET url = $2, kinds = $3, sealed = $4, sealed_before = $5, before_until = $6, \
         updated_at = $7, failing_since = $8, disabled_at = $9, disabled_why = $10 WHERE id = $1";
    let WebhookRecord {
        webhook,
        sealed,
        before,
    } = record;
    let (failing_since, disabled) = match webhook.state {
        State::Active { failing_since } => (failing_since, None),
        State::Disabled { at, why } => (None, Some((at, why.as_str()))),
    };
    let (before, until) = before.clone().unzip();
    let values = values![
        id(webhook.id),
        &webhook.url,
        kinds_json(webhook.kinds.as_ref()),
        sealed.clone(),
        before,
        until,
        webhook.updated_at,
        failing_since,
        disabled.map(|(at, _)| at),
        disabled.map(|(_, why)| why)
    ];
    tx.execute(UPDATE, values).await?;
    Ok(())
}

struct Add {
    record: WebhookRecord,
}

impl Write for Add {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const INSERT: &str = "INSERT INTO webhooks (id, workspace_id, url, kinds, sealed, created_by, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        const COUNT: &str = "SELECT count(*) AS count FROM webhooks WHERE workspace_id = $1";
        // Two that are made at once are counted one after the other.
        const LOCK: Sql = Sql {
            sqlite: "SELECT id FROM workspaces WHERE id = $1",
            postgres: "SELECT id FROM workspaces WHERE id = $1 FOR NO KEY UPDATE",
        };
        let webhook = &self.record.webhook;
        let workspace = webhook.workspace_id;
        let found = tx.row(LOCK, values![id(workspace)]).await?;
        found.ok_or(StoreError::NotFound)?;
        let row = tx.row(COUNT, values![id(workspace)]).await?;
        let count = row.map_or(Ok(0), |row| row.number::<usize>("count"))?;
        if count >= limits::WEBHOOKS {
            let most = limits::WEBHOOKS;
            return Err(StoreError::TooMany { most });
        }
        let values = values![
            id(webhook.id),
            id(workspace),
            &webhook.url,
            kinds_json(webhook.kinds.as_ref()),
            self.record.sealed.clone(),
            id(webhook.created_by),
            webhook.created_at,
            webhook.updated_at
        ];
        tx.execute(INSERT, values).await?;
        Ok(())
    }
}

struct ChangeIt {
    workspace: WorkspaceId,
    webhook: WebhookId,
    change: WebhookChange,
    now: Timestamp,
}

impl Write for ChangeIt {
    type Output = WebhookRecord;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<WebhookRecord, StoreError> {
        let mut record = locked(tx, Some(self.workspace), self.webhook).await?;
        let WebhookChange { url, kinds, paused } = self.change.clone();
        let webhook = &mut record.webhook;
        webhook.url = url.unwrap_or_else(|| webhook.url.clone());
        webhook.kinds = kinds.unwrap_or_else(|| webhook.kinds.clone());
        webhook.updated_at = self.now;
        webhook.state = match (paused, webhook.state) {
            (Some(true), State::Active { .. }) => State::Disabled {
                at: self.now,
                why: Why::Paused,
            },
            (Some(false), State::Disabled { .. }) => State::Active {
                failing_since: None,
            },
            (Some(_) | None, state) => state,
        };
        update(tx, &record).await?;
        Ok(record)
    }
}

struct Rotate {
    workspace: WorkspaceId,
    webhook: WebhookId,
    sealed: Vec<u8>,
    before_until: Timestamp,
    now: Timestamp,
}

impl Write for Rotate {
    type Output = WebhookRecord;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<WebhookRecord, StoreError> {
        let mut record = locked(tx, Some(self.workspace), self.webhook).await?;
        let before = std::mem::replace(&mut record.sealed, self.sealed.clone());
        record.before = Some((before, self.before_until));
        record.webhook.updated_at = self.now;
        update(tx, &record).await?;
        Ok(record)
    }
}

struct Delete {
    workspace: WorkspaceId,
    webhook: WebhookId,
}

impl Write for Delete {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const DELETE: &str = "DELETE FROM webhooks WHERE id = $1 AND workspace_id = $2";
        let values = values![id(self.webhook), id(self.workspace)];
        match tx.execute(DELETE, values).await? {
            1 => Ok(()),
            _ => Err(StoreError::NotFound),
        }
    }
}

struct Note {
    webhook: WebhookId,
    tried: Tried,
    now: Timestamp,
}

impl Write for Note {
    type Output = State;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<State, StoreError> {
        let mut record = locked(tx, None, self.webhook).await?;
        let before = record.webhook.state;
        let after = match self.tried {
            Tried::Delivered => before.delivered(),
            Tried::Failed { is_gone } => before.failed(is_gone, self.now),
        };
        if after != before {
            record.webhook.state = after;
            update(tx, &record).await?;
        }
        Ok(after)
    }
}
