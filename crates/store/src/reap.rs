//! What happens by itself when a time has passed.

use std::time::Duration;

use outwork_domain::attempt::Refused;
use outwork_domain::{AttemptId, Command, Timestamp, WorkspaceId};

use crate::attempt_row::{AttemptRow, attempt_columns};
use crate::error::StoreError;
use crate::sql::{Sql, id, values};
use crate::store::{Store, Tx, Write};
use crate::transition;

impl Store {
    /// Moves on at most `limit` attempts whose lease, deadline or grace has passed, and says
    /// which.
    pub async fn reap(&self, now: Timestamp, limit: u32) -> Result<Vec<AttemptId>, StoreError> {
        self.write(Reap { now, limit }).await
    }

    /// When [`Store::reap`] has something to do next.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        const SELECT: &str = "SELECT min(due_at) + (SELECT away_ms FROM server WHERE id = 1) \
             AS due_at FROM attempts WHERE due_at IS NOT NULL";
        let row = self.read().await?.row(SELECT, values![]).await?;
        row.map_or(Ok(None), |row| row.opt_time("due_at"))
    }

    /// Whether any attempt of the workspace could be claimed by a worker that may run it.
    pub async fn waits(&self, workspace: WorkspaceId, now: Timestamp) -> Result<bool, StoreError> {
        const SELECT: &str = "SELECT id FROM attempts \
             WHERE workspace_id = $1 AND state = 'queued' AND visible_at <= $2 LIMIT 1";
        let values = values![id(workspace), now];
        let row = self.read().await?.row(SELECT, values).await?;
        Ok(row.is_some())
    }

    /// Gives all that has not ended `by` more time, because no server ran that long: leases,
    /// deadlines, and the grace of a cancel. However much waits, that is one row.
    pub async fn extend_leases(&self, by: Duration, now: Timestamp) -> Result<(), StoreError> {
        self.write(Extend { by, now }).await
    }

    /// When a server last said that it runs.
    pub async fn last_alive(&self) -> Result<Option<Timestamp>, StoreError> {
        const SELECT: &str = "SELECT alive_at FROM server WHERE id = 1";
        let row = self.read().await?.row(SELECT, values![]).await?;
        row.map_or(Ok(None), |row| row.opt_time("alive_at"))
    }

    /// Says that a server runs.
    pub async fn mark_alive(&self, now: Timestamp) -> Result<(), StoreError> {
        self.write(MarkAlive { now }).await
    }
}

struct Reap {
    now: Timestamp,
    limit: u32,
}

impl Write for Reap {
    type Output = Vec<AttemptId>;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Vec<AttemptId>, StoreError> {
        let rows = tx.rows(DUE, values![self.now, self.limit]).await?;
        let mut moved = Vec::with_capacity(rows.len());
        for row in &rows {
            let row = AttemptRow::read(row)?;
            match transition::apply(&row, Command::Reap, self.now) {
                Ok(next) => moved.push(transition::write(tx, next, self.now).await?.attempt.id),
                Err(
                    Refused::NotDue
                    | Refused::StaleLease { .. }
                    | Refused::Ended { .. }
                    | Refused::WrongState { .. },
                ) => {}
            }
        }
        Ok(moved)
    }
}

const DUE: Sql = Sql {
    sqlite: concat!(
        "SELECT ",
        attempt_columns!(),
        " FROM attempts a WHERE a.due_at <= $1 - (SELECT s.away_ms FROM server s WHERE s.id = 1) \
         ORDER BY a.due_at LIMIT $2"
    ),
    postgres: concat!(
        "SELECT ",
        attempt_columns!(),
        " FROM attempts a WHERE a.due_at <= $1 - (SELECT s.away_ms FROM server s WHERE s.id = 1) \
         ORDER BY a.due_at LIMIT $2 FOR UPDATE SKIP LOCKED"
    ),
};

struct Extend {
    by: Duration,
    now: Timestamp,
}

impl Write for Extend {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        // What waits for a worker or for an answer could get neither while the server was away, and is extended, too.
        const EXTEND: &str = "UPDATE server SET away_ms = away_ms + $1 WHERE id = 1";
        let by = i64::try_from(self.by.as_millis()).unwrap_or(i64::MAX);
        tx.execute(EXTEND, values![by]).await?;
        mark(tx, self.now).await
    }
}

struct MarkAlive {
    now: Timestamp,
}

impl Write for MarkAlive {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        mark(tx, self.now).await
    }
}

async fn mark(tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
    const MARK: &str = "UPDATE server SET alive_at = $1 \
         WHERE id = 1 AND (alive_at IS NULL OR alive_at < $1)";
    tx.execute(MARK, values![now]).await?;
    Ok(())
}
