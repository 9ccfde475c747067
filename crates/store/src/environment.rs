//! Environments. Deleting hides them: tasks keep theirs.

use std::time::Duration;

use outwork_domain::environment::{AgentSpec, Environment, EnvironmentSpec};
use outwork_domain::{EnvironmentId, Timestamp, WorkspaceId};

use crate::error::{StoreError, is_duplicate};
use crate::record::Paged;
use crate::sql::{Conn, Row, Value, count, for_update, id, values};
use crate::store::{Store, Tx, Write};

macro_rules! select {
    ($where:literal) => {
        concat!(
            "SELECT id, workspace_id, created_by, revision, created_at, updated_at, label, \
             repository_url, branch, agent, agent_command, setup_script, variables, timeout_ms \
             FROM environments WHERE ",
            $where
        )
    };
}

impl Store {
    /// Adds an environment. Errors: [`StoreError::LabelTaken`].
    pub async fn insert_environment(&self, environment: &Environment) -> Result<(), StoreError> {
        self.write(Insert(environment.clone())).await
    }

    /// Replaces what an environment says; its revision becomes one more than the stored one, and
    /// `id`, `workspace_id`, `created_by` and `created_at` stay. Answers what is stored now.
    /// Errors: [`StoreError::RevisionMismatch`] if the stored revision is not
    /// `expected_revision`, [`StoreError::LabelTaken`], [`StoreError::NotFound`].
    pub async fn update_environment(
        &self,
        environment: &Environment,
        expected_revision: Option<i64>,
    ) -> Result<Environment, StoreError> {
        self.write(Update {
            environment: environment.clone(),
            expected_revision,
        })
        .await
    }

    /// Deletes an environment. Errors: [`StoreError::InUse`] while a task in it is not over,
    /// [`StoreError::NotFound`].
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
    ) -> Result<Option<Environment>, StoreError> {
        const SELECT: &str = select!("id = $1 AND workspace_id = $2 AND deleted_at IS NULL");
        let values = values![id(environment), id(workspace)];
        let row = self.read().await?.row(SELECT, values).await?;
        row.map(|row| read(&row)).transpose()
    }

    /// The environment of that label, compared without case, unless it was deleted.
    pub async fn environment_by_label(
        &self,
        workspace: WorkspaceId,
        label: &str,
    ) -> Result<Option<Environment>, StoreError> {
        const SELECT: &str =
            select!("workspace_id = $1 AND label_folded = $2 AND deleted_at IS NULL");
        let values = values![id(workspace), fold(label)];
        let row = self.read().await?.row(SELECT, values).await?;
        row.map(|row| read(&row)).transpose()
    }

    /// The environments by label, at most `limit` at once. Errors: [`StoreError::BadCursor`].
    pub async fn environments(
        &self,
        workspace: WorkspaceId,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<Paged<Environment>, StoreError> {
        const SELECT: &str = select!(
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
        let mut items = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        Ok(Paged {
            next_cursor: items
                .last()
                .filter(|_| more)
                .map(|environment| environment.id.to_string()),
            items,
        })
    }
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

/// Any environment by its id, deleted or not.
pub(crate) async fn load(
    conn: &mut Conn<'_>,
    environment: EnvironmentId,
) -> Result<Environment, StoreError> {
    const SELECT: &str = select!("id = $1");
    let row = conn.row(SELECT, values![id(environment)]).await?;
    read(&row.ok_or_else(|| StoreError::corrupt("environment_id"))?)
}

struct Insert(Environment);

impl Write for Insert {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const INSERT: &str = "INSERT INTO environments (id, workspace_id, revision, updated_at, \
             label, label_folded, repository_url, branch, agent, agent_command, setup_script, \
             variables, timeout_ms, created_by, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
             ON CONFLICT (workspace_id, label_folded) WHERE deleted_at IS NULL DO NOTHING";
        let environment = &self.0;
        let mut values = columns(environment, environment.revision);
        values.extend(values![id(environment.created_by), environment.created_at]);
        match tx.execute(INSERT, values).await? {
            1 => Ok(()),
            _ => Err(StoreError::LabelTaken),
        }
    }
}

struct Update {
    environment: Environment,
    expected_revision: Option<i64>,
}

impl Write for Update {
    type Output = Environment;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Environment, StoreError> {
        const UPDATE: &str = "UPDATE environments SET revision = $3, updated_at = $4, \
             label = $5, label_folded = $6, repository_url = $7, branch = $8, agent = $9, \
             agent_command = $10, setup_script = $11, variables = $12, timeout_ms = $13 \
             WHERE id = $1 AND workspace_id = $2 AND revision = $14";
        let wanted = &self.environment;
        let stored = locked(tx, wanted.workspace_id, wanted.id).await?;
        if self
            .expected_revision
            .is_some_and(|expected| expected != stored.revision)
        {
            return Err(StoreError::RevisionMismatch);
        }
        let revision = stored.revision + 1;
        let mut values = columns(wanted, revision);
        values.push(Value::from(stored.revision));
        match tx.execute(UPDATE, values).await {
            Ok(1) => Ok(Environment {
                revision,
                created_by: stored.created_by,
                created_at: stored.created_at,
                ..wanted.clone()
            }),
            Ok(_) => Err(StoreError::RevisionMismatch),
            Err(error) if is_duplicate(&error) => Err(StoreError::LabelTaken),
            Err(error) => Err(error),
        }
    }
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
        locked(tx, self.workspace, self.id).await?;
        if let Some(row) = tx.row(UNFINISHED, values![id(self.id)]).await? {
            return Err(StoreError::InUse {
                task: row.parsed("id")?,
            });
        }
        tx.execute(DELETE, values![id(self.id), self.now]).await?;
        Ok(())
    }
}

