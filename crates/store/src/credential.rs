//! Credentials for repositories, sealed by the caller.

use outwork_domain::credential::{Credential, CredentialKind, CredentialScope};
use outwork_domain::{CredentialId, WorkspaceId, limits};

use crate::error::StoreError;
use crate::record::CredentialRecord;
use crate::sql::{Conn, Row, Sql, id, values};
use crate::store::{Store, Tx, Write};

impl Store {
    /// Stores a credential; one of the same scope and kind is replaced and keeps its id. Answers
    /// what is stored now. Errors: [`StoreError::TooMany`].
    pub async fn set_credential(&self, record: CredentialRecord) -> Result<Credential, StoreError> {
        self.write(Set { record }).await
    }

    /// Forgets a credential. Errors: [`StoreError::NotFound`].
    pub async fn delete_credential(
        &self,
        workspace: WorkspaceId,
        credential: CredentialId,
    ) -> Result<(), StoreError> {
        self.write(Delete {
            workspace,
            credential,
        })
        .await
    }

    /// The credentials of the workspace, by scope and kind.
    pub async fn credentials(
        &self,
        workspace: WorkspaceId,
    ) -> Result<Vec<CredentialRecord>, StoreError> {
        Ok(self.of_workspace(workspace).await?.credentials.clone())
    }
}

pub(crate) async fn load(
    conn: &mut Conn<'_>,
    workspace: WorkspaceId,
) -> Result<Vec<CredentialRecord>, StoreError> {
    const SELECT: &str = "SELECT id, workspace_id, scope, kind, username, sealed, updated_at \
         FROM credentials WHERE workspace_id = $1 ORDER BY scope, kind";
    let rows = conn.rows(SELECT, values![id(workspace)]).await?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<CredentialRecord, StoreError> {
    let credential = Credential {
        id: row.parsed("id")?,
        workspace_id: row.parsed("workspace_id")?,
        scope: CredentialScope::parse(&row.text("scope")?)
            .map_err(|_| StoreError::corrupt("scope"))?,
        kind: CredentialKind::parse(&row.text("kind")?)
            .ok_or_else(|| StoreError::corrupt("kind"))?,
        username: row.opt_text("username")?,
        updated_at: row.time("updated_at")?,
    };
    Ok(CredentialRecord {
        credential,
        sealed: row.bytes("sealed")?,
    })
}

struct Set {
    record: CredentialRecord,
}

impl Write for Set {
    type Output = Credential;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Credential, StoreError> {
        const UPSERT: &str = "INSERT INTO credentials \
             (id, workspace_id, scope, kind, username, sealed, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (workspace_id, scope, kind) DO UPDATE SET username = excluded.username, \
             sealed = excluded.sealed, updated_at = excluded.updated_at \
             RETURNING id";
        // Two that are set at once are counted one after the other.
        const LOCK: Sql = Sql {
            sqlite: "SELECT id FROM workspaces WHERE id = $1",
            postgres: "SELECT id FROM workspaces WHERE id = $1 FOR NO KEY UPDATE",
        };
        let CredentialRecord { credential, sealed } = &self.record;
        let Credential {
            id: credential_id,
            workspace_id,
            scope,
            kind,
            username,
            updated_at,
        } = credential;
        tx.row(LOCK, values![id(workspace_id)])
            .await?
            .ok_or(StoreError::NotFound)?;
        let values = values![
            id(credential_id),
            id(workspace_id),
            scope.as_str(),
            kind.as_str(),
            username.as_deref(),
            sealed.clone(),
            *updated_at
        ];
        let row = tx.row(UPSERT, values).await?;
        let stored = row
            .ok_or_else(|| StoreError::corrupt("credential"))?
            .parsed("id")?;
        let all = load(tx.conn(), *workspace_id).await?;
        if stored == *credential_id && all.len() > limits::CREDENTIALS {
            return Err(StoreError::TooMany {
                most: limits::CREDENTIALS,
            });
        }
        Ok(Credential {
            id: stored,
            ..credential.clone()
        })
    }
}

struct Delete {
    workspace: WorkspaceId,
    credential: CredentialId,
}

impl Write for Delete {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const DELETE: &str = "DELETE FROM credentials WHERE id = $1 AND workspace_id = $2";
        let values = values![id(self.credential), id(self.workspace)];
        match tx.execute(DELETE, values).await? {
            1 => Ok(()),
            _ => Err(StoreError::NotFound),
        }
    }
}
