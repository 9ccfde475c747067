//! Which snapshots of environments the workers keep, as they say.
//!
//! A snapshot is of the generation of its environment's cache that it was built for. A reset raises
//! the environment's: what is of another one is shown to nobody, and its worker is told to remove it.

use outwork_domain::{EnvironmentId, Timestamp, WorkerId, WorkspaceId};
use serde_json::json;

use crate::error::StoreError;
use crate::sql::{Row, Sql, id, opt_id, values};
use crate::store::{Store, Tx, Write};

/// The most snapshots in one answer.
const SHOWN: u32 = 10_000;
/// The most keys that a worker is told of at once; it is told of the others when these are gone.
const TOLD: u32 = 1_000;

/// All snapshots that a worker keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// The worker.
    pub worker: WorkerId,
    /// Its snapshots; each key once.
    pub snapshots: Vec<KeptSnapshot>,
    /// How often they were found; each environment once.
    pub uses: Vec<SnapshotUses>,
}

/// A snapshot that a worker keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptSnapshot {
    /// Its key.
    pub key: String,
    /// Its environment.
    pub environment: EnvironmentId,
    /// The generation of the environment's cache that it was built for.
    pub generation: i64,
    /// Why it was built.
    pub reason: String,
    /// When it was built.
    pub built_at: Timestamp,
    /// When an attempt last started from it.
    pub last_used_at: Timestamp,
    /// What it takes on the worker's disk, in bytes.
    pub size_bytes: u64,
    /// How many attempts started from it without building it.
    pub hits: u64,
    /// How many attempts use it now.
    pub in_use: u32,
}

/// How often the snapshots of an environment were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotUses {
    /// The environment.
    pub environment: EnvironmentId,
    /// Attempts that found one.
    pub hits: u64,
    /// Snapshots that had to be built.
    pub builds: u64,
}

/// What can be started from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheRecord {
    /// The newest first, at most 10,000.
    pub snapshots: Vec<CachedSnapshot>,
    /// By label.
    pub uses: Vec<CacheUse>,
}

/// A snapshot and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedSnapshot {
    /// The snapshot.
    pub snapshot: KeptSnapshot,
    /// The label of its environment.
    pub environment_label: String,
    /// The worker that keeps it.
    pub worker: WorkerId,
    /// What people call the worker.
    pub worker_name: String,
}

/// How often an environment's snapshots were found, on all workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheUse {
    /// The label of the environment.
    pub environment_label: String,
    /// How often.
    pub uses: SnapshotUses,
}

/// What a reset did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheReset {
    /// How many snapshots nobody starts from any more.
    pub snapshots: u64,
    /// What they take, in bytes.
    pub size_bytes: u64,
}

impl Store {
    /// Replaces what a worker said before about the snapshots that it keeps. Errors:
    /// [`StoreError::NotFound`] if it is not registered.
    pub async fn keep_inventory(
        &self,
        workspace: WorkspaceId,
        inventory: Inventory,
    ) -> Result<(), StoreError> {
        self.write(Keep {
            workspace,
            inventory,
        })
        .await
    }

    /// The snapshots of the workspace, or of one of its environments, on workers that were heard of
    /// since `seen_since`; without those that were reset.
    pub async fn cache(
        &self,
        workspace: WorkspaceId,
        environment: Option<EnvironmentId>,
        seen_since: Timestamp,
    ) -> Result<CacheRecord, StoreError> {
        const SNAPSHOTS: &str = "SELECT s.key, s.environment_id, s.generation, s.reason, s.built_at, \
             s.last_used_at, s.size_bytes, s.hits, s.in_use, e.label, s.worker_id, \
             w.name AS worker_name \
             FROM snapshots s JOIN workers w ON w.id = s.worker_id \
             JOIN environments e ON e.id = s.environment_id \
             WHERE w.workspace_id = $1 AND e.workspace_id = $1 AND e.deleted_at IS NULL \
             AND s.generation = e.cache_generation AND w.seen_at >= $2 \
             AND ($3 IS NULL OR e.id = $3) \
             ORDER BY s.built_at DESC, s.key, s.worker_id LIMIT $4";
        const USES: &str = "SELECT u.environment_id, e.label, \
             CAST(sum(u.hits) AS BIGINT) AS hits, CAST(sum(u.builds) AS BIGINT) AS builds \
             FROM snapshot_uses u JOIN workers w ON w.id = u.worker_id \
             JOIN environments e ON e.id = u.environment_id \
             WHERE w.workspace_id = $1 AND e.workspace_id = $1 AND e.deleted_at IS NULL \
             AND ($2 IS NULL OR e.id = $2) \
             GROUP BY u.environment_id, e.label, e.label_folded ORDER BY e.label_folded";
        let mut snapshot = self.read().await?;
        let mut conn = snapshot.conn();
        let values = values![id(workspace), seen_since, opt_id(environment), SHOWN];
        let rows = conn.rows(SNAPSHOTS, values).await?;
        let snapshots = rows.iter().map(read_cached).collect::<Result<_, _>>()?;
        let values = values![id(workspace), opt_id(environment)];
        let rows = conn.rows(USES, values).await?;
        let uses = rows.iter().map(read_use).collect::<Result<_, _>>()?;
        Ok(CacheRecord { snapshots, uses })
    }

