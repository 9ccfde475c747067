//! Opening a database, and the two ways to use it: reading and writing.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use outwork_domain::attempt::Refused;
use outwork_domain::{AttemptId, TaskId, Timestamp, WorkspaceId};
use sqlx::migrate::{MigrateError, Migrator};
use tokio::sync::broadcast;

use crate::error::{OpenError, StoreError};
use crate::lane::{Lanes, Move};
use crate::listening::{self, Listening};
use crate::occurrence::{self, Happens};
use crate::postgres::Postgres;
use crate::postgres::pool::Lease;
use crate::record::Change;
use crate::settings::{Settings, Version};
use crate::sql::{Conn, Row, Sql, Value, id, values};
use crate::sqlite::Sqlite;
use crate::sqlite::readers::Reader;
use crate::sqlite::standby::{Standby, StandsBy};

/// How many commits a receiver of [`Store::changes`] may lag behind before it has to read again.
const COMMITS: usize = 4096;

/// The database. Clones share it.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Engine,
    told: Told,
}

/// Whom a commit is told.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    changes: broadcast::Sender<Arc<[Change]>>,
    lanes: Lanes,
    pub(crate) settings: Settings,
    pub(crate) listening: Listening,
}

/// What a commit changed.
#[derive(Debug, Default)]
pub(crate) struct Committed {
    changes: Vec<Change>,
    moves: Vec<Move>,
}

#[derive(Debug)]
enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// A change of the database: all or nothing. It may run more than once, as long as what it did
/// before was rolled back.
pub(crate) trait Write: Send + Sync + 'static {
    type Output: Send + 'static;

    fn apply(
        &self,
        tx: &mut Tx<'_>,
    ) -> impl Future<Output = Result<Self::Output, StoreError>> + Send;
}

/// A transaction in which a [`Write`] runs.
pub(crate) struct Tx<'c> {
    conn: Conn<'c>,
    committed: Committed,
    touched: BTreeMap<TaskId, Timestamp>,
    listening: &'c Listening,
    happens: Vec<Happens>,
}

/// A consistent view of the database.
pub(crate) enum Snapshot {
    Sqlite(Reader),
    Postgres(Lease),
}

impl Store {
    /// Opens the SQLite database at `path`; makes it, and brings its schema up to date. Only one
    /// process may do so at a time; that is the caller's to ensure.
    pub async fn open_sqlite(path: &Path) -> Result<Self, OpenError> {
        let told = Told::new();
        let engine = Engine::Sqlite(Sqlite::open(path, told.clone()).await?);
        Ok(Self(Arc::new(Inner { engine, told })))
    }

    /// Opens the PostgreSQL database at `url` and brings its schema up to date.
    pub async fn open_postgres(url: &str) -> Result<Self, OpenError> {
        let told = Told::new();
        let engine = Engine::Postgres(Postgres::open(url).await?);
        let store = Self(Arc::new(Inner { engine, told }));
        store.hear().await.map_err(OpenError::connect)?;
        Ok(store)
    }

