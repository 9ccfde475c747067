//! The callers' names for their requests, so that a request sent twice is done once.

use outwork_domain::{TaskId, Timestamp};

use crate::error::StoreError;
use crate::record::{Idempotency, Submitted};
use crate::sql::{Conn, Sql, id, values};
use crate::store::{Store, Tx, Write};

/// The most keys that one call of [`Store::expire_idempotency`] forgets.
const BATCH: u32 = 500;

impl Store {
    /// The task that was made or continued under the key; `None` if the key is free. Looks only:
    /// [`Store::submit`] and [`Store::add_turn`] take the key. Errors:
    /// [`StoreError::IdempotencyMismatch`] if it was another request.
    pub async fn idempotent(
        &self,
        idempotency: &Idempotency,
        now: Timestamp,
    ) -> Result<Option<TaskId>, StoreError> {
        before(&mut self.read().await?.alone(), idempotency, now).await
    }

    /// Forgets keys that have expired, and says how many: at most 500, so 0 means that none is
    /// left.
    pub async fn expire_idempotency(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.write(Expire { now }).await
    }
}

/// Takes the key, or says what was done under it before. Two that come at once: the second waits
/// here for the first.
pub(crate) async fn replay(
    tx: &mut Tx<'_>,
    idempotency: &Option<Idempotency>,
    task: TaskId,
    now: Timestamp,
) -> Result<Option<Submitted>, StoreError> {
    const TAKE: &str = "INSERT INTO idempotency \
         (principal_id, route, key, fingerprint, task_id, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (principal_id, route, key) \
         DO UPDATE SET fingerprint = excluded.fingerprint, task_id = excluded.task_id, \
         expires_at = excluded.expires_at WHERE idempotency.expires_at <= $7";
    let Some(wanted) = idempotency else {
        return Ok(None);
    };
    let Idempotency {
        principal_id,
        route,
        key,
        fingerprint,
        expires_at,
    } = wanted;
    let values = values![
        id(principal_id),
        route,
        key,
        *fingerprint,
        id(task),
        *expires_at,
        now
    ];
    if tx.execute(TAKE, values).await? == 1 {
        return Ok(None);
    }
    let task_id = before(tx.conn(), wanted, now)
        .await?
        .ok_or_else(|| StoreError::unavailable("the idempotency key expired in between"))?;
    Ok(Some(Submitted::Replayed { task_id }))
}

async fn before(
    conn: &mut Conn<'_>,
    idempotency: &Idempotency,
    now: Timestamp,
) -> Result<Option<TaskId>, StoreError> {
    const BEFORE: &str = "SELECT fingerprint, task_id FROM idempotency \
         WHERE principal_id = $1 AND route = $2 AND key = $3 AND expires_at > $4";
    let Idempotency {
        principal_id,
        route,
        key,
        fingerprint,
        expires_at: _,
    } = idempotency;
    let values = values![id(principal_id), route, key, now];
    let Some(row) = conn.row(BEFORE, values).await? else {
        return Ok(None);
    };
    if row.bytes("fingerprint")? != fingerprint {
        return Err(StoreError::IdempotencyMismatch);
    }
    row.parsed("task_id").map(Some)
}

struct Expire {
    now: Timestamp,
}

impl Write for Expire {
    type Output = u64;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<u64, StoreError> {
        tx.execute(FORGET, values![self.now, BATCH]).await
    }
}

/// What is locked is left out: a request is taking that key anew, or another server forgets it.
const FORGET: Sql = Sql {
    sqlite: "DELETE FROM idempotency WHERE (principal_id, route, key) IN \
         (SELECT principal_id, route, key FROM idempotency WHERE expires_at <= $1 LIMIT $2)",
    postgres: "DELETE FROM idempotency WHERE (principal_id, route, key) IN \
         (SELECT principal_id, route, key FROM idempotency WHERE expires_at <= $1 LIMIT $2 \
         FOR UPDATE SKIP LOCKED)",
};
