//! An attempt's log.

use outwork_domain::{Attempt, AttemptId, Command, Desired, Epoch, Timestamp, WorkspaceId};

use crate::error::StoreError;
use crate::record::{Change, EventRow, NewEventRow};
use crate::sql::{Row, Sql, id, values};
use crate::store::{Store, Tx, Write};
use crate::transition;

/// How much goes into one statement, in rows and in bytes of bodies.
const STATEMENT_ROWS: usize = 1_000;
const STATEMENT_BYTES: usize = 1024 * 1024;

impl Store {
    /// Appends events of the claim `epoch`, numbered by the worker from `first_seq` (the first
    /// event of a claim is 1); those stored before are skipped. Answers what is wanted, and the
    /// number of the last event of this claim that is stored. Renews the lease. Errors:
    /// [`StoreError::Gap`].
    pub async fn append(
        &self,
        workspace: WorkspaceId,
        attempt: AttemptId,
        epoch: Epoch,
        first_seq: i64,
        events: Vec<NewEventRow>,
        now: Timestamp,
    ) -> Result<(Desired, i64), StoreError> {
        self.write(Append {
            workspace,
            attempt,
            epoch,
            first_seq,
            events,
            now,
        })
        .await
    }

    /// The events after number `after_seq` (0: from the first), at most `limit`, in order.
    pub async fn events(
        &self,
        workspace: WorkspaceId,
        attempt: AttemptId,
        after_seq: i64,
        limit: u32,
    ) -> Result<Vec<EventRow>, StoreError> {
        const SELECT: &str = "SELECT e.seq, e.at, e.epoch, e.body FROM events e \
             WHERE e.attempt_id = $1 AND e.seq > $2 \
             AND EXISTS (SELECT 1 FROM attempts a WHERE a.id = $1 AND a.workspace_id = $3) \
             ORDER BY e.seq LIMIT $4";
        let values = values![id(attempt), after_seq, id(workspace), limit];
        let rows = self.read().await?.rows(SELECT, values).await?;
        rows.iter().map(read).collect()
    }
}

struct Append {
    workspace: WorkspaceId,
    attempt: AttemptId,
    epoch: Epoch,
    first_seq: i64,
    events: Vec<NewEventRow>,
    now: Timestamp,
}

impl Write for Append {
    type Output = (Desired, i64);

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(Desired, i64), StoreError> {
        let row = transition::load(tx, self.workspace, self.attempt).await?;
        let renew = Command::Renew { epoch: self.epoch };
        let mut next = transition::apply(&row, renew, self.now)?;
        let acked = row.acked_worker_seq;
        let new = after(acked, self.first_seq, &self.events)?;
        let added = i64::try_from(new.len()).expect("fits in memory");
        if !new.is_empty() {
            let first = row.last_seq + 1;
            insert(tx, &next.row.attempt, first, Some(acked + 1), new).await?;
            tx.changed(Change::Attempt(self.attempt));
        }
        next.row.last_seq += added;
        next.row.acked_worker_seq += added;
        let row = transition::write(tx, next, self.now).await?;
        Ok((row.attempt.desired, row.acked_worker_seq))
    }
}

/// Those of `events`, numbered from `first_seq`, that come after number `acked`.
fn after(acked: i64, first_seq: i64, events: &[NewEventRow]) -> Result<&[NewEventRow], StoreError> {
    if first_seq < 1 || first_seq > acked + 1 {
        return Err(StoreError::Gap {
            expected: acked + 1,
        });
    }
    let stored = usize::try_from(acked + 1 - first_seq).unwrap_or(usize::MAX);
    Ok(events.get(stored..).unwrap_or_default())
}

/// Inserts events, many in a statement. `first_worker_seq` is `None` for the server's own.
pub(crate) async fn insert(
    tx: &mut Tx<'_>,
    attempt: &Attempt,
    first_seq: i64,
    first_worker_seq: Option<i64>,
    events: &[NewEventRow],
) -> Result<(), StoreError> {
    // The rows as a JSON array of [at, kind, body].
    const INSERT: Sql = Sql {
        sqlite: "INSERT INTO events (attempt_id, epoch, seq, worker_seq, at, kind, body) \
             SELECT $1, $2, $3 + key, $4 + key, value ->> 0, value ->> 1, value ->> 2 \
             FROM json_each($5)",
        postgres: "INSERT INTO events (attempt_id, epoch, seq, worker_seq, at, kind, body) \
             SELECT $1, $2, $3 + n - 1, $4 + n - 1, (value ->> 0)::bigint, value ->> 1, value ->> 2 \
             FROM jsonb_array_elements($5::jsonb) WITH ORDINALITY AS rows (value, n)",
    };
    if let [NewEventRow { at, kind, json }] = events {
        const ONE: &str = "INSERT INTO events (attempt_id, epoch, seq, worker_seq, at, kind, body) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let epoch = attempt.epoch.get();
        let values = values![
            id(attempt.id),
            epoch,
            first_seq,
            first_worker_seq,
            *at,
            kind,
            json
        ];
        return tx.later(ONE, values).await;
    }
    let mut rest = events;
    while !rest.is_empty() {
        let (these, later) = rest.split_at(statement(rest));
        let done = i64::try_from(events.len() - rest.len()).expect("fits in memory");
        let rows: Vec<_> = these
            .iter()
            .map(|NewEventRow { at, kind, json }| (at.as_millis(), kind, json))
            .collect();
        let values = values![
            id(attempt.id),
            attempt.epoch.get(),
            first_seq + done,
            first_worker_seq.map(|first| first + done),
            serde_json::to_string(&rows).expect("numbers and texts are JSON")
        ];
        tx.later(INSERT, values).await?;
        rest = later;
    }
    Ok(())
}

/// How many of `events` go into the next statement: at least one.
fn statement(events: &[NewEventRow]) -> usize {
    let mut bytes = 0;
    let fit = events.iter().take(STATEMENT_ROWS).take_while(|event| {
        bytes += event.json.len();
        bytes <= STATEMENT_BYTES
    });
    fit.count().max(1)
}

fn read(row: &Row) -> Result<EventRow, StoreError> {
    Ok(EventRow {
        seq: row.int("seq")?,
        at: row.time("at")?,
        epoch: Epoch::new(row.int("epoch")?),
        json: row.text("body")?,
    })
}
