//! Who did what.

use outwork_domain::{AuditId, PrincipalId, Timestamp, WorkspaceId};

use crate::error::StoreError;
use crate::record::Paged;
use crate::sql::{id, values};
use crate::store::{Store, Tx, Write};

/// Something that somebody did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAudit {
    /// Its id.
    pub id: AuditId,
    /// In which workspace.
    pub workspace_id: WorkspaceId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub principal_id: PrincipalId,
    /// What: the method and the route that was called.
    pub action: String,
    /// On what: the address that was called.
    pub object: String,
}

/// Something that somebody did, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its id.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub principal_id: PrincipalId,
    /// What.
    pub action: String,
    /// On what.
    pub object: String,
}

impl Store {
    /// Keeps what somebody did.
    pub async fn audit(&self, new: NewAudit) -> Result<(), StoreError> {
        self.write(Add { new }).await
    }

    /// What was done in a workspace, newest first, at most `limit`. Errors: [`StoreError::BadCursor`].
    pub async fn audited(
        &self,
        workspace: WorkspaceId,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<Paged<AuditRecord>, StoreError> {
        const SELECT: &str = "SELECT id, at, principal_id, action, object FROM audit \
             WHERE workspace_id = $1 AND (at, id) < ($2, $3) ORDER BY at DESC, id DESC LIMIT $4";
        let (at, before) = match cursor {
            Some(cursor) => read_cursor(cursor).ok_or(StoreError::BadCursor)?,
            None => (i64::MAX, String::new()),
        };
        let values = values![id(workspace), at, before, i64::from(limit) + 1];
        let rows = self.read().await?.rows(SELECT, values).await?;
        let mut items = Vec::with_capacity(rows.len());
        for row in rows.iter().take(limit as usize) {
            items.push(AuditRecord {
                id: row.parsed("id")?,
                at: row.time("at")?,
                principal_id: row.parsed("principal_id")?,
                action: row.text("action")?,
                object: row.text("object")?,
            });
        }
        let has_more = rows.len() > items.len();
        let last = items.last().filter(|_| has_more);
        Ok(Paged {
            next_cursor: last.map(|last| format!("{}.{}", last.at.as_millis(), last.id)),
            items,
        })
    }
}

fn read_cursor(cursor: &str) -> Option<(i64, String)> {
    let (at, before) = cursor.split_once('.')?;
    let before: AuditId = before.parse().ok()?;
    Some((at.parse().ok()?, before.to_string()))
}

struct Add {
    new: NewAudit,
}

impl Write for Add {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const INSERT: &str = "INSERT INTO audit (id, workspace_id, at, principal_id, action, object) \
             VALUES ($1, $2, $3, $4, $5, $6)";
        let NewAudit {
            id: audit,
            workspace_id,
            at,
            principal_id,
            action,
            object,
        } = &self.new;
        let values = values![
            id(audit),
            id(workspace_id),
            *at,
            id(principal_id),
            action,
            object
        ];
        tx.execute(INSERT, values).await?;
        Ok(())
    }
}
