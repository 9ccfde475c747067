//! Integrations, with their secrets sealed by the caller, and who is known there.

use outwork_domain::integration::{Integration, IntegrationKind, LinkedUser};
use outwork_domain::{IntegrationId, PrincipalId, Timestamp, WorkspaceId};

use crate::error::StoreError;
use crate::member::{self, MemberRecord};
use crate::sql::{Row, id, values};
use crate::store::{Store, Tx, Write};

/// How many integrations a workspace has at most.
const MOST: usize = 100;
/// How many people are known in one at most.
const MOST_USERS: usize = 10_000;

/// An integration with its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegrationRecord {
    /// What it is.
    pub integration: Integration,
    /// Its secrets, sealed; `None` after they were forgotten.
    pub sealed: Option<Vec<u8>>,
}

/// `SELECT` of what [`read`] wants, up to where `WHERE` follows.
macro_rules! select {
    () => {
        "SELECT i.id, i.workspace_id, i.kind, i.name, i.principal_id, i.settings, i.sealed, i.is_active, i.created_at, \
         i.updated_at FROM integrations i "
    };
}

impl Store {
    /// Adds an integration, and the member that it acts as. Errors: [`StoreError::NameTaken`], [`StoreError::TooMany`].
    pub async fn add_integration(
        &self,
        record: IntegrationRecord,
        member: MemberRecord,
    ) -> Result<(), StoreError> {
        self.write(Add { record, member }).await
    }

    /// Stores what can be changed of an integration: name, settings, secrets, whether it is active. Errors: [`StoreError::NotFound`],
    /// [`StoreError::NameTaken`].
    pub async fn change_integration(&self, record: IntegrationRecord) -> Result<(), StoreError> {
        self.write(ChangeIt { record }).await
    }

    /// Forgets an integration and what was talked about there, and deactivates its member; its tasks stay. Errors: [`StoreError::NotFound`].
    pub async fn remove_integration(
        &self,
        workspace: WorkspaceId,
        integration: IntegrationId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(Remove {
            workspace,
            integration,
            now,
        })
        .await
    }

    /// The integrations of a workspace, by name.
    pub async fn integrations(
        &self,
        workspace: WorkspaceId,
    ) -> Result<Vec<IntegrationRecord>, StoreError> {
        const SELECT: &str = concat!(select!(), "WHERE i.workspace_id = $1 ORDER BY i.name");
        let rows = self.read().await?.rows(SELECT, values![id(workspace)]);
        rows.await?.iter().map(read).collect()
    }

    /// Those of a kind, of every workspace: for a server that keeps a connection open for each.
    pub async fn integrations_of_kind(
        &self,
        kind: IntegrationKind,
    ) -> Result<Vec<IntegrationRecord>, StoreError> {
        const SELECT: &str = concat!(select!(), "WHERE i.kind = $1 ORDER BY i.id");
        let rows = self.read().await?.rows(SELECT, values![kind.as_str()]);
        rows.await?.iter().map(read).collect()
    }

    /// An integration of whichever workspace: for what comes in, which names nothing else.
    pub async fn integration(
        &self,
        integration: IntegrationId,
    ) -> Result<Option<IntegrationRecord>, StoreError> {
        const SELECT: &str = concat!(select!(), "WHERE i.id = $1");
        let row = self.read().await?.row(SELECT, values![id(integration)]);
        row.await?.as_ref().map(read).transpose()
    }

    /// Says who somebody of an integration is; the same person again is replaced. Errors: [`StoreError::NotFound`] if there is no
    /// such integration or member, [`StoreError::TooMany`].
    pub async fn link_user(
        &self,
        workspace: WorkspaceId,
        user: LinkedUser,
    ) -> Result<(), StoreError> {
        self.write(Link { workspace, user }).await
    }

    /// Forgets who somebody is. Errors: [`StoreError::NotFound`].
    pub async fn unlink_user(
        &self,
        workspace: WorkspaceId,
        integration: IntegrationId,
        external_id: &str,
    ) -> Result<(), StoreError> {
        let external_id = external_id.to_owned();
        self.write(Unlink {
            workspace,
            integration,
            external_id,
        })
        .await
    }

