//! Workers that registered.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use outwork_domain::labels::Labels;
use outwork_domain::principal::{Worker, WorkerDesired, WorkerOrders, WorkerVersions};
use outwork_domain::{AttemptId, Epoch, Timestamp, WorkerId, WorkspaceId};

use crate::error::StoreError;
use crate::orders;
use crate::record::{Capacity, WorkerRecord};
use crate::settings::{Settings, Version};
use crate::sql::{Conn, Row, id, values};
use crate::store::{Store, Tx, Write};

/// `SELECT` of what [`read_record`] wants, up to where `WHERE` follows.
macro_rules! select {
    () => {
        "SELECT w.id, w.workspace_id, w.name, w.slots, w.agents, w.seen_at, w.isolation, \
         w.labels, w.free_slots, w.draining, w.protocol_version, w.version, w.agent_versions, \
         o.desired, o.deadline_at, o.slots AS desired_slots, t.token_id FROM workers w \
         LEFT JOIN worker_orders o ON o.worker_id = w.id \
         LEFT JOIN worker_tokens t ON t.worker_id = w.id "
    };
}
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

    /// The worker as it registered.
    pub async fn registered_worker(
        &self,
        workspace: WorkspaceId,
        worker: WorkerId,
    ) -> Result<Option<Arc<Worker>>, StoreError> {
        let known = self.known_worker(workspace, worker).await?;
        Ok(known.map(|known| Arc::clone(&known.worker)))
    }

    async fn known_worker(
        &self,
        workspace: WorkspaceId,
        worker: WorkerId,
    ) -> Result<Option<Arc<Known>>, StoreError> {
        let version = self.settings_version().await?;
        let settings = self.settings();
        let known = match settings.get(version, |kept| &mut kept.workers, &worker) {
            Some(known) => Some(known),
            None => known(&mut self.read().await?.conn(), settings, version, worker).await?,
        };
        Ok(known.filter(|known| known.worker.workspace_id == workspace))
    }

    /// The workers were heard of then; what is not registered is passed over.
    pub async fn touch_workers(
        &self,
        heard: BTreeMap<WorkerId, Timestamp>,
    ) -> Result<(), StoreError> {
        self.write(TouchAll { heard }).await
    }

    /// The worker was heard of, and said what it has room for. Errors: [`StoreError::NotFound`] if
    /// it is not registered.
    pub async fn beat_worker(
        &self,
        id: WorkerId,
        capacity: Capacity,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(Beat { id, capacity, now }).await
    }

    /// The workers, by name, each with what it holds.
    pub async fn workers(&self, workspace: WorkspaceId) -> Result<Vec<WorkerRecord>, StoreError> {
        const HELD: &str = "SELECT lease_worker_id, id FROM attempts \
             WHERE workspace_id = $1 AND state = 'held' ORDER BY id";
        let mut snapshot = self.read().await?;
        let mut conn = snapshot.conn();
        let mut workers = all(&mut conn, workspace).await?;
        let mut held: HashMap<WorkerId, Vec<AttemptId>> = HashMap::new();
        for row in conn.rows(HELD, values![id(workspace)]).await? {
            let worker = row.parsed("lease_worker_id")?;
            held.entry(worker).or_default().push(row.parsed("id")?);
        }
        for record in &mut workers {
            record.attempts = held.remove(&record.worker.id).unwrap_or_default();
        }
        Ok(workers)
    }

    /// The worker with what it holds.
    pub async fn worker(
        &self,
        workspace: WorkspaceId,
        worker: WorkerId,
    ) -> Result<Option<WorkerRecord>, StoreError> {
        const WORKER: &str = concat!(select!(), "WHERE w.id = $1 AND w.workspace_id = $2");
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
        let attempts = attempts.collect::<Result<_, _>>()?;
        Ok(Some(read_record(&row, attempts)?))
    }

    /// Which worker holds the attempt with that claim; `None` if the claim holds it no more.
    pub async fn holder(
        &self,
        attempt: AttemptId,
        epoch: Epoch,
    ) -> Result<Option<WorkerId>, StoreError> {
        const HOLDER: &str = "SELECT lease_worker_id FROM attempts WHERE id = $1 AND epoch = $2";
        let values = values![id(attempt), epoch.get()];
        let row = self.read().await?.row(HOLDER, values).await?;
        row.map_or(Ok(None), |row| row.opt_parsed("lease_worker_id"))
    }

    /// Forgets a worker and the snapshots that it keeps; its leases run out. One that was to be
    /// retired is forgotten for good: what was ordered goes, and its own token is revoked. Errors:
    /// [`StoreError::NotFound`].
    pub async fn remove_worker(
        &self,
        workspace: WorkspaceId,
        id: WorkerId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(Remove { workspace, id, now }).await
    }
}

/// The workers, by name, without what they hold.
pub(crate) async fn all(
    conn: &mut Conn<'_>,
    workspace: WorkspaceId,
) -> Result<Vec<WorkerRecord>, StoreError> {
    const WORKERS: &str = concat!(select!(), "WHERE w.workspace_id = $1 ORDER BY w.name, w.id");
    let rows = conn.rows(WORKERS, values![id(workspace)]).await?;
    rows.iter()
        .map(|row| read_record(row, Vec::new()))
        .collect()
}

