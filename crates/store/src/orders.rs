//! What operators want of workers, and how workers leave.

use outwork_domain::principal::{WorkerDesired, WorkerOrders};
use outwork_domain::{Command, Timestamp, WorkerId, WorkspaceId};

use crate::attempt_row::{AttemptRow, attempt_columns};
use crate::error::StoreError;
use crate::record::Change;
use crate::sql::{Row, for_update, id, values};
use crate::store::{Store, Tx, Write};
use crate::{cache, transition};

/// What an operator wants of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Whether it takes work.
    Desired {
        /// Which.
        desired: WorkerDesired,
        /// When what still runs is given back; only if it is not to run.
        deadline_at: Option<Timestamp>,
    },
    /// How many attempts it runs at once; `None`: as many as it says.
    Slots(Option<u32>),
}

/// How a worker is thrown out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expulsion {
    /// It is gone: what it held is given to others at once.
    Gone,
    /// Its token is revoked: what it held is given to others when its leases end, by when it has
    /// killed its sandboxes. A worker without a token of its own is [`StoreError::NotFound`].
    Revoked,
}

impl Store {
    /// Sets what is wanted of a worker, and tells it. Errors: [`StoreError::NotFound`] if no worker
    /// of that id is registered or was ordered anything.
    pub async fn order_worker(
        &self,
        workspace: WorkspaceId,
        worker: WorkerId,
        order: Order,
    ) -> Result<(), StoreError> {
        self.write(GiveOrder {
            workspace,
            worker,
            order,
        })
        .await
    }

    /// Forgets a worker for good, revokes its own token, and takes from it what it holds; that does
    /// not count as a try. Errors: [`StoreError::NotFound`].
    pub async fn expel_worker(
        &self,
        workspace: WorkspaceId,
        worker: WorkerId,
        how: Expulsion,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(Expel {
            workspace,
            worker,
            how,
            now,
        })
        .await
    }

    /// Whether a worker is to be retired that was not heard of since `before` and holds nothing.
    pub async fn retired_are_gone(&self, before: Timestamp) -> Result<bool, StoreError> {
        let rows = self.read().await?.rows(GONE, values![before]).await?;
        Ok(!rows.is_empty())
    }