    /// Resets the snapshots of one environment or of all of the workspace. What it answers is of
    /// workers that were heard of since `seen_since`; the others are reset too. Errors:
    /// [`StoreError::NotFound`].
    pub async fn reset_cache(
        &self,
        workspace: WorkspaceId,
        environment: Option<EnvironmentId>,
        seen_since: Timestamp,
    ) -> Result<CacheReset, StoreError> {
        self.write(Reset {
            workspace,
            environment,
            seen_since,
        })
        .await
    }

    /// Keys of snapshots that the worker keeps and that were reset, or whose environment is gone;
    /// not all if they are very many.
    pub async fn reset_snapshots(&self, worker: WorkerId) -> Result<Vec<String>, StoreError> {
        const SELECT: &str = "SELECT s.key FROM snapshots s \
             JOIN workers w ON w.id = s.worker_id \
             LEFT JOIN environments e ON e.id = s.environment_id \
             AND e.workspace_id = w.workspace_id AND e.deleted_at IS NULL \
             WHERE s.worker_id = $1 AND (e.id IS NULL OR e.cache_generation <> s.generation) \
             ORDER BY s.key LIMIT $2";
        let values = values![id(worker), TOLD];
        let rows = self.read().await?.rows(SELECT, values).await?;
        rows.iter().map(|row| row.text("key")).collect()
    }
}

fn read_cached(row: &Row) -> Result<CachedSnapshot, StoreError> {
    Ok(CachedSnapshot {
        snapshot: KeptSnapshot {
            key: row.text("key")?,
            environment: row.parsed("environment_id")?,
            generation: row.int("generation")?,
            reason: row.text("reason")?,
            built_at: row.time("built_at")?,
            last_used_at: row.time("last_used_at")?,
            size_bytes: row.number("size_bytes")?,
            hits: row.number("hits")?,
            in_use: row.number("in_use")?,
        },
        environment_label: row.text("label")?,
        worker: row.parsed("worker_id")?,
        worker_name: row.text("worker_name")?,
    })
}

fn read_use(row: &Row) -> Result<CacheUse, StoreError> {
    Ok(CacheUse {
        environment_label: row.text("label")?,
        uses: SnapshotUses {
            environment: row.parsed("environment_id")?,
            hits: row.number("hits")?,
            builds: row.number("builds")?,
        },
    })
}

struct Keep {
    workspace: WorkspaceId,
    inventory: Inventory,
}

impl Write for Keep {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        // What one worker says twice at once is written one after the other.
        const LOCK: Sql = Sql {
            sqlite: "SELECT id FROM workers WHERE id = $1 AND workspace_id = $2",
            postgres: "SELECT id FROM workers WHERE id = $1 AND workspace_id = $2 \
                 FOR NO KEY UPDATE",
        };
        let worker = self.inventory.worker;
        tx.row(LOCK, values![id(worker), id(self.workspace)])
            .await?
            .ok_or(StoreError::NotFound)?;
        forget(tx, worker).await?;
        let rows: Vec<_> = self.inventory.snapshots.iter().map(as_json).collect();
        tx.execute(SNAPSHOTS, values![id(worker), text(&rows)])
            .await?;
        let uses: Vec<_> = self
            .inventory
            .uses
            .iter()
            .map(|uses| {
                let SnapshotUses {
                    environment,
                    hits,
                    builds,
                } = uses;
                json!([environment.to_string(), clamp(*hits), clamp(*builds)])
            })
            .collect();
        tx.execute(USES, values![id(worker), text(&uses)]).await?;
        Ok(())
    }
}