fn read_record(row: &Row, attempts: Vec<AttemptId>) -> Result<WorkerRecord, StoreError> {
    let free_slots = row.opt_int("free_slots")?.map(u32::try_from).transpose();
    Ok(WorkerRecord {
        worker: read(row)?,
        seen_at: row.time("seen_at")?,
        attempts,
        free_slots: free_slots.map_err(|_| StoreError::corrupt("free_slots"))?,
        draining: row.int("draining")? != 0,
        enrolled: row.opt_text("token_id")?.is_some(),
        orders: orders::read(row)?,
    })
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
        versions: WorkerVersions {
            protocol: row.number("protocol_version")?,
            program: row.opt_text("version")?,
            agents: serde_json::from_str(&row.text("agent_versions")?)
                .map_err(|_| StoreError::corrupt("agent_versions"))?,
        },
    })
}

fn read_labels(row: &Row) -> Result<Labels, StoreError> {
    serde_json::from_str(&row.text("labels")?).map_err(|_| StoreError::corrupt("labels"))
}

/// A registered worker: what counts for whether it is given an attempt.
#[derive(Debug)]
pub(crate) struct Known {
    /// As it said when it registered.
    pub(crate) worker: Arc<Worker>,
    /// What is wanted of it.
    pub(crate) orders: WorkerOrders,
}

/// The worker, if it is registered. It is kept.
pub(crate) async fn known(
    conn: &mut Conn<'_>,
    settings: &Settings,
    version: Version,
    worker: WorkerId,
) -> Result<Option<Arc<Known>>, StoreError> {
    const SELECT: &str = concat!(select!(), "WHERE w.id = $1");
    if let Some(known) = settings.get(version, |kept| &mut kept.workers, &worker) {
        return Ok(Some(known));
    }
    let Some(row) = conn.row(SELECT, values![id(worker)]).await? else {
        return Ok(None);
    };
    let known = Known {
        worker: Arc::new(read(&row)?),
        orders: orders::read(&row)?,
    };
    Ok(Some(settings.keep(
        version,
        |kept| &mut kept.workers,
        worker,
        known,
    )))
}

/// How many more attempts the worker may be given, if that is limited for it.
pub(crate) async fn room(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    worker: WorkerId,
    orders: &WorkerOrders,
) -> Result<Option<u32>, StoreError> {
    const HELD: &str = "SELECT count(*) AS held FROM attempts \
         WHERE workspace_id = $1 AND lease_worker_id = $2 AND state = 'held'";
    let Some(slots) = orders.slots else {
        return Ok(None);
    };
    let row = tx.row(HELD, values![id(workspace), id(worker)]).await?;
    let held: u32 = row.map_or(Ok(0), |row| row.number("held"))?;
    Ok(Some(slots.saturating_sub(held)))
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
             registered_at, seen_at, isolation, labels, protocol_version, version, \
             agent_versions) VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9, $10, $11) \
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, slots = excluded.slots, \
             agents = excluded.agents, seen_at = excluded.seen_at, isolation = excluded.isolation, \
             labels = excluded.labels, protocol_version = excluded.protocol_version, \
             version = excluded.version, agent_versions = excluded.agent_versions, \
             free_slots = NULL, draining = 0 \
             WHERE workers.workspace_id = excluded.workspace_id";
        let Worker {
            id: worker_id,
            workspace_id,
            name,
            slots,
            agents,
            isolation,
            labels,
            versions:
                WorkerVersions {
                    protocol,
                    program,
                    agents: agent_versions,
                },
        } = &self.worker;
        let values = values![
            id(worker_id),
            id(workspace_id),
            name,
            *slots,
            serde_json::to_string(agents).expect("texts are JSON"),
            self.now,
            isolation.as_deref(),
            serde_json::to_string(labels).expect("texts are JSON"),
            *protocol,
            program.as_deref(),
            serde_json::to_string(agent_versions).expect("texts are JSON")
        ];
        one(tx.execute(UPSERT, values).await?)
    }
}

/// In the order of their ids, so that two transactions never wait for each other.
struct TouchAll {
    heard: BTreeMap<WorkerId, Timestamp>,
}

impl Write for TouchAll {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const TOUCH: &str = "UPDATE workers SET seen_at = $2 WHERE id = $1 AND seen_at < $2";
        for (worker, at) in &self.heard {
            tx.execute(TOUCH, values![id(worker), *at]).await?;
        }
        Ok(())
    }
}

struct Beat {
    id: WorkerId,
    capacity: Capacity,
    now: Timestamp,
}

impl Write for Beat {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const BEAT: &str = "UPDATE workers SET seen_at = $2, slots = COALESCE($3, slots), \
             free_slots = $4, draining = $5 WHERE id = $1";
        let Capacity {
            slots,
            free_slots,
            draining,
        } = self.capacity;
        let values = values![
            id(self.id),
            self.now,
            slots.map(i64::from),
            free_slots.map(i64::from),
            i64::from(draining)
        ];
        one(tx.execute(BEAT, values).await?)
    }
}

struct Remove {
    workspace: WorkspaceId,
    id: WorkerId,
    now: Timestamp,
}

impl Write for Remove {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let desired = orders::desired(tx, self.id).await?;
        if !orders::remove(tx, self.workspace, self.id).await? {
            return Err(StoreError::NotFound);
        }
        if desired == WorkerDesired::Retire {
            orders::lock_out(tx, self.workspace, self.id, self.now).await?;
        }
        Ok(())
    }
}
