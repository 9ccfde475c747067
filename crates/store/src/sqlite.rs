//! SQLite: readers, and one writer that commits in groups.
//!
//! A commit costs a flush of the disk however much it holds. So callers hand their writes to one
//! task; it takes all that wait, runs each in one transaction, commits, and only
//! then answers them. A write that fails before it changed anything is told so and the others go on. If one fails
//! after it did, which is rare, all are rolled back and run once more, each under a savepoint: what it did is undone
//! by that, and savepoints for all writes would cost as much as some of their statements. If
//! SQLite gives the whole transaction up (it may when the disk is full), nothing of it was
//! acknowledged, and each write is run again in a transaction of its own. Before that some space is given up that was kept
//! for this ([`reserve`]). A write may also stand by until another one queues something for it ([`standby`]).
//!
//! [`job`] is a write on its way, [`lite`] is a connection, [`readers`] are those that read.

mod job;
pub(crate) mod lite;
pub(crate) mod readers;
mod reserve;
pub(crate) mod standby;
mod upgrade;

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use outwork_domain::WorkspaceId;
use outwork_failpoint as failpoint;
use sqlx::Connection;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::error::{OpenError, StoreError, is_locked};
use crate::listening::{self, Listening};
use crate::settings;
use crate::store::{Committed, Told, Write, migrate_error};

use job::{Job, Waiting};
use reserve::Reserve;

pub(crate) use upgrade::{known, schema, vacuum_into};

pub(crate) use lite::BUSY;
use lite::{Access, Lite, LiteValue};
use readers::{Reader, Readers};
use standby::{Standby, Standbys, StandsBy};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Writes in one transaction, at most.
const GROUP: usize = 256;
/// Writes that may wait before callers wait to hand theirs in.
const WAITING: usize = 1024;
/// Commits after which what they wrote is copied from the log into the database, once nobody waits:
/// SQLite by itself would do so in the midst of a commit.
const COMMITS: u32 = 48;
const CLOSED: &str = "the store is closed";

#[derive(Debug)]
pub(crate) struct Sqlite {
    readers: Arc<Readers>,
    queue: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    standbys: Arc<Standbys>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
    reserve: Reserve,
    listening: Listening,
}

impl Sqlite {
    pub(crate) async fn open(path: &Path, told: Told) -> Result<Self, OpenError> {
        create(path)?;
        migrate(path).await?;
        let mut conn = Lite::open(path, Access::Write).map_err(OpenError::connect)?;
        let version = conn.number(settings::VERSION).map_err(OpenError::connect)?;
        told.settings.set_committed(Some(version));
        let heard = heard(&mut conn).map_err(OpenError::connect)?;
        told.listening.set(version, heard);
        let listening = told.listening.clone();
        let (queue, waiting) = mpsc::channel(WAITING);
        let reserve = Reserve::beside(path);
        reserve.keep();
        let standbys = Arc::new(Standbys::new(listening.clone()));
        let writer = Writer {
            path: path.to_owned(),
            conn,
            standbys: Arc::clone(&standbys),
            reserve: reserve.clone(),
            told,
        };
        Ok(Self {
            reserve,
            listening,
            readers: Readers::new(path.to_owned()),
            queue: Mutex::new(Some(queue)),
            standbys,
            ended: Mutex::new(Some(writer.start(waiting)?)),
        })
    }

    pub(crate) async fn close(&self) {
        drop(lock(&self.queue).take());
        let ended = lock(&self.ended).take();
        if let Some(ended) = ended
            && ended.await.is_err()
        {
            tracing::error!("the writer panicked");
        }
        self.standbys.clear();
        self.readers.close().await;
    }

    /// Keeps some space once more that was given up when the disk was full.
    pub(crate) async fn keep_reserve(&self) {
        let reserve = self.reserve.clone();
        let kept = tokio::task::spawn_blocking(move || reserve.keep()).await;
        if kept.is_err() {
            tracing::error!("keeping some space panicked");
        }
    }

    pub(crate) async fn reader(&self) -> Result<Reader, StoreError> {
        self.readers.take().await
    }

    pub(crate) async fn write<W: Write>(&self, write: W) -> Result<W::Output, StoreError> {
        let (caller, answer) = oneshot::channel();
        let queue = lock(&self.queue)
            .clone()
            .ok_or_else(|| StoreError::unavailable(CLOSED))?;
        let job = Waiting::new(write, caller, self.listening.clone());
        queue
            .send(Box::new(job))
            .await
            .map_err(|_| StoreError::unavailable(CLOSED))?;
        answer.await.map_err(|_| StoreError::unavailable(CLOSED))?
    }

    /// Runs it right behind a write that queues something, as soon as it is due.
    pub(crate) fn stand_by<W: StandsBy>(&self, write: W) -> Standby<W::Output> {
        self.standbys.add(write)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it holds this")
}

/// Makes the file, for its owner only: it holds sealed keys and hashes of tokens. SQLite gives the
/// files beside it the same mode.
fn create(path: &Path) -> Result<(), OpenError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|source| OpenError::File {
            path: path.to_owned(),
            source,
        })
}