    /// Who is known in an integration, by name.
    pub async fn linked_users(
        &self,
        integration: IntegrationId,
    ) -> Result<Vec<LinkedUser>, StoreError> {
        const SELECT: &str = "SELECT integration_id, external_id, name, principal_id, created_at FROM linked_users \
             WHERE integration_id = $1 ORDER BY name, external_id";
        let rows = self.read().await?.rows(SELECT, values![id(integration)]);
        rows.await?.iter().map(read_user).collect()
    }

    /// The member that somebody of an integration is, whether or not it still is one.
    pub async fn linked_user(
        &self,
        integration: IntegrationId,
        external_id: &str,
    ) -> Result<Option<LinkedUser>, StoreError> {
        const SELECT: &str = "SELECT integration_id, external_id, name, principal_id, created_at FROM linked_users \
             WHERE integration_id = $1 AND external_id = $2";
        let values = values![id(integration), external_id];
        let row = self.read().await?.row(SELECT, values).await?;
        row.as_ref().map(read_user).transpose()
    }

    /// What a member may do now: for what acts for one without a token. `None` if it is no member any more.
    pub async fn acting(
        &self,
        workspace: WorkspaceId,
        principal: PrincipalId,
    ) -> Result<Option<outwork_domain::principal::Principal>, StoreError> {
        let member = self.member(workspace, principal).await?;
        Ok(member.map(|it| outwork_domain::principal::Principal {
            id: it.id,
            workspace_id: workspace,
            kind: it.kind,
            name: it.name,
            role: it.role,
            worker_id: None,
        }))
    }
}

fn read(row: &Row) -> Result<IntegrationRecord, StoreError> {
    let kind = IntegrationKind::parse(row.str("kind")?);
    let integration = Integration {
        id: row.parsed("id")?,
        workspace_id: row.parsed("workspace_id")?,
        kind: kind.ok_or_else(|| StoreError::corrupt("kind of an integration"))?,
        name: row.text("name")?,
        principal_id: row.parsed("principal_id")?,
        settings: row.text("settings")?,
        is_active: row.int("is_active")? == 1,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    };
    Ok(IntegrationRecord {
        integration,
        sealed: row.opt_bytes("sealed")?,
    })
}

fn read_user(row: &Row) -> Result<LinkedUser, StoreError> {
    Ok(LinkedUser {
        integration_id: row.parsed("integration_id")?,
        external_id: row.text("external_id")?,
        name: row.text("name")?,
        principal_id: row.parsed("principal_id")?,
        created_at: row.time("created_at")?,
    })
}

async fn name_is_free(tx: &mut Tx<'_>, integration: &Integration) -> Result<(), StoreError> {
    const OTHERS: &str = "SELECT name FROM integrations WHERE workspace_id = $1 AND id <> $2";
    let values = values![id(integration.workspace_id), id(integration.id)];
    let others = tx.rows(OTHERS, values).await?;
    let folded = integration.name.to_lowercase();
    for other in &others {
        if other.str("name")?.to_lowercase() == folded {
            return Err(StoreError::NameTaken);
        }
    }
    match others.len() {
        many if many >= MOST => Err(StoreError::TooMany { most: MOST }),
        _ => Ok(()),
    }
}

struct Add {
    record: IntegrationRecord,
    member: MemberRecord,
}

impl Write for Add {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const INSERT: &str = "INSERT INTO integrations (id, workspace_id, kind, name, principal_id, settings, sealed, is_active, \
             created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        let IntegrationRecord {
            integration,
            sealed,
        } = &self.record;
        name_is_free(tx, integration).await?;
        member::insert(tx, integration.workspace_id, &self.member).await?;
        let Integration {
            id: integration,
            workspace_id,
            kind,
            name,
            principal_id,
            settings,
            is_active,
            created_at,
            updated_at,
        } = integration;
        let values = values![
            id(integration),
            id(workspace_id),
            kind.as_str(),
            name,
            id(principal_id),
            settings,
            sealed.clone(),
            i64::from(*is_active),
            *created_at,
            *updated_at
        ];
        tx.execute(INSERT, values).await?;
        Ok(())
    }
}