/// The live environment, locked: no task can be submitted to it until the transaction ends.
async fn locked(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    environment: EnvironmentId,
) -> Result<Environment, StoreError> {
    let sql = for_update!(select!(
        "id = $1 AND workspace_id = $2 AND deleted_at IS NULL"
    ));
    let row = tx.row(sql, values![id(environment), id(workspace)]).await?;
    read(&row.ok_or(StoreError::NotFound)?)
}

/// Id, workspace, and the columns that change, in the order of both statements above.
fn columns(environment: &Environment, revision: i64) -> Vec<Value> {
    let Environment {
        id: environment_id,
        workspace_id,
        created_by: _,
        revision: _,
        created_at: _,
        updated_at,
        spec,
    } = environment;
    let EnvironmentSpec {
        label,
        repository_url,
        branch,
        agent,
        setup_script,
        variables,
        timeout,
    } = spec;
    let agent_command = match agent {
        AgentSpec::Codex => None,
        AgentSpec::Command(command) => Some(command.as_str()),
    };
    values![
        id(environment_id),
        id(workspace_id),
        revision,
        *updated_at,
        label,
        fold(label),
        repository_url,
        branch.as_deref(),
        agent.name(),
        agent_command,
        setup_script.as_deref(),
        serde_json::to_string(variables).expect("texts are JSON"),
        count(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX))
    ]
}

/// Labels are the same when this is the same.
fn fold(label: &str) -> String {
    label.to_lowercase()
}

fn read(row: &Row) -> Result<Environment, StoreError> {
    let agent = match (row.text("agent")?.as_str(), row.opt_text("agent_command")?) {
        ("codex", None) => AgentSpec::Codex,
        ("command", Some(command)) => AgentSpec::Command(command),
        (_, _) => return Err(StoreError::corrupt("agent")),
    };
    Ok(Environment {
        id: row.parsed("id")?,
        workspace_id: row.parsed("workspace_id")?,
        created_by: row.parsed("created_by")?,
        revision: row.int("revision")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        spec: EnvironmentSpec {
            label: row.text("label")?,
            repository_url: row.text("repository_url")?,
            branch: row.opt_text("branch")?,
            agent,
            setup_script: row.opt_text("setup_script")?,
            variables: serde_json::from_str(&row.text("variables")?)
                .map_err(|_| StoreError::corrupt("variables"))?,
            timeout: Duration::from_millis(row.number("timeout_ms")?),
        },
    })
}
