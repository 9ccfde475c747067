//! Environments, the names of their secrets and the targets of their injections. Deleting hides them: tasks keep theirs.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use outwork_domain::environment::Environment;
use outwork_domain::{EnvironmentId, Timestamp, WorkspaceId};

use crate::environment_row::{INSERT, UPDATE, columns, fold, read, select_environments};
use crate::error::{StoreError, is_duplicate};
use crate::lane::Move;
use crate::record::{EnvironmentRecord, Paged, SealedChanges};
use crate::settings::Kept;
use crate::sql::{Conn, Row, Value, for_update, id, values};
use crate::store::{Store, Tx, Write};
use crate::{injection, secret};

impl Store {
    /// Adds an environment with what is sealed beside it; its `updated_at` is taken as the present time.
    /// Answers what is stored now. Errors: [`StoreError::LabelTaken`].
    pub async fn insert_environment(
        &self,
        environment: &Environment,
        sealed: impl Into<SealedChanges>,
    ) -> Result<EnvironmentRecord, StoreError> {
        self.write(Insert {
            environment: environment.clone(),
            sealed: sealed.into(),
        })
        .await
    }

    /// Replaces what an environment says and changes what is sealed beside it; its revision becomes one more
    /// than the stored one, and `id`, `workspace_id`, `created_by` and `created_at` stay;
    /// `updated_at` is taken as the present time. Answers what is stored now. Errors:
    /// [`StoreError::RevisionMismatch`] if the stored revision is not `expected_revision`,
    /// [`StoreError::LabelTaken`], [`StoreError::NotFound`].
    pub async fn update_environment(
        &self,
        environment: &Environment,
        sealed: impl Into<SealedChanges>,
        expected_revision: Option<i64>,
    ) -> Result<EnvironmentRecord, StoreError> {
        self.write(Update {
            environment: environment.clone(),
            sealed: sealed.into(),
            expected_revision,
        })
        .await
    }

    /// Deletes an environment; its secrets and injections are gone. Errors: [`StoreError::InUse`] while a task in
    /// it is not over, [`StoreError::NotFound`].
    pub async fn delete_environment(
        &self,
        workspace: WorkspaceId,
        id: EnvironmentId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(Delete { workspace, id, now }).await
    }

    /// The environment, unless it was deleted.
    pub async fn environment(
        &self,
        workspace: WorkspaceId,
        environment: EnvironmentId,
    ) -> Result<Option<EnvironmentRecord>, StoreError> {
        const SELECT: &str =
            select_environments!("id = $1 AND workspace_id = $2 AND deleted_at IS NULL");
        let values = values![id(environment), id(workspace)];
        let key = (workspace, environment);
        self.kept(|kept| &mut kept.environments, key, SELECT, values)
            .await
    }

    /// The environment of that label, compared without case, unless it was deleted.
    pub async fn environment_by_label(
        &self,
        workspace: WorkspaceId,
        label: &str,
    ) -> Result<Option<EnvironmentRecord>, StoreError> {
        const SELECT: &str =
            select_environments!("workspace_id = $1 AND label_folded = $2 AND deleted_at IS NULL");
        let folded = fold(label);
        let key = (workspace, folded.clone());
        let values = values![id(workspace), folded];
        self.kept(|kept| &mut kept.labels, key, SELECT, values)
            .await
    }

    /// An environment that is kept among the settings, or is from now on.
    async fn kept<K: Eq + Hash>(
        &self,
        map: fn(&mut Kept) -> &mut HashMap<K, Arc<EnvironmentRecord>>,
        key: K,
        select: &'static str,
        values: Vec<Value<'_>>,
    ) -> Result<Option<EnvironmentRecord>, StoreError> {
        let version = self.settings_version().await?;
        let settings = self.settings();
        if let Some(kept) = settings.get(version, map, &key) {
            return Ok(Some(EnvironmentRecord::clone(&kept)));
        }
        let mut snapshot = self.read().await?;
        let mut conn = snapshot.conn();
        let rows = conn.rows(select, values).await?;
        let found = records(&mut conn, &rows).await?.pop();
        let kept = found.map(|record| settings.keep(version, map, key, record));
        Ok(kept.as_deref().cloned())
    }