    /// Ends what was begun and closes the database. Later calls fail.
    pub async fn close(&self) {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.close().await,
            Engine::Postgres(postgres) => postgres.close().await,
        }
    }

    /// Keeps 16 MiB beside an embedded database, unless it does, which are given up when the disk is full: so that what runs can still be
    /// cancelled and end. Opening it does so, too.
    pub async fn keep_reserve(&self) {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.keep_reserve().await,
            Engine::Postgres(_) => {}
        }
    }

    /// Reads and writes something trivial: `Ok` means that the database takes both.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.read()
            .await?
            .row("SELECT probes FROM server WHERE id = 1", values![])
            .await?
            .ok_or_else(|| StoreError::corrupt("server row"))?;
        self.write(Probe).await
    }

    /// Whether other processes may write to it, of which [`Self::changes`] does not tell.
    pub fn is_shared(&self) -> bool {
        match &self.0.engine {
            Engine::Sqlite(_) => false,
            Engine::Postgres(_) => true,
        }
    }

    /// What is committed from now on by this process, commit by commit. With several servers on one
    /// PostgreSQL, poll behind it.
    pub fn changes(&self) -> broadcast::Receiver<Arc<[Change]>> {
        self.0.told.changes.subscribe()
    }

    pub(crate) async fn write<W: Write>(&self, write: W) -> Result<W::Output, StoreError> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.write(write).await,
            Engine::Postgres(postgres) => {
                let (output, committed) = postgres.write(&write, self.listening()).await?;
                self.0.told.tell(committed);
                Ok(output)
            }
        }
    }

    /// The write happens right behind one of this process that queues something, if the database
    /// does that.
    pub(crate) fn stand_by_to<W: StandsBy>(&self, write: W) -> Option<Standby<W::Output>> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => Some(sqlite.stand_by(write)),
            Engine::Postgres(_) => None,
        }
    }

    pub(crate) fn lanes(&self) -> &Lanes {
        &self.0.told.lanes
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.told.settings
    }

    pub(crate) fn listening(&self) -> &Listening {
        &self.0.told.listening
    }

    /// The version of the settings that holds. If it is another one, who is to be told is read anew.
    pub(crate) async fn settings_version(&self) -> Result<Version, StoreError> {
        match &self.0.engine {
            Engine::Sqlite(_) => Ok(self.settings().committed()),
            Engine::Postgres(postgres) => {
                let version = postgres.settings_version().await?;
                match version {
                    Version::Committed(number) if !self.listening().is_of(number) => {
                        let rows = self
                            .read()
                            .await?
                            .rows(listening::SELECT, values![])
                            .await?;
                        let workspaces = rows.iter().map(|row| row.parsed("workspace_id"));
                        let workspaces = workspaces.collect::<Result<HashSet<_>, _>>()?;
                        self.listening().set(number, workspaces);
                    }
                    Version::Committed(_) | Version::Uncommitted => {}
                }
                Ok(version)
            }
        }
    }

    /// A view in which several statements see the same.
    pub(crate) async fn read(&self) -> Result<Snapshot, StoreError> {
        Ok(match &self.0.engine {
            Engine::Sqlite(sqlite) => Snapshot::Sqlite(sqlite.reader().await?),
            Engine::Postgres(postgres) => Snapshot::Postgres(postgres.lease().await?),
        })
    }
}

impl Told {
    fn new() -> Self {
        Self {
            changes: broadcast::channel(COMMITS).0,
            lanes: Lanes::default(),
            settings: Settings::default(),
            listening: Listening::default(),
        }
    }

    /// Tells the schedule what is about to be committed, for whoever stands by. It is told again once it is.
    pub(crate) fn expect(&self, about: &Committed) {
        let queued = about.moves.iter().filter(|it| it.queues());
        self.lanes.note(&queued.copied().collect::<Vec<_>>());
    }

    /// The schedule was told of what came to nothing, or claims picked what they were not given.
    pub(crate) fn undone(&self) {
        self.lanes.lock().set_stale();
    }

    /// Tells the schedule and then those who listen; nobody listening is no error.
    pub(crate) fn tell(&self, committed: Committed) {
        let Committed { mut changes, moves } = committed;
        let room = self.lanes.note(&moves);
        changes.extend(room.into_iter().map(Change::Queue));
        if !changes.is_empty() {
            let _nobody_listens = self.changes.send(changes.into());
        }
    }
}

impl Committed {
    /// What several have changed.
    pub(crate) fn all(parts: impl Iterator<Item = Self>) -> Self {
        parts.fold(Self::default(), |mut all, mut part| {
            all.changes.append(&mut part.changes);
            all.moves.append(&mut part.moves);
            all
        })
    }

    /// Whether somebody may be given something because of it.
    pub(crate) fn queues(&self) -> bool {
        self.moves.iter().any(Move::queues)
    }

    /// The attempts that changed.
    pub(crate) fn attempts(&self) -> impl Iterator<Item = AttemptId> {
        self.changes.iter().filter_map(|change| match change {
            Change::Attempt(attempt) => Some(*attempt),
            Change::Queue(_)
            | Change::Command(..)
            | Change::Worker(_)
            | Change::Task(_)
            | Change::Job(_)
            | Change::Happened => None,
        })
    }

    /// What it queued was given out in the same transaction.
    pub(crate) fn set_given(&mut self) {
        self.moves.retain(|it| !it.queues());
        let queue = |change: &Change| matches!(change, Change::Queue(_));
        self.changes.retain(|change| !queue(change));
    }
}

struct Probe;

impl Write for Probe {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        tx.execute(
            "UPDATE server SET probes = probes + 1 WHERE id = 1",
            values![],
        )
        .await?;
        Ok(())
    }
}

impl<'c> Tx<'c> {
    pub(crate) fn new(conn: Conn<'c>, listening: &'c Listening) -> Self {
        Self {
            conn,
            committed: Committed::default(),
            touched: BTreeMap::new(),
            listening,
            happens: Vec::new(),
        }
    }