const SNAPSHOTS: Sql = Sql {
    sqlite: "INSERT INTO snapshots (worker_id, key, environment_id, generation, reason, built_at, \
         last_used_at, size_bytes, hits, in_use) SELECT $1, value ->> 0, value ->> 1, \
         value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, \
         value ->> 8 FROM json_each($2)",
    postgres: "INSERT INTO snapshots (worker_id, key, environment_id, generation, reason, \
         built_at, last_used_at, size_bytes, hits, in_use) SELECT $1, value ->> 0, value ->> 1, \
         (value ->> 2)::bigint, value ->> 3, (value ->> 4)::bigint, (value ->> 5)::bigint, \
         (value ->> 6)::bigint, (value ->> 7)::bigint, (value ->> 8)::bigint \
         FROM jsonb_array_elements($2::jsonb) AS rows (value)",
};

const USES: Sql = Sql {
    sqlite: "INSERT INTO snapshot_uses (worker_id, environment_id, hits, builds) \
         SELECT $1, value ->> 0, value ->> 1, value ->> 2 FROM json_each($2)",
    postgres: "INSERT INTO snapshot_uses (worker_id, environment_id, hits, builds) \
         SELECT $1, value ->> 0, (value ->> 1)::bigint, (value ->> 2)::bigint \
         FROM jsonb_array_elements($2::jsonb) AS rows (value)",
};

fn as_json(snapshot: &KeptSnapshot) -> serde_json::Value {
    let KeptSnapshot {
        key,
        environment,
        generation,
        reason,
        built_at,
        last_used_at,
        size_bytes,
        hits,
        in_use,
    } = snapshot;
    json!([
        key,
        environment.to_string(),
        generation,
        reason,
        built_at.as_millis(),
        last_used_at.as_millis(),
        clamp(*size_bytes),
        clamp(*hits),
        in_use
    ])
}

/// Workers say these numbers, and their sum must fit, too.
fn clamp(number: u64) -> i64 {
    const MOST: i64 = 1 << 48;
    i64::try_from(number).unwrap_or(MOST).min(MOST)
}

fn text(rows: &[serde_json::Value]) -> String {
    serde_json::to_string(rows).expect("numbers and texts are JSON")
}

/// Forgets all that the worker said.
pub(crate) async fn forget(tx: &mut Tx<'_>, worker: WorkerId) -> Result<(), StoreError> {
    const SNAPSHOTS: &str = "DELETE FROM snapshots WHERE worker_id = $1";
    const USES: &str = "DELETE FROM snapshot_uses WHERE worker_id = $1";
    tx.execute(SNAPSHOTS, values![id(worker)]).await?;
    tx.execute(USES, values![id(worker)]).await?;
    Ok(())
}

struct Reset {
    workspace: WorkspaceId,
    environment: Option<EnvironmentId>,
    seen_since: Timestamp,
}

impl Write for Reset {
    type Output = CacheReset;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<CacheReset, StoreError> {
        // Locked in the order of their ids, so that two resets never wait for each other.
        const LOCK: Sql = Sql {
            sqlite: "SELECT id FROM environments WHERE workspace_id = $1 \
                 AND deleted_at IS NULL AND ($2 IS NULL OR id = $2)",
            postgres: "SELECT id FROM environments WHERE workspace_id = $1 \
                 AND deleted_at IS NULL AND ($2 IS NULL OR id = $2) ORDER BY id \
                 FOR NO KEY UPDATE",
        };
        const COUNT: &str = "SELECT count(*) AS snapshots, \
             CAST(coalesce(sum(s.size_bytes), 0) AS BIGINT) AS size_bytes \
             FROM snapshots s JOIN workers w ON w.id = s.worker_id \
             JOIN environments e ON e.id = s.environment_id \
             WHERE w.workspace_id = $1 AND e.workspace_id = $1 AND e.deleted_at IS NULL \
             AND s.generation = e.cache_generation AND ($2 IS NULL OR e.id = $2) \
             AND w.seen_at >= $3";
        const RESET: &str = "UPDATE environments SET cache_generation = cache_generation + 1 \
             WHERE workspace_id = $1 AND deleted_at IS NULL AND ($2 IS NULL OR id = $2)";
        let which = values![id(self.workspace), opt_id(self.environment)];
        let locked = tx.rows(LOCK, which.clone()).await?;
        if self.environment.is_some() && locked.is_empty() {
            return Err(StoreError::NotFound);
        }
        let mut values = which.clone();
        values.extend(values![self.seen_since]);
        let row = tx.row(COUNT, values).await?;
        let row = row.ok_or_else(|| StoreError::corrupt("count"))?;
        tx.execute(RESET, which).await?;
        Ok(CacheReset {
            snapshots: row.number("snapshots")?,
            size_bytes: row.number("size_bytes")?,
        })
    }
}
