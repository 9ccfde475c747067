//! Copies of a SQLite database while it is in use, and what a store does after it was brought back from one.

use std::path::Path;

use outwork_domain::{AttemptId, Command, Epoch, ObjectKey, State, Timestamp};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Row as _};

use crate::attempt_row::{AttemptRow, attempt_columns};
use crate::error::{OpenError, StoreError};
use crate::sql::{id, values};
use crate::store::{Store, Tx, Write};
use crate::{checkpoint, sqlite, transition};

/// An object that a row names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedObject {
    /// Its key.
    pub key: ObjectKey,
    /// How long the row says that it is, in bytes; `None` where it does not say.
    pub size_bytes: Option<u64>,
}

/// A checkpoint: the objects that it names stay as they are until the claim has made another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CheckpointId {
    /// Of which attempt.
    pub attempt: AttemptId,
    /// Of which claim.
    pub epoch: Epoch,
    /// 1, 2, … within the claim.
    pub number: i64,
}

/// What became of the attempts in a restored store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fenced {
    /// No claim that was made before has a greater epoch, whether or not the backup knows of it.
    pub floor: Epoch,
    /// How many attempts a worker held: they wait again, or were to be cancelled and are.
    pub given_back: u64,
    /// How many had not ended, those included.
    pub unfinished: u64,
}

/// What a store holds, to be told to people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many tasks.
    pub tasks: u64,
    /// How many attempts of theirs have ended.
    pub ended: u64,
}

/// Copies the database at `from`, as it is at one moment, to `to`, where nothing may be. Any number of processes may use it
/// meanwhile. `to` is not flushed to the disk.
pub async fn copy_sqlite(from: &Path, to: &Path) -> Result<(), OpenError> {
    let mut conn = connect(from).await?;
    sqlite::vacuum_into(&mut conn, to).await?;
    conn.close().await.map_err(OpenError::connect)
}

/// The number of the schema of the database at `path`; 0 for an empty one.
pub async fn sqlite_schema(path: &Path) -> Result<i64, OpenError> {
    let mut conn = connect(path).await?;
    let found = sqlite::schema(&mut conn).await?;
    conn.close().await.map_err(OpenError::connect)?;
    Ok(found)
}

/// What SQLite finds damaged in the database at `path`: a line for each.
pub async fn sqlite_damage(path: &Path) -> Result<Vec<String>, OpenError> {
    let mut conn = connect(path).await?;
    let connect = OpenError::connect;
    let pages = sqlx::query("PRAGMA integrity_check(20)").fetch_all(&mut conn);
    let mut damage = Vec::new();
    for row in pages.await.map_err(connect)? {
        damage.push(row.try_get::<String, _>(0).map_err(connect)?);
    }
    damage.retain(|line| line != "ok");
    let rows = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut conn);
    for row in rows.await.map_err(connect)? {
        let table: String = row.try_get(0).map_err(connect)?;
        damage.push(format!("a row of {table} names one that is not there"));
    }
    conn.close().await.map_err(connect)?;
    Ok(damage)
}

/// The checkpoints in the database at `path`, which other processes may use.
pub async fn sqlite_checkpoints(path: &Path) -> Result<Vec<CheckpointId>, OpenError> {
    let mut conn = connect(path).await?;
    let connect = OpenError::connect;
    let rows = sqlx::query(CHECKPOINTS).fetch_all(&mut conn);
    let mut found = Vec::new();
    for row in rows.await.map_err(connect)? {
        let attempt: String = row.try_get("attempt_id").map_err(connect)?;
        // An id that does not parse is never that of a checkpoint that is looked for.
        let Ok(attempt) = attempt.parse() else {
            continue;
        };
        found.push(CheckpointId {
            attempt,
            epoch: Epoch::new(row.try_get("epoch").map_err(connect)?),
            number: row.try_get("number").map_err(connect)?,
        });
    }
    conn.close().await.map_err(connect)?;
    Ok(found)
}

/// Brings all that a store wrote, which is closed, into the one file at `path`.
pub async fn settle_sqlite(path: &Path) -> Result<(), OpenError> {
    let mut conn = connect(path).await?;
    let settled = sqlx::query("PRAGMA journal_mode = DELETE").fetch_one(&mut conn);
    let mode: String = settled
        .await
        .and_then(|row| row.try_get(0))
        .map_err(OpenError::connect)?;
    conn.close().await.map_err(OpenError::connect)?;
    if mode == "delete" {
        return Ok(());
    }
    let in_use = std::io::Error::other("another process uses it");
    Err(OpenError::File {
        path: path.to_owned(),
        source: in_use,
    })
}

const CHECKPOINTS: &str = "SELECT attempt_id, epoch, number FROM checkpoints ORDER BY attempt_id";

async fn connect(path: &Path) -> Result<SqliteConnection, OpenError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(sqlite::BUSY);
    SqliteConnection::connect_with(&options)
        .await
        .map_err(OpenError::connect)
}

impl Store {
    /// The highest number of a schema that this version knows, and makes.
    pub fn sqlite_schema_known() -> i64 {
        sqlite::known()
    }