    /// Runs the write to its end; the caller commits.
    pub(crate) async fn run<W: Write>(
        mut self,
        write: &W,
    ) -> Result<(W::Output, Committed), StoreError> {
        let output = write.apply(&mut self).await?;
        self.settle().await?;
        if !self.happens.is_empty() {
            let all = std::mem::take(&mut self.happens);
            occurrence::write(&mut self, all).await?;
        }
        self.conn.flush().await?;
        Ok((output, self.committed))
    }

    /// To be told once this is committed.
    pub(crate) fn changed(&mut self, change: Change) {
        if !self.committed.changes.contains(&change) {
            self.committed.changes.push(change);
        }
    }

    /// Whether somebody is to be told what happens in that workspace.
    pub(crate) fn is_heard(&self, workspace: WorkspaceId) -> bool {
        self.listening.includes(workspace)
    }

    /// Something that happens, for somebody who is to be told: written at the end.
    pub(crate) fn note(&mut self, it: Happens) {
        self.happens.push(it);
    }

    /// For the schedule, once this is committed.
    pub(crate) fn moved(&mut self, it: Move) {
        self.committed.moves.push(it);
    }

    /// The task changed: its time is written at the end, and who listens is told.
    pub(crate) fn touch(&mut self, task: TaskId, at: Timestamp) {
        self.touched.insert(task, at);
        self.changed(Change::Task(task));
    }

    /// Writes the times of the tasks that changed: at the end, or before they are read again.
    pub(crate) async fn settle(&mut self) -> Result<(), StoreError> {
        // In the order of their ids, so that two transactions never wait for each other here.
        for (task, at) in std::mem::take(&mut self.touched) {
            self.later(
                "UPDATE tasks SET updated_at = $2 WHERE id = $1 AND updated_at < $2",
                values![id(task), at],
            )
            .await?;
        }
        Ok(())
    }

    pub(crate) fn conn(&mut self) -> &mut Conn<'c> {
        &mut self.conn
    }

    pub(crate) async fn rows(
        &mut self,
        sql: impl Into<Sql> + Send,
        values: Vec<Value<'_>>,
    ) -> Result<Vec<Row>, StoreError> {
        self.conn.rows(sql, values).await
    }

    pub(crate) async fn row(
        &mut self,
        sql: impl Into<Sql> + Send,
        values: Vec<Value<'_>>,
    ) -> Result<Option<Row>, StoreError> {
        self.conn.row(sql, values).await
    }

    pub(crate) async fn execute(
        &mut self,
        sql: impl Into<Sql> + Send,
        values: Vec<Value<'_>>,
    ) -> Result<u64, StoreError> {
        self.conn.execute(sql, values).await
    }

    /// A change of which nobody has to know how many rows it hits. On PostgreSQL it runs with those
    /// that follow, in one round trip, before the next read or the commit.
    pub(crate) async fn later(
        &mut self,
        sql: impl Into<Sql> + Send,
        values: Vec<Value<'_>>,
    ) -> Result<(), StoreError> {
        self.conn.later(sql, values, None).await
    }

    /// The same, which has to hit exactly one row.
    pub(crate) async fn later_one(
        &mut self,
        sql: impl Into<Sql> + Send,
        values: Vec<Value<'_>>,
        missed: Refused,
    ) -> Result<(), StoreError> {
        self.conn.later(sql, values, Some(missed)).await
    }
}

impl Snapshot {
    /// For several statements.
    pub(crate) fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(reader) => reader.want_view(),
            Self::Postgres(lease) => lease.want_view(),
        }
        self.alone()
    }

    /// For one statement, which sees one view by itself.
    pub(crate) fn alone(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(reader) => Conn::Sqlite(reader),
            Self::Postgres(lease) => Conn::Postgres(lease),
        }
    }

    pub(crate) async fn rows(
        mut self,
        sql: impl Into<Sql> + Send,
        values: Vec<Value<'_>>,
    ) -> Result<Vec<Row>, StoreError> {
        self.alone().rows(sql, values).await
    }

    pub(crate) async fn row(
        mut self,
        sql: impl Into<Sql> + Send,
        values: Vec<Value<'_>>,
    ) -> Result<Option<Row>, StoreError> {
        self.alone().row(sql, values).await
    }
}

/// What a failed migration means.
pub(crate) fn migrate_error(error: MigrateError, migrator: &Migrator) -> OpenError {
    match error {
        MigrateError::VersionMissing(found) => OpenError::NewerSchema {
            found,
            known: migrator
                .iter()
                .map(|migration| migration.version)
                .max()
                .unwrap_or(0),
        },
        other => OpenError::Migrate(other),
    }
}