struct ChangeIt {
    record: IntegrationRecord,
}

impl Write for ChangeIt {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const UPDATE: &str = "UPDATE integrations SET name = $3, settings = $4, sealed = $5, is_active = $6, updated_at = $7 \
             WHERE id = $1 AND workspace_id = $2";
        let IntegrationRecord {
            integration,
            sealed,
        } = &self.record;
        name_is_free(tx, integration).await?;
        let values = values![
            id(integration.id),
            id(integration.workspace_id),
            &integration.name,
            &integration.settings,
            sealed.clone(),
            i64::from(integration.is_active),
            integration.updated_at
        ];
        match tx.execute(UPDATE, values).await? {
            1 => Ok(()),
            _ => Err(StoreError::NotFound),
        }
    }
}

struct Remove {
    workspace: WorkspaceId,
    integration: IntegrationId,
    now: Timestamp,
}

impl Write for Remove {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const JOBS: &str = "DELETE FROM jobs WHERE workspace_id = $1 AND owner = $2 AND queue IN ('inbound', 'post')";
        const DELETE: &str =
            "DELETE FROM integrations WHERE workspace_id = $1 AND id = $2 RETURNING principal_id";
        let values = values![id(self.workspace), id(self.integration)];
        tx.execute(JOBS, values.clone()).await?;
        let row = tx.row(DELETE, values).await?;
        let principal = row.ok_or(StoreError::NotFound)?.parsed("principal_id")?;
        // Somebody may have removed it before.
        match member::deactivate(tx, self.workspace, principal, self.now).await {
            Err(StoreError::NotFound) => Ok(()),
            done => done,
        }
    }
}

async fn is_there(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    integration: IntegrationId,
) -> Result<(), StoreError> {
    const SELECT: &str = "SELECT id FROM integrations WHERE workspace_id = $1 AND id = $2";
    let row = tx.row(SELECT, values![id(workspace), id(integration)]);
    row.await?.map(drop).ok_or(StoreError::NotFound)
}

struct Link {
    workspace: WorkspaceId,
    user: LinkedUser,
}

impl Write for Link {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const MEMBER: &str = "SELECT id FROM principals WHERE workspace_id = $1 AND id = $2 AND kind <> 'worker' \
             AND deactivated_at IS NULL";
        const COUNT: &str = "SELECT count(*) AS count FROM linked_users WHERE integration_id = $1";
        const UPSERT: &str = "INSERT INTO linked_users (integration_id, external_id, name, principal_id, created_at) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (integration_id, external_id) \
             DO UPDATE SET name = excluded.name, principal_id = excluded.principal_id, created_at = excluded.created_at";
        let LinkedUser {
            integration_id,
            external_id,
            name,
            principal_id,
            created_at,
        } = &self.user;
        is_there(tx, self.workspace, *integration_id).await?;
        let member = tx.row(MEMBER, values![id(self.workspace), id(principal_id)]);
        member.await?.ok_or(StoreError::NotFound)?;
        let row = tx.row(COUNT, values![id(integration_id)]).await?;
        let count = row.map_or(Ok(0), |row| row.number::<usize>("count"))?;
        if count >= MOST_USERS {
            return Err(StoreError::TooMany { most: MOST_USERS });
        }
        let values = values![
            id(integration_id),
            external_id,
            name,
            id(principal_id),
            *created_at
        ];
        tx.execute(UPSERT, values).await?;
        Ok(())
    }
}

struct Unlink {
    workspace: WorkspaceId,
    integration: IntegrationId,
    external_id: String,
}

impl Write for Unlink {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const DELETE: &str =
            "DELETE FROM linked_users WHERE integration_id = $1 AND external_id = $2";
        is_there(tx, self.workspace, self.integration).await?;
        let values = values![id(self.integration), &self.external_id];
        match tx.execute(DELETE, values).await? {
            1 => Ok(()),
            _ => Err(StoreError::NotFound),
        }
    }
}