/// Brings the schema up to date, through a connection that is closed again.
async fn migrate(path: &Path) -> Result<(), OpenError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY);
    let mut conn = SqliteConnection::connect_with(&options)
        .await
        .map_err(OpenError::connect)?;
    upgrade::keep_before(&mut conn, path).await?;
    MIGRATIONS
        .run(&mut conn)
        .await
        .map_err(|error| migrate_error(error, &MIGRATIONS))?;
    conn.close().await.map_err(OpenError::connect)
}

/// The workspaces that have somebody to be told.
fn heard(conn: &mut Lite) -> Result<HashSet<WorkspaceId>, rusqlite::Error> {
    let rows = conn.rows(listening::SELECT, &[], usize::MAX)?;
    let ids = rows.iter().filter_map(|row| match row.get("workspace_id") {
        Some(LiteValue::Text(text)) => text.parse().ok(),
        Some(_) | None => None,
    });
    Ok(ids.collect())
}

struct Writer {
    path: PathBuf,
    conn: Lite,
    standbys: Arc<Standbys>,
    reserve: Reserve,
    told: Told,
}

type Group = Vec<Box<dyn Job>>;

impl Writer {
    /// On a thread of its own: its statements wait for the disk. Answers what is told when it has ended.
    fn start(
        self,
        waiting: mpsc::Receiver<Box<dyn Job>>,
    ) -> Result<oneshot::Receiver<()>, OpenError> {
        let (end, ended) = oneshot::channel();
        let runtime = Handle::current();
        std::thread::Builder::new()
            .name("outwork-writer".to_owned())
            .spawn(move || {
                runtime.block_on(self.run(waiting));
                let _nobody_waits = end.send(());
            })
            .map_err(OpenError::connect)?;
        Ok(ended)
    }