    /// Forgets those workers for good, and says which.
    pub async fn forget_retired(
        &self,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<WorkerId>, StoreError> {
        self.write(ForgetRetired { before, now }).await
    }
}

const GONE: &str = "SELECT o.worker_id, o.workspace_id FROM worker_orders o \
     LEFT JOIN workers w ON w.id = o.worker_id WHERE o.desired = 'retire' \
     AND (w.id IS NULL OR w.seen_at < $1) AND NOT EXISTS (SELECT 1 FROM attempts a \
     WHERE a.workspace_id = o.workspace_id AND a.lease_worker_id = o.worker_id \
     AND a.state = 'held') ORDER BY o.worker_id";

/// From a row of `worker_orders` that may be missing: `desired`, `deadline_at`, `desired_slots`.
pub(crate) fn read(row: &Row) -> Result<WorkerOrders, StoreError> {
    let desired = match row.opt_text("desired")? {
        Some(name) => WorkerDesired::parse(&name).ok_or_else(|| StoreError::corrupt("desired"))?,
        None => WorkerDesired::Run,
    };
    let slots = row.opt_int("desired_slots")?.map(u32::try_from);
    Ok(WorkerOrders {
        desired,
        deadline_at: row.opt_time("deadline_at")?,
        slots: slots
            .transpose()
            .map_err(|_| StoreError::corrupt("slots"))?,
    })
}

/// What is wanted of a worker.
pub(crate) async fn desired(
    tx: &mut Tx<'_>,
    worker: WorkerId,
) -> Result<WorkerDesired, StoreError> {
    const SELECT: &str = "SELECT desired, deadline_at, slots AS desired_slots \
         FROM worker_orders WHERE worker_id = $1";
    let row = tx.row(SELECT, values![id(worker)]).await?;
    row.map_or(Ok(WorkerDesired::Run), |row| Ok(read(&row)?.desired))
}

/// Forgets a worker's row and what it keeps; whether there was one.
pub(crate) async fn remove(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    worker: WorkerId,
) -> Result<bool, StoreError> {
    let lock = for_update!("SELECT id FROM workers WHERE id = $1 AND workspace_id = $2");
    const REMOVE: &str = "DELETE FROM workers WHERE id = $1 AND workspace_id = $2";
    let values = values![id(worker), id(workspace)];
    if tx.row(lock, values.clone()).await?.is_none() {
        return Ok(false);
    }
    cache::forget(tx, worker).await?;
    tx.execute(REMOVE, values).await?;
    Ok(true)
}

/// Forgets what was ordered, and revokes the worker's own token; whether it has one that held.
pub(crate) async fn lock_out(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    worker: WorkerId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const ORDERS: &str = "DELETE FROM worker_orders WHERE worker_id = $1 AND workspace_id = $2";
    const REVOKE: &str = "UPDATE worker_tokens SET revoked_at = $3 WHERE worker_id = $1 \
         AND revoked_at IS NULL AND enrolment_token_id IN \
         (SELECT e.id FROM enrolment_tokens e WHERE e.workspace_id = $2)";
    let values = values![id(worker), id(workspace)];
    tx.execute(ORDERS, values).await?;
    let revoked = tx
        .execute(REVOKE, values![id(worker), id(workspace), now])
        .await?;
    tx.changed(Change::Worker(worker));
    Ok(revoked == 1)
}

struct GiveOrder {
    workspace: WorkspaceId,
    worker: WorkerId,
    order: Order,
}

impl Write for GiveOrder {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const KNOWN: &str = "SELECT id FROM workers WHERE id = $1 AND workspace_id = $2 UNION \
             SELECT worker_id FROM worker_orders WHERE worker_id = $1 AND workspace_id = $2";
        const DESIRED: &str = "INSERT INTO worker_orders (worker_id, workspace_id, desired, \
             deadline_at) VALUES ($1, $2, $3, $4) ON CONFLICT (worker_id) DO UPDATE SET \
             desired = excluded.desired, deadline_at = excluded.deadline_at";
        const SLOTS: &str = "INSERT INTO worker_orders (worker_id, workspace_id, slots) \
             VALUES ($1, $2, $3) ON CONFLICT (worker_id) DO UPDATE SET slots = excluded.slots";
        let worker = values![id(self.worker), id(self.workspace)];
        tx.row(KNOWN, worker.clone())
            .await?
            .ok_or(StoreError::NotFound)?;
        match self.order {
            Order::Desired {
                desired,
                deadline_at,
            } => {
                let deadline_at = deadline_at.filter(|_| desired != WorkerDesired::Run);
                let what = values![desired.as_str(), deadline_at];
                tx.execute(DESIRED, [worker, what].concat()).await?;
            }
            Order::Slots(slots) => {
                let what = values![slots.map(i64::from)];
                tx.execute(SLOTS, [worker, what].concat()).await?;
            }
        }
        tx.changed(Change::Worker(self.worker));
        // It may be given something now.
        tx.changed(Change::Queue(self.workspace));
        Ok(())
    }
}

struct Expel {
    workspace: WorkspaceId,
    worker: WorkerId,
    how: Expulsion,
    now: Timestamp,
}

impl Write for Expel {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        // In the order of a claim: attempts first, so that two transactions never wait for each other.
        self.evict(tx).await?;
        let was_there = remove(tx, self.workspace, self.worker).await?;
        let revoked = lock_out(tx, self.workspace, self.worker, self.now).await?;
        let done = match self.how {
            Expulsion::Gone => was_there || revoked,
            Expulsion::Revoked => revoked,
        };
        done.then_some(()).ok_or(StoreError::NotFound)
    }
}

impl Expel {
    async fn evict(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let held = for_update!(
            "SELECT ",
            attempt_columns!(),
            " FROM attempts a WHERE a.workspace_id = $1 AND a.lease_worker_id = $2 \
             AND a.state = 'held' ORDER BY a.id"
        );
        let rows = tx
            .rows(held, values![id(self.workspace), id(self.worker)])
            .await?;
        let evict = Command::Evict {
            at_once: self.how == Expulsion::Gone,
        };
        for row in &rows {
            let row = AttemptRow::read(row)?;
            let next = transition::apply(&row, evict.clone(), self.now)?;
            transition::write(tx, next, self.now).await?;
        }
        Ok(())
    }
}

struct ForgetRetired {
    before: Timestamp,
    now: Timestamp,
}

impl Write for ForgetRetired {
    type Output = Vec<WorkerId>;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Vec<WorkerId>, StoreError> {
        let mut forgotten = Vec::new();
        for row in tx.rows(GONE, values![self.before]).await? {
            let (worker, workspace) = (row.parsed("worker_id")?, row.parsed("workspace_id")?);
            remove(tx, workspace, worker).await?;
            lock_out(tx, workspace, worker, self.now).await?;
            forgotten.push(worker);
        }
        Ok(forgotten)
    }
}
