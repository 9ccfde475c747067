//! PostgreSQL: a pool, and one transaction for each write.
//!
//! Writes lock the rows they decide about, so `READ COMMITTED` is enough. A write is tried again
//! when the server rolled it back (conflict, deadlock) or the connection broke before the commit
//! was sent. When the connection breaks during the commit it is not known whether the write
//! happened: the caller is told [`StoreError::Unavailable`].

pub(crate) mod later;
pub(crate) mod pool;
mod version;

use std::sync::Arc;
use std::time::Duration;

use outwork_failpoint as failpoint;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;

use crate::error::{OpenError, StoreError};
use crate::listening::Listening;
use crate::settings::Version;
use crate::sql::Conn;
use crate::store::{Committed, Tx, Write, migrate_error};

use pool::{Lease, Pool, close, connect};
use version::SharedVersion;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Pauses before a write is tried again.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(250),
];

#[derive(Debug)]
pub(crate) struct Postgres {
    pool: Arc<Pool>,
    version: SharedVersion,
}

/// Why a try failed, and whether nothing can have been written.
struct Failed {
    error: StoreError,
    before_commit: bool,
}

impl Postgres {
    pub(crate) async fn open(url: &str) -> Result<Self, OpenError> {
        let options: PgConnectOptions = url.parse().map_err(OpenError::Address)?;
        let options = options.application_name("outwork");
        migrate(&options).await?;
        Ok(Self {
            pool: Pool::new(options),
            version: SharedVersion::default(),
        })
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    pub(crate) async fn lease(&self) -> Result<Lease, StoreError> {
        self.pool.take().await
    }

    /// The version of the settings that holds, or held after this was called.
    pub(crate) async fn settings_version(&self) -> Result<Version, StoreError> {
        self.version.read(&self.pool).await
    }

    pub(crate) async fn write<W: Write>(
        &self,
        write: &W,
        listening: &Listening,
    ) -> Result<(W::Output, Committed), StoreError> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let failed = match self.try_write(write, listening).await {
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

    async fn try_write<W: Write>(
        &self,
        write: &W,
        listening: &Listening,
    ) -> Result<(W::Output, Committed), Failed> {
        let before = |error: StoreError| Failed {
            error,
            before_commit: true,
        };
        let mut lease = self.lease().await.map_err(before)?;
        lease.begin().await.map_err(|error| before(error.into()))?;
        let tx = Tx::new(Conn::Postgres(&mut lease), listening);
        let done = match tx.run(write).await {
            Ok(done) => done,
            Err(error) => {
                // Dropping it would roll back later: until then a claim would skip these rows.
                if let Err(lost) = lease.roll_back().await {
                    tracing::debug!(
                        error = &lost as &dyn std::error::Error,
                        "the server rolls back by itself when the connection is gone"
                    );
                }
                return Err(before(error));
            }
        };
        if failpoint::refuses("store.commit.refused") {
            let rolled_back = lease.roll_back().await;
            rolled_back.map_err(|error| before(error.into()))?;
            return Err(Failed {
                error: StoreError::unavailable("refused by a failure point"),
                before_commit: false,
            });
        }
        failpoint::pass("store.commit.before");
        lease.commit().await.map_err(|error| Failed {
            // The server says so itself when it rolled back.
            before_commit: error.as_database_error().is_some(),
            error: error.into(),
        })?;
        failpoint::pass("store.commit.after");
        Ok(done)
    }
}

/// On a connection of its own: what it sets and locks ends with it.
async fn migrate(options: &PgConnectOptions) -> Result<(), OpenError> {
    let mut conn = connect(options).await.map_err(OpenError::connect)?;
    let migrated = MIGRATIONS.run(&mut conn).await;
    close(conn).await;
    migrated.map_err(|error| migrate_error(error, &MIGRATIONS))
}
