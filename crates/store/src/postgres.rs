//! PostgreSQL: a pool, and one transaction for each write.
//!
//! Writes lock the rows they decide about, so `READ COMMITTED` is enough. A write is tried again
//! when the server rolled it back (conflict, deadlock) or the connection broke before the commit
//! was sent. When the connection breaks during the commit it is not known whether the write
//! happened: the caller is told [`StoreError::Unavailable`].

use std::time::Duration;

use outwork_failpoint as failpoint;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Postgres as Pg, Transaction};

use crate::error::{OpenError, StoreError};
use crate::sql::Conn;
use crate::store::{Committed, Tx, Write, migrate_error};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Connections of one server.
const CONNECTIONS: u32 = 16;
/// How long a caller waits for one of them.
const ACQUIRE: Duration = Duration::from_secs(5);
/// Pauses before a write is tried again.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(250),
];

#[derive(Debug)]
pub(crate) struct Postgres {
    pool: PgPool,
}

/// Why a try failed, and whether nothing can have been written.
struct Failed {
    error: StoreError,
    before_commit: bool,
}

impl Postgres {
    pub(crate) async fn open(url: &str) -> Result<Self, OpenError> {
        let options: PgConnectOptions = url.parse().map_err(OpenError::Address)?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE)
            .connect_with(options.application_name("outwork"))
            .await
            .map_err(OpenError::connect)?;
        MIGRATIONS
            .run(&pool)
            .await
            .map_err(|error| migrate_error(error, &MIGRATIONS))?;
        Ok(Self { pool })
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    pub(crate) async fn snapshot(&self) -> Result<Transaction<'static, Pg>, StoreError> {
        self.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await
    }

    /// Begins in a task of its own. A caller that is dropped meanwhile (its HTTP client hung up)
    /// would else leave a connection in the pool whose transaction nobody knows to be open: the
    /// driver rolls back only what it has seen begin.
    async fn begin(&self, statement: &'static str) -> Result<Transaction<'static, Pg>, StoreError> {
        let pool = self.pool.clone();
        let begun = tokio::spawn(async move { pool.begin_with(statement).await });
        match begun.await {
            Ok(transaction) => Ok(transaction?),
            Err(ended) => std::panic::resume_unwind(ended.into_panic()),
        }
    }

    pub(crate) async fn write<W: Write>(
        &self,
        write: &W,
    ) -> Result<(W::Output, Committed), StoreError> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let failed = match self.try_write(write).await {
                Ok(done) => return Ok(done),
                Err(failed) => failed,
            };
            let again = failed.before_commit && matches!(failed.error, StoreError::Unavailable(_));
            match pauses.next() {
                Some(pause) if again => tokio::time::sleep(pause).await,
                Some(_) | None => return Err(failed.error),
            }
        }
    }

    async fn try_write<W: Write>(&self, write: &W) -> Result<(W::Output, Committed), Failed> {
        let before = |error: StoreError| Failed {
            error,
            before_commit: true,
        };
        let mut transaction = self.begin("BEGIN").await.map_err(before)?;
        let done = match Tx::new(Conn::Postgres(&mut transaction)).run(write).await {
            Ok(done) => done,
            Err(error) => {
                // Dropping it would roll back later: until then a claim would skip these rows.
                if let Err(lost) = transaction.rollback().await {
                    tracing::debug!(
                        error = &lost as &dyn std::error::Error,
                        "the server rolls back by itself when the connection is gone"
                    );
                }
                return Err(before(error));
            }
        };
        if failpoint::refuses("store.commit.refused") {
            transaction
                .rollback()
                .await
                .map_err(|error| before(error.into()))?;
            return Err(Failed {
                error: StoreError::unavailable("refused by a failure point"),
                before_commit: false,
            });
        }
        failpoint::pass("store.commit.before");
        transaction.commit().await.map_err(|error| Failed {
            // The server says so itself when it rolled back.
            before_commit: error.as_database_error().is_some(),
            error: error.into(),
        })?;
        failpoint::pass("store.commit.after");
        Ok(done)
    }
}
