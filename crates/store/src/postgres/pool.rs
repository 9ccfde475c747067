//! Connections to PostgreSQL, and one on loan.
//!
//! Borrowing and giving back cost no round trip: a connection is asked whether it still lives only
//! after it lay idle for a while or after another one broke, and only one whose last statement or
//! transaction was not brought to its end has to be tidied up before somebody else gets it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgDatabaseError, PgRow, PgSeverity};
use sqlx::{Connection, Executor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use crate::error::StoreError;
use crate::sql::{Sql, Value, postgres};

use super::later::{self, Later, LaterChange};

/// Connections of one server.
const CONNECTIONS: u32 = 16;
/// How long a caller waits for one of them.
const ACQUIRE: Duration = Duration::from_secs(5);
/// How long a connection may lie idle without being asked whether it still lives.
const PROVEN: Duration = Duration::from_secs(1);
/// Older ones are closed: their processes keep what they ever cached, and the address may have come to mean another server.
const LIFETIME: Duration = Duration::from_secs(30 * 60);
/// Before it is tried again to connect to a server that starts; twice as long each time.
const BACK_OFF: Duration = Duration::from_millis(10);
/// Statements that a connection keeps prepared; the store has fewer.
const PREPARED: usize = 512;

/// Each statement finds its rows by an index. Of a new table the planner knows nothing, and would read all of it, or join by hashing
/// all; and it keeps such a plan. `jit` comes with what a plan is thought to cost. No plan depends on a value, so each is made once: left to
/// itself the server plans some statements each time, which takes longer than running them.
const SETTINGS: &str = "SET jit = off; SET enable_seqscan = off; SET enable_bitmapscan = off; \
     SET enable_hashjoin = off; SET enable_mergejoin = off; SET plan_cache_mode = force_generic_plan";
const VIEW: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

pub(crate) struct Pool {
    options: PgConnectOptions,
    idle: Mutex<Idle>,
    permits: Arc<Semaphore>,
}

#[derive(Default)]
struct Idle {
    /// The last one was used last.
    links: Vec<Link>,
    /// When a connection was last found to be broken.
    broken_at: Option<Instant>,
}

#[derive(Debug)]
struct Link {
    conn: PgConnection,
    made_at: Instant,
    /// When the server last answered.
    proven_at: Instant,
}

/// A connection on loan; it goes back with this value.
#[derive(Debug)]
pub(crate) struct Lease {
    /// `None`: it broke.
    link: Option<Link>,
    state: LeaseState,
    /// A statement was sent, and its answer was not noted.
    busy: bool,
    later: Later,
    pool: Arc<Pool>,
    permit: Option<OwnedSemaphorePermit>,
}

/// Where a lease stands with its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LeaseState {
    /// Each statement has a transaction of its own.
    Plain,
    /// A view of the database begins with the next statement.
    ViewWanted,
    InTransaction,
}

impl Pool {
    pub(crate) fn new(options: PgConnectOptions) -> Arc<Self> {
        Arc::new(Self {
            options: options.statement_cache_capacity(PREPARED),
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(CONNECTIONS as usize)),
        })
    }

    pub(crate) async fn take(self: &Arc<Self>) -> Result<Lease, StoreError> {
        let ready = timeout(ACQUIRE, async {
            let permit = Arc::clone(&self.permits).acquire_owned().await;
            let permit = permit.map_err(|_| sqlx::Error::PoolClosed)?;
            let link = match self.proven().await {
                Some(link) => link,
                None => Link::new(self.connect().await?),
            };
            Ok((permit, link))
        });
        let (permit, link) = ready.await.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
        Ok(Lease {
            link: Some(link),
            state: LeaseState::Plain,
            busy: false,
            later: Later::default(),
            pool: Arc::clone(self),
            permit: Some(permit),
        })
    }

    /// Waits for those on loan, and closes all.
    pub(crate) async fn close(&self) {
        // If it is closed already, nothing is left to do.
        if let Ok(_all) = self.permits.acquire_many(CONNECTIONS).await {
            self.permits.close();
            let links = std::mem::take(&mut self.idle().links);
            for link in links {
                close(link.conn).await;
            }
        }
    }

    /// An idle connection whose server is there.
    async fn proven(&self) -> Option<Link> {
        loop {
            let (mut link, broken_at) = {
                let mut idle = self.idle();
                (idle.links.pop()?, idle.broken_at)
            };
            let since = link.proven_at;
            if since.elapsed() <= PROVEN && broken_at.is_none_or(|at| at < since) {
                return Some(link);
            }
            if link.conn.ping().await.is_ok() {
                link.proven_at = Instant::now();
                return Some(link);
            }
        }
    }

    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut conn = connect(&self.options).await?;
        conn.execute(SETTINGS).await?;
        Ok(conn)
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, link: Link) {
        if link.made_at.elapsed() <= LIFETIME {
            self.idle().links.push(link);
        }
    }
}

impl fmt::Debug for Pool {
    /// Without its address, which may have a password in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Link {
    fn new(conn: PgConnection) -> Self {
        let now = Instant::now();
        Self {
            conn,
            made_at: now,
            proven_at: now,
        }
    }
}

impl Lease {
    /// From the next statement on, all see the same.
    pub(crate) fn want_view(&mut self) {
        if self.state == LeaseState::Plain {
            self.state = LeaseState::ViewWanted;
        }
    }