    /// Ends when all who could send have gone.
    async fn run(mut self, mut waiting: mpsc::Receiver<Box<dyn Job>>) {
        let mut group = Vec::with_capacity(GROUP);
        let mut commits = 0;
        while waiting.recv_many(&mut group, GROUP).await > 0 {
            self.commit(std::mem::take(&mut group)).await;
            commits += 1;
            if commits >= COMMITS && waiting.is_empty() {
                self.checkpoint();
                commits = 0;
            }
        }
        if let Err(error) = self.conn.close() {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the database was not closed in order; it is checked when it is opened again"
            );
        }
    }

    /// As far as no reader needs the log.
    fn checkpoint(&mut self) {
        const CHECKPOINT: &str = "PRAGMA wal_checkpoint(PASSIVE)";
        if let Err(error) = self.conn.rows(CHECKPOINT, &[], 1) {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the log was not copied; SQLite does so when it is longer"
            );
        }
    }

    async fn commit(&mut self, mut group: Group) {
        match self.transaction_with_reserve(&mut group).await {
            Err(GivenUp::Single) => {
                for job in group {
                    let mut alone = vec![job];
                    let done = self.transaction_with_reserve(&mut alone).await;
                    self.answer(alone, done);
                }
            }
            done => self.answer(group, done),
        }
    }

    /// Tells all changes at once, and then the callers.
    fn answer(&self, mut group: Group, done: Result<(), GivenUp>) {
        let undone = done.err();
        match undone {
            Some(_) => self.told.undone(),
            None => {
                settle_given(&mut group);
                let changed = group.iter_mut().filter_map(|job| job.committed());
                self.told.tell(Committed::all(changed.map(std::mem::take)));
            }
        }
        // First those that were waited for longest, and on which nobody else's answer depends.
        group.sort_by_key(|job| !job.stands_by());
        for job in group {
            job.answer(undone.as_ref().map(GivenUp::error));
        }
    }

    /// As [`Self::transaction`]; if the disk is full, once more with the space that was kept for that.
    async fn transaction_with_reserve(&mut self, group: &mut Group) -> Result<(), GivenUp> {
        match self.transaction(group).await {
            Err(given_up) if given_up.is_disk_full() && self.reserve.give_up() => {
                tracing::warn!("the disk is full; the space that was kept for that is used now");
                self.transaction(group).await
            }
            done => done,
        }
    }

    /// Runs the group in one transaction. `Ok`: it is on disk, less the writes that failed.
    async fn transaction(&mut self, group: &mut Group) -> Result<(), GivenUp> {
        self.begin()?;
        match self.run_group(group).await {
            Ok(false) => Ok(()),
            Ok(true) if failpoint::refuses("store.commit.refused") => {
                self.roll_back();
                Err(GivenUp::Refused)
            }
            Ok(true) => match self.commit_transaction() {
                Ok(()) => Ok(()),
                Err(error) => {
                    self.roll_back();
                    self.told.settings.set_committed(None);
                    Err(GivenUp::commit(error, group.len()))
                }
            },
            Err(given_up) => {
                self.roll_back();
                Err(given_up)
            }
        }
    }

    fn commit_transaction(&mut self) -> Result<(), rusqlite::Error> {
        let version = self.conn.number(settings::VERSION)?;
        let heard = match self.told.listening.is_of(version) {
            true => None,
            false => Some(heard(&mut self.conn)?),
        };
        failpoint::pass("store.commit.before");
        self.conn.run("COMMIT")?;
        if let Some(heard) = heard {
            self.told.listening.set(version, heard);
        }
        self.told.settings.set_committed(Some(version));
        failpoint::pass("store.commit.after");
        Ok(())
    }

    /// Opens a fresh connection where the old one is in a state that nothing can be begun in.
    fn begin(&mut self) -> Result<(), GivenUp> {
        const BEGIN: &str = "BEGIN IMMEDIATE";
        let Err(error) = self.conn.run(BEGIN) else {
            return Ok(());
        };
        if is_locked(&error) {
            return Err(GivenUp::All(Arc::new(error)));
        }
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the writer opens its database again"
        );
        let again = Lite::open(&self.path, Access::Write).and_then(|conn| {
            self.conn = conn;
            self.conn.run(BEGIN)
        });
        again.map_err(|error| GivenUp::All(Arc::new(error)))
    }

    /// Without savepoints, unless one fails that has changed something. Whether there is something to commit.
    async fn run_group(&mut self, group: &mut Group) -> Result<bool, GivenUp> {
        let mut at = 0;
        while at < group.len() {
            let before = self.conn.changed_rows();
            if !group[at].run(&mut self.conn).await {
                if group.len() == 1 {
                    self.roll_back();
                    return Ok(false);
                }
                if !self.conn.is_in_transaction() {
                    return Err(GivenUp::Single);
                }
                if self.conn.changed_rows() != before {
                    self.roll_back();
                    self.told.undone();
                    self.begin()?;
                    return self.run_guarded(group).await;
                }
            }
            self.call_behind(group, at);
            at += 1;
        }
        Ok(true)
    }

    /// Each under a savepoint.
    async fn run_guarded(&mut self, group: &mut Group) -> Result<bool, GivenUp> {
        let mut next = "SAVEPOINT one";
        let mut at = 0;
        while at < group.len() {
            self.conn.run(next).map_err(single)?;
            next = match group[at].run(&mut self.conn).await {
                true => "RELEASE one; SAVEPOINT one",
                false => "ROLLBACK TO one; RELEASE one; SAVEPOINT one",
            };
            self.call_behind(group, at);
            at += 1;
        }
        // The last savepoint is released by the commit.
        if next.starts_with("ROLLBACK") {
            self.conn.run("ROLLBACK TO one").map_err(single)?;
        }
        Ok(true)
    }

    /// Puts what stood by for what a write has queued right behind it.
    fn call_behind(&self, group: &mut Group, at: usize) {
        if let Some(called) = self.behind(group[at].as_mut()) {
            group.insert(at + 1, called);
        }
    }

    /// What stood by for what a write has queued, or for what the one that was called for that has left.
    fn behind(&self, job: &mut dyn Job) -> Option<Box<dyn Job>> {
        let stands_by = job.stands_by();
        let committed = job.committed()?;
        let leaves = match stands_by {
            true => committed.attempts().next().is_some(),
            false => committed.queues(),
        };
        if !leaves || self.standbys.is_empty() {
            return None;
        }
        self.told.expect(committed);
        self.standbys.call()
    }

    /// SQLite may have rolled back by itself; then there is nothing to do.
    fn roll_back(&mut self) {
        if let Err(error) = self.conn.run("ROLLBACK") {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "nothing to roll back"
            );
        }
    }
}

/// What was queued and given out in the same transaction is news to nobody who waits for work.
fn settle_given(group: &mut Group) {
    let mut given = HashSet::new();
    for job in group.iter_mut().filter(|job| job.stands_by()) {
        given.extend(job.committed().iter().flat_map(|it| it.attempts()));
    }
    if given.is_empty() {
        return;
    }
    for job in group.iter_mut().filter(|job| !job.stands_by()) {
        if let Some(committed) = job.committed()
            && committed.queues()
            && committed.attempts().all(|it| given.contains(&it))
        {
            committed.set_given();
        }
    }
}

fn single(_lost: rusqlite::Error) -> GivenUp {
    GivenUp::Single
}

/// Why a transaction was not committed. Nothing of it is visible.
enum GivenUp {
    /// Each write has to be tried by itself.
    Single,
    /// All have to be told.
    All(Arc<rusqlite::Error>),
    /// The same, by a failure point.
    Refused,
}

impl GivenUp {
    /// A small write may find room where the group did not.
    fn commit(error: rusqlite::Error, group: usize) -> Self {
        let error = Arc::new(error);
        match StoreError::shared(&error) {
            StoreError::DiskFull if group > 1 => Self::Single,
            _ => Self::All(error),
        }
    }

    fn is_disk_full(&self) -> bool {
        matches!(self.error(), StoreError::DiskFull)
    }

    fn error(&self) -> StoreError {
        match self {
            Self::Single => StoreError::unavailable("the transaction was rolled back"),
            Self::All(error) => StoreError::shared(error),
            Self::Refused => StoreError::unavailable("refused by a failure point"),
        }
    }
}