    /// The environments by label, at most `limit` at once. Errors: [`StoreError::BadCursor`].
    pub async fn environments(
        &self,
        workspace: WorkspaceId,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<Paged<EnvironmentRecord>, StoreError> {
        const SELECT: &str = select_environments!(
            "workspace_id = $1 AND label_folded > $2 AND deleted_at IS NULL \
             ORDER BY label_folded LIMIT $3"
        );
        let mut snapshot = self.read().await?;
        let mut conn = snapshot.conn();
        let after = match cursor {
            Some(cursor) => label_of(&mut conn, workspace, cursor).await?,
            None => String::new(),
        };
        let values = values![id(workspace), after, i64::from(limit) + 1];
        let rows = conn.rows(SELECT, values).await?;
        let more = rows.len() > limit as usize;
        let rows = &rows[..rows.len().min(limit as usize)];
        let items = records(&mut conn, rows).await?;
        Ok(Paged {
            next_cursor: items
                .last()
                .filter(|_| more)
                .map(|record| record.environment.id.to_string()),
            items,
        })
    }
}

/// The environments in `rows` with what is sealed beside them, which is two statements more.
async fn records(conn: &mut Conn<'_>, rows: &[Row]) -> Result<Vec<EnvironmentRecord>, StoreError> {
    let mut records = Vec::with_capacity(rows.len());
    for row in rows {
        records.push(EnvironmentRecord {
            environment: read(row)?,
            secrets: Vec::new(),
            injections: Vec::new(),
            cache_generation: row.int("cache_generation")?,
        });
    }
    let ids = || records.iter().map(|record| record.environment.id);
    let mut names = secret::names(conn, ids()).await?;
    let mut targets = injection::targets(conn, ids()).await?;
    for record in &mut records {
        let id = &record.environment.id;
        record.secrets = names.remove(id).unwrap_or_default();
        record.injections = targets.remove(id).unwrap_or_default();
    }
    Ok(records)
}

/// A cursor is the id of the last environment seen; deleted ones are still there to look at.
async fn label_of(
    conn: &mut Conn<'_>,
    workspace: WorkspaceId,
    cursor: &str,
) -> Result<String, StoreError> {
    const SELECT: &str =
        "SELECT label_folded FROM environments WHERE id = $1 AND workspace_id = $2";
    let last: EnvironmentId = cursor.parse().map_err(|_| StoreError::BadCursor)?;
    conn.row(SELECT, values![id(last), id(workspace)])
        .await?
        .ok_or(StoreError::BadCursor)?
        .text("label_folded")
}

/// Any environment by its id, deleted or not, and the generation of its cache.
pub(crate) async fn load(
    conn: &mut Conn<'_>,
    environment: EnvironmentId,
) -> Result<(Environment, i64), StoreError> {
    const SELECT: &str = select_environments!("id = $1");
    let row = conn.row(SELECT, values![id(environment)]).await?;
    let row = row.ok_or_else(|| StoreError::corrupt("environment_id"))?;
    Ok((read(&row)?, row.int("cache_generation")?))
}

/// What was just written.
async fn written(
    tx: &mut Tx<'_>,
    environment: EnvironmentId,
) -> Result<EnvironmentRecord, StoreError> {
    const SELECT: &str = select_environments!("id = $1");
    let rows = tx.rows(SELECT, values![id(environment)]).await?;
    let record = records(tx.conn(), &rows).await?.pop();
    record.ok_or_else(|| StoreError::corrupt("environment_id"))
}

struct Insert {
    environment: Environment,
    sealed: SealedChanges,
}

impl Write for Insert {
    type Output = EnvironmentRecord;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<EnvironmentRecord, StoreError> {
        let wanted = &self.environment;
        let mut values = columns(wanted, wanted.revision);
        values.extend(values![id(wanted.created_by), wanted.created_at]);
        match tx.execute(INSERT, values).await? {
            1 => {}
            _ => return Err(StoreError::LabelTaken),
        }
        change(tx, wanted, &self.sealed).await?;
        written(tx, wanted.id).await
    }
}

struct Update {
    environment: Environment,
    sealed: SealedChanges,
    expected_revision: Option<i64>,
}

impl Write for Update {
    type Output = EnvironmentRecord;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<EnvironmentRecord, StoreError> {
        let wanted = &self.environment;
        let stored = locked(tx, wanted.workspace_id, wanted.id).await?;
        if self
            .expected_revision
            .is_some_and(|expected| expected != stored.revision)
        {
            return Err(StoreError::RevisionMismatch);
        }
        let mut values = columns(wanted, stored.revision + 1);
        values.push(Value::from(stored.revision));
        match tx.execute(UPDATE, values).await {
            Ok(1) => {}
            Ok(_) => return Err(StoreError::RevisionMismatch),
            Err(error) if is_duplicate(&error) => return Err(StoreError::LabelTaken),
            Err(error) => return Err(error),
        }
        tx.moved(Move::Environment);
        change(tx, wanted, &self.sealed).await?;
        written(tx, wanted.id).await
    }
}

/// What is sealed beside an environment that the transaction holds.
async fn change(
    tx: &mut Tx<'_>,
    environment: &Environment,
    sealed: &SealedChanges,
) -> Result<(), StoreError> {
    let SealedChanges {
        secrets,
        injections,
    } = sealed;
    let (workspace, id, now) = (
        environment.workspace_id,
        environment.id,
        environment.updated_at,
    );
    secret::change(tx, workspace, id, secrets, now).await?;
    injection::change(tx, id, injections, now).await
}

struct Delete {
    workspace: WorkspaceId,
    id: EnvironmentId,
    now: Timestamp,
}

impl Write for Delete {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const UNFINISHED: &str = "SELECT t.id FROM attempts a CROSS JOIN tasks t \
             WHERE a.due_at IS NOT NULL AND t.id = a.task_id AND t.environment_id = $1 LIMIT 1";
        const DELETE: &str = "UPDATE environments SET deleted_at = $2 WHERE id = $1";
        const SECRETS: &str = "DELETE FROM environment_secrets WHERE environment_id = $1";
        const INJECTIONS: &str = "DELETE FROM environment_injections WHERE environment_id = $1";
        locked(tx, self.workspace, self.id).await?;
        if let Some(row) = tx.row(UNFINISHED, values![id(self.id)]).await? {
            return Err(StoreError::InUse {
                task: row.parsed("id")?,
            });
        }
        tx.execute(DELETE, values![id(self.id), self.now]).await?;
        tx.execute(SECRETS, values![id(self.id)]).await?;
        tx.execute(INJECTIONS, values![id(self.id)]).await?;
        Ok(())
    }
}

/// The live environment, locked: no task can be submitted to it until the transaction ends.
async fn locked(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    environment: EnvironmentId,
) -> Result<Environment, StoreError> {
    let sql = for_update!(select_environments!(
        "id = $1 AND workspace_id = $2 AND deleted_at IS NULL"
    ));
    let row = tx.row(sql, values![id(environment), id(workspace)]).await?;
    read(&row.ok_or(StoreError::NotFound)?)
}
