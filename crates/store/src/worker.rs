//! Workers that registered.

use std::collections::HashMap;

use outwork_domain::labels::Labels;
use outwork_domain::principal::Worker;
use outwork_domain::{AttemptId, Timestamp, WorkerId, WorkspaceId};

use crate::cache;
use crate::error::StoreError;
use crate::record::WorkerRecord;
use crate::sql::{Conn, Row, Sql, for_update, id, values};
use crate::store::{Store, Tx, Write};

impl Store {
    /// Adds a worker or replaces what it said before. Errors: [`StoreError::NotFound`] if the id
    /// belongs to another workspace.
    pub async fn register_worker(&self, worker: &Worker, now: Timestamp) -> Result<(), StoreError> {
        self.write(Register {
            worker: worker.clone(),
            now,
        })
        .await
    }

    /// The worker was heard of. Errors: [`StoreError::NotFound`] if it is not registered.
    pub async fn touch_worker(&self, id: WorkerId, now: Timestamp) -> Result<(), StoreError> {
        self.write(Touch { id, now }).await
    }

    /// The workers, by name, each with what it holds.
    pub async fn workers(&self, workspace: WorkspaceId) -> Result<Vec<WorkerRecord>, StoreError> {
        const HELD: &str = "SELECT lease_worker_id, id FROM attempts \
             WHERE workspace_id = $1 AND state = 'held' ORDER BY id";
        let mut snapshot = self.read().await?;
        let mut conn = snapshot.conn();
        let workers = all(&mut conn, workspace).await?;
        let mut held: HashMap<WorkerId, Vec<AttemptId>> = HashMap::new();
        for row in conn.rows(HELD, values![id(workspace)]).await? {
            let worker = row.parsed("lease_worker_id")?;
            held.entry(worker).or_default().push(row.parsed("id")?);
        }
        let records = workers.into_iter().map(|(worker, seen_at)| WorkerRecord {
            attempts: held.remove(&worker.id).unwrap_or_default(),
            seen_at,
            worker,
        });
        Ok(records.collect())
    }

    /// The worker with what it holds.
    pub async fn worker(
        &self,
        workspace: WorkspaceId,
        worker: WorkerId,
    ) -> Result<Option<WorkerRecord>, StoreError> {
        const WORKER: &str = "SELECT id, workspace_id, name, slots, agents, seen_at, \
             isolation, labels FROM workers WHERE id = $1 AND workspace_id = $2";
        const HELD: &str = "SELECT id FROM attempts WHERE lease_worker_id = $1 \
             AND workspace_id = $2 AND state = 'held' ORDER BY id";
        let values = values![id(worker), id(workspace)];
        let mut snapshot = self.read().await?;
        let mut conn = snapshot.conn();
        let Some(row) = conn.row(WORKER, values.clone()).await? else {
            return Ok(None);
        };
        let held = conn.rows(HELD, values).await?;
        let attempts = held.iter().map(|row| row.parsed("id"));
        Ok(Some(WorkerRecord {
            worker: read(&row)?,
            seen_at: row.time("seen_at")?,
            attempts: attempts.collect::<Result<_, _>>()?,
        }))
    }

    /// Forgets a worker and the snapshots that it keeps; its leases run out. Errors: [`StoreError::NotFound`].
    pub async fn remove_worker(
        &self,
        workspace: WorkspaceId,
        id: WorkerId,
    ) -> Result<(), StoreError> {
        self.write(Remove { workspace, id }).await
    }
}

/// The workers, by name, each with when it was last heard of.
pub(crate) async fn all(
    conn: &mut Conn<'_>,
    workspace: WorkspaceId,
) -> Result<Vec<(Worker, Timestamp)>, StoreError> {
    const SELECT: &str = "SELECT id, workspace_id, name, slots, agents, seen_at, \
         isolation, labels FROM workers WHERE workspace_id = $1 ORDER BY name, id";
    let rows = conn.rows(SELECT, values![id(workspace)]).await?;
    rows.iter()
        .map(|row| Ok((read(row)?, row.time("seen_at")?)))
        .collect()
}

fn read(row: &Row) -> Result<Worker, StoreError> {
    Ok(Worker {
        id: row.parsed("id")?,
        workspace_id: row.parsed("workspace_id")?,
        name: row.text("name")?,
        slots: row.number("slots")?,
        agents: serde_json::from_str(&row.text("agents")?)
            .map_err(|_| StoreError::corrupt("agents"))?,
        isolation: row.opt_text("isolation")?,
        labels: read_labels(row)?,
    })
}

fn read_labels(row: &Row) -> Result<Labels, StoreError> {
    serde_json::from_str(&row.text("labels")?).map_err(|_| StoreError::corrupt("labels"))
}

/// How the worker isolates and which labels it has, as it said when it registered.
pub(crate) async fn traits(
    tx: &mut Tx<'_>,
    worker: WorkerId,
) -> Result<(Option<String>, Labels), StoreError> {
    const SELECT: &str = "SELECT isolation, labels FROM workers WHERE id = $1";
    match tx.row(SELECT, values![id(worker)]).await? {
        Some(row) => Ok((row.opt_text("isolation")?, read_labels(&row)?)),
        None => Ok((None, Labels::new())),
    }
}

fn one(hit: u64) -> Result<(), StoreError> {
    match hit {
        1 => Ok(()),
        _ => Err(StoreError::NotFound),
    }
}

struct Register {
    worker: Worker,
    now: Timestamp,
}

impl Write for Register {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const UPSERT: &str = "INSERT INTO workers (id, workspace_id, name, slots, agents, \
             registered_at, seen_at, isolation, labels) VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8) \
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, slots = excluded.slots, \
             agents = excluded.agents, seen_at = excluded.seen_at, isolation = excluded.isolation, \
             labels = excluded.labels \
             WHERE workers.workspace_id = excluded.workspace_id";
        let Worker {
            id: worker_id,
            workspace_id,
            name,
            slots,
            agents,
            isolation,
            labels,
        } = &self.worker;
        let values = values![
            id(worker_id),
            id(workspace_id),
            name,
            *slots,
            serde_json::to_string(agents).expect("texts are JSON"),
            self.now,
            isolation.as_deref(),
            serde_json::to_string(labels).expect("texts are JSON")
        ];
        one(tx.execute(UPSERT, values).await?)
    }
}

struct Touch {
    id: WorkerId,
    now: Timestamp,
}

impl Write for Touch {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const TOUCH: &str = "UPDATE workers SET seen_at = $2 WHERE id = $1";
        one(tx.execute(TOUCH, values![id(self.id), self.now]).await?)
    }
}

struct Remove {
    workspace: WorkspaceId,
    id: WorkerId,
}

impl Write for Remove {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const LOCK: Sql = for_update!("SELECT id FROM workers WHERE id = $1 AND workspace_id = $2");
        const REMOVE: &str = "DELETE FROM workers WHERE id = $1 AND workspace_id = $2";
        let values = values![id(self.id), id(self.workspace)];
        tx.row(LOCK, values.clone())
            .await?
            .ok_or(StoreError::NotFound)?;
        cache::forget(tx, self.id).await?;
        one(tx.execute(REMOVE, values).await?)
    }
}