    /// All objects that rows name, by key, each once.
    pub async fn named_objects(&self) -> Result<Vec<NamedObject>, StoreError> {
        const ROWS: &str = "SELECT starting_diff AS key, NULL AS size FROM tasks \
             UNION ALL SELECT starting_session, NULL FROM tasks \
             UNION ALL SELECT diff_key, diff_size_bytes FROM results \
             UNION ALL SELECT session_key, NULL FROM results \
             UNION ALL SELECT diff_key, diff_size_bytes FROM result_diffs";
        let mut snapshot = self.read().await?;
        let mut conn = snapshot.conn();
        let mut found = Vec::new();
        for row in conn.rows(ROWS, values![]).await? {
            let Some(key) = row.opt_text("key")? else {
                continue;
            };
            let size = row.opt_int("size")?;
            found.push(NamedObject {
                key: ObjectKey::from_stored(key),
                size_bytes: size.and_then(|size| u64::try_from(size).ok()),
            });
        }
        found.extend(checkpoint::named(&mut conn).await?);
        found.sort();
        found.dedup_by(|a, b| a.key == b.key);
        Ok(found)
    }

    /// All checkpoints.
    pub async fn kept_checkpoints(&self) -> Result<Vec<CheckpointId>, StoreError> {
        let mut found = Vec::new();
        for row in self.read().await?.rows(CHECKPOINTS, values![]).await? {
            found.push(CheckpointId {
                attempt: row.parsed("attempt_id")?,
                epoch: Epoch::new(row.int("epoch")?),
                number: row.int("number")?,
            });
        }
        Ok(found)
    }

    /// Forgets these checkpoints.
    pub async fn forget_checkpoints(&self, which: Vec<CheckpointId>) -> Result<(), StoreError> {
        self.write(ForgetCheckpoints { which }).await
    }

    /// What it holds.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        const COUNT: &str = "SELECT (SELECT count(*) FROM tasks) AS tasks, \
             (SELECT count(*) FROM attempts WHERE ended_at IS NOT NULL) AS ended";
        let row = self.read().await?.row(COUNT, values![]).await?;
        let row = row.ok_or_else(|| StoreError::corrupt("count"))?;
        Ok(Counts {
            tasks: row.number("tasks")?,
            ended: row.number("ended")?,
        })
    }

    /// To be done once on a store that was brought back from a backup, before a server runs on it. The store does not know
    /// which claims were made after the backup. So all claims from now on get an epoch above the present time in
    /// milliseconds, which no earlier one has, and what workers held is given back: whoever still works on a claim from
    /// before is refused, and the attempt is run again.
    pub async fn fence(&self, now: Timestamp) -> Result<Fenced, StoreError> {
        self.write(Fence { now }).await
    }
}

struct ForgetCheckpoints {
    which: Vec<CheckpointId>,
}

impl Write for ForgetCheckpoints {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const FORGET: &str = "DELETE FROM checkpoints WHERE attempt_id = $1";
        for CheckpointId { attempt, .. } in &self.which {
            tx.execute(FORGET, values![id(attempt)]).await?;
        }
        Ok(())
    }
}

/// More claims than an attempt has after a backup: what holds if the clock stands before the last fence.
const CLAIMS: i64 = 1000;

struct Fence {
    now: Timestamp,
}

impl Write for Fence {
    type Output = Fenced;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Fenced, StoreError> {
        const HIGHEST: &str = "SELECT coalesce(max(a.epoch), 0) AS epoch, \
             count(a.due_at) AS unfinished FROM attempts a";
        const RAISE: &str = "UPDATE server SET epoch_floor = $1 WHERE id = 1";
        const HELD: &str = concat!(
            "SELECT ",
            attempt_columns!(),
            " FROM attempts a WHERE a.state = 'held' ORDER BY a.id"
        );
        let row = tx.row(HIGHEST, values![]).await?;
        let row = row.ok_or_else(|| StoreError::corrupt("epoch"))?;
        let floor = [
            row.int("epoch")?.saturating_add(CLAIMS),
            floor(tx).await?.get().saturating_add(CLAIMS),
            self.now.as_millis(),
        ];
        let floor = floor.into_iter().max().unwrap_or(0);
        tx.execute(RAISE, values![floor]).await?;
        let mut given_back = 0;
        for row in tx.rows(HELD, values![]).await? {
            let row = AttemptRow::read(&row)?;
            let State::Held { lease, .. } = &row.attempt.state else {
                continue;
            };
            let release = Command::Release { epoch: lease.epoch };
            let next = transition::apply(&row, release, self.now)?;
            transition::write(tx, next, self.now).await?;
            given_back += 1;
        }
        Ok(Fenced {
            floor: Epoch::new(floor),
            given_back,
            unfinished: row.number("unfinished")?,
        })
    }
}

/// What the epoch of each new claim is above.
pub(crate) async fn floor(tx: &mut Tx<'_>) -> Result<Epoch, StoreError> {
    const FLOOR: &str = "SELECT epoch_floor FROM server WHERE id = 1";
    let row = tx.row(FLOOR, values![]).await?;
    let row = row.ok_or_else(|| StoreError::corrupt("server row"))?;
    Ok(Epoch::new(row.int("epoch_floor")?))
}
