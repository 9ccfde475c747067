//! The peer on PostgreSQL, written by hand: one table as a queue, leased with `SKIP LOCKED` and
//! fenced by an epoch, through the driver that Outwork uses, over a unix socket. Its workers are
//! woken by `LISTEN` and `NOTIFY`.

use anyhow::{Result, ensure};
use sqlx::postgres::{PgConnection, PgListener};
use sqlx::{Connection, Executor, Row};

use crate::life::{Life, prompt};

const TABLE: &str = "CREATE TABLE tasks (id BIGSERIAL PRIMARY KEY, prompt TEXT NOT NULL, \
     state TEXT NOT NULL, epoch BIGINT NOT NULL, worker TEXT, until BIGINT)";
const INDEX: &str = "CREATE INDEX queued ON tasks (id) WHERE state = 'queued'";
const SUBMIT: &str =
    "INSERT INTO tasks (prompt, state, epoch) VALUES ($1, 'queued', 0) RETURNING id";
const SUBMIT_AND_NOTIFY: &str = "WITH made AS (INSERT INTO tasks (prompt, state, epoch) \
     VALUES ($1, 'queued', 0) RETURNING id) SELECT id, pg_notify('queue', '') FROM made";
const LEASE: &str = "UPDATE tasks SET state = 'held', epoch = epoch + 1, worker = $1, until = $2 \
     WHERE id = (SELECT id FROM tasks WHERE state = 'queued' ORDER BY id \
     LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, epoch";
const FINISH: &str = "UPDATE tasks SET state = 'done', until = NULL \
     WHERE id = $1 AND epoch = $2 AND state = 'held'";
const COUNT: &str = "SELECT count(*), count(*) FILTER (WHERE state = 'done') FROM tasks";

/// One connection, for one caller.
pub(crate) struct QueuePeer {
    connection: PgConnection,
}

/// What a worker of the peer holds.
pub(crate) struct Held {
    pub(crate) id: i64,
    epoch: i64,
}

/// Makes the table.
pub(crate) async fn make(url: &str) -> Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    connection.execute(TABLE).await?;
    connection.execute(INDEX).await?;
    Ok(())
}

/// How many tasks are there, and how many of them are done.
pub(crate) async fn count(url: &str) -> Result<(u64, u64)> {
    let mut connection = PgConnection::connect(url).await?;
    let row = sqlx::query(COUNT).fetch_one(&mut connection).await?;
    let number = |index: usize| row.get::<i64, _>(index).unsigned_abs();
    Ok((number(0), number(1)))
}

/// What hears that something was submitted.
pub(crate) async fn listener(url: &str) -> Result<PgListener> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen("queue").await?;
    Ok(listener)
}

impl QueuePeer {
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        Ok(Self {
            connection: PgConnection::connect(url).await?,
        })
    }

    pub(crate) async fn callers(url: &str, count: usize) -> Result<Vec<Self>> {
        let mut callers = Vec::with_capacity(count);
        for _ in 0..count {
            callers.push(Self::connect(url).await?);
        }
        Ok(callers)
    }

    async fn submit(&mut self) -> Result<i64> {
        let query = sqlx::query(SUBMIT).bind(prompt());
        Ok(query.fetch_one(&mut self.connection).await?.get(0))
    }

    /// In one transaction with the `NOTIFY`.
    pub(crate) async fn submit_and_notify(&mut self) -> Result<i64> {
        let query = sqlx::query(SUBMIT_AND_NOTIFY).bind(prompt());
        Ok(query.fetch_one(&mut self.connection).await?.get(0))
    }

    pub(crate) async fn lease(&mut self) -> Result<Option<Held>> {
        let query = sqlx::query(LEASE).bind("worker").bind(10_000_i64);
        let row = query.fetch_optional(&mut self.connection).await?;
        Ok(row.map(|row| Held {
            id: row.get(0),
            epoch: row.get(1),
        }))
    }

    pub(crate) async fn finish(&mut self, held: &Held) -> Result<()> {
        let query = sqlx::query(FINISH).bind(held.id).bind(held.epoch);
        let done = query.execute(&mut self.connection).await?;
        ensure!(done.rows_affected() == 1, "the lease was lost");
        Ok(())
    }
}

impl Life for QueuePeer {
    async fn once(&mut self) -> Result<()> {
        self.submit().await?;
        // What others submitted since its statement began is not seen by it, and they may have taken what is.
        let held = loop {
            if let Some(held) = self.lease().await? {
                break held;
            }
        };
        self.finish(&held).await
    }
}