    pub(crate) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        self.begin_with("BEGIN").await
    }

    /// An error of the server's own means that it rolled back.
    pub(crate) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        self.end("COMMIT").await
    }

    pub(crate) async fn roll_back(&mut self) -> Result<(), sqlx::Error> {
        drop(self.later.take());
        self.end("ROLLBACK").await
    }

    pub(crate) async fn rows(
        &mut self,
        sql: Sql,
        values: Vec<Value<'_>>,
    ) -> Result<Vec<PgRow>, StoreError> {
        self.flush().await?;
        let conn = self.conn().await?;
        let answer = postgres(sql, values).fetch_all(conn).await;
        Ok(self.note(answer)?)
    }

    pub(crate) async fn row(
        &mut self,
        sql: Sql,
        values: Vec<Value<'_>>,
    ) -> Result<Option<PgRow>, StoreError> {
        self.flush().await?;
        let conn = self.conn().await?;
        let answer = postgres(sql, values).fetch_optional(conn).await;
        Ok(self.note(answer)?)
    }

    /// How many rows it hit.
    pub(crate) async fn execute(
        &mut self,
        sql: Sql,
        values: Vec<Value<'_>>,
    ) -> Result<u64, StoreError> {
        self.flush().await?;
        let conn = self.conn().await?;
        let answer = postgres(sql, values).execute(conn).await;
        Ok(self.note(answer)?.rows_affected())
    }

    /// Runs it with what follows, at the latest before the commit.
    pub(crate) async fn later(&mut self, change: LaterChange) -> Result<(), StoreError> {
        if !self.later.takes(&change) {
            self.flush().await?;
        }
        self.later.push(change);
        Ok(())
    }

    /// Runs what was put off.
    pub(crate) async fn flush(&mut self) -> Result<(), StoreError> {
        let mut changes = self.later.take();
        if let [change] = &mut changes[..] {
            let values = std::mem::take(&mut change.values);
            let conn = self.conn().await?;
            let answer = postgres(change.sql, values).execute(conn).await;
            let hit = self.note(answer)?.rows_affected();
            return match &change.missed {
                Some(missed) if hit != 1 => Err(missed.clone().into()),
                Some(_) | None => Ok(()),
            };
        }
        if changes.is_empty() {
            return Ok(());
        }
        let statement = later::joined(&mut changes);
        let conn = self.conn().await?;
        let answer = statement.fetch_one(conn).await;
        let row = self.note(answer)?;
        later::check(&changes, &row)
    }

    /// The connection for a statement, after which [`Lease::note`] must follow.
    async fn conn(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        if self.state == LeaseState::ViewWanted {
            self.begin_with(VIEW).await?;
        }
        self.busy()
    }

    async fn begin_with(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        // Whatever becomes of it: rolling back where nothing was begun does no harm.
        self.state = LeaseState::InTransaction;
        let conn = self.busy()?;
        let begun = conn.execute(statement).await;
        self.note(begun).map(drop)
    }

    async fn end(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        let conn = self.busy()?;
        let ended = conn.execute(statement).await;
        let ended = self.note(ended).map(drop);
        self.state = LeaseState::Plain;
        ended
    }

    fn busy(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        let lost = || sqlx::Error::Io(std::io::ErrorKind::NotConnected.into());
        self.busy = true;
        self.link
            .as_mut()
            .map(|link| &mut link.conn)
            .ok_or_else(lost)
    }

    /// What was answered. A connection on which it cannot go on is closed.
    fn note<T>(&mut self, answer: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        self.busy = false;
        let broken = answer.as_ref().is_err_and(is_broken);
        match &mut self.link {
            Some(link) if !broken => link.proven_at = Instant::now(),
            Some(_) => {
                self.link = None;
                self.pool.idle().broken_at = Some(Instant::now());
            }
            None => {}
        }
        answer
    }
}

/// Whether the connection cannot be used any more. A refused statement is no reason.
fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(refused) => refused
            .try_downcast_ref::<PgDatabaseError>()
            .is_none_or(|refused| refused.severity() != PgSeverity::Error),
        _ => true,
    }
}

impl Drop for Lease {
    /// What was left in the middle, because its caller was dropped (an HTTP client hung up) or needed no more of its view, is ended apart.
    fn drop(&mut self) {
        let Some(link) = self.link.take() else {
            return;
        };
        if !self.busy && self.state != LeaseState::InTransaction {
            self.pool.put(link);
            return;
        }
        let (pool, permit) = (Arc::clone(&self.pool), self.permit.take());
        let tidied = tidy(link, self.state == LeaseState::InTransaction);
        // Without a runtime the connection is closed, and the server rolls back.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Some(link) = tidied.await {
                    pool.put(link);
                }
                drop(permit);
            });
        }
    }
}

/// Reads what is still to come and rolls back what is open. `None` if that cannot be done.
async fn tidy(mut link: Link, in_transaction: bool) -> Option<Link> {
    let tidied = timeout(ACQUIRE, async {
        match in_transaction {
            true => link.conn.execute("ROLLBACK").await.map(drop),
            false => link.conn.ping().await,
        }
    });
    let done = matches!(tidied.await, Ok(Ok(())));
    done.then_some(link)
}

/// Waits for a server that starts.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let connected = timeout(ACQUIRE, async {
        let mut pause = BACK_OFF;
        loop {
            match PgConnection::connect_with(options).await {
                Err(error) if starts(&error) => sleep(pause).await,
                done => return done,
            }
            pause *= 2;
        }
    });
    connected.await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

fn starts(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => error.is_transient_in_connect_phase(),
        _ => false,
    }
}

pub(super) async fn close(conn: PgConnection) {
    if let Err(error) = conn.close().await {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "a connection was lost before it was closed"
        );
    }
}
