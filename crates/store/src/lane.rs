//! Lanes: rows of `lanes`, and the schedule of all that wait, which is kept in memory.
//!
//! A claim must not read what waits: that may be a million attempts in a thousand lanes. So each
//! process keeps a [`Schedule`]. It notes what the process itself commits, and reads it anew now and
//! then: which lanes are not empty (a loose index scan: one look-up for each), and how many of each
//! are held. What it says are hints; the claim locks what it takes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outwork_domain::agent::AgentName;
use outwork_domain::environment::{AgentSpec, EnvironmentSpec};
use outwork_domain::schedule::{Lane, LaneId, LaneState, Needs, Schedule};
use outwork_domain::{EnvironmentId, PrincipalId, Priority, Timestamp, WorkspaceId};

use crate::environment_row::required_labels;
use crate::error::StoreError;
use crate::sql::{Conn, Row, Sql, id, in_json, json_array, values};
use crate::store::{Store, Tx};

/// How old it may be.
const OLD: Duration = Duration::from_secs(1);
/// How old it may be when it has nothing for a worker: another process may have queued something.
const OLD_IF_EMPTY: Duration = Duration::from_millis(100);

/// Something that the schedule has to note once it is committed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Move {
    /// A new attempt waits.
    Queued(Lane, Timestamp),
    /// An attempt waits again: its lane, when it was made, and from when it is visible.
    Requeued(LaneId, Timestamp, Timestamp),
    /// A worker does not hold an attempt of the lane any more.
    Left(LaneId),
    /// An environment was changed.
    Environment,
}

/// What a lane's attempts have in common.
type Key = (EnvironmentId, PrincipalId, Priority, Option<AgentName>);

impl Move {
    /// Whether an attempt waits by it.
    pub(crate) fn queues(&self) -> bool {
        match self {
            Self::Queued(..) | Self::Requeued(..) => true,
            Self::Left(_) | Self::Environment => false,
        }
    }
}

/// The schedule of this process. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lanes(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    schedule: Mutex<Schedule>,
    /// The lanes in which this process has queued something. A row of `lanes` is never changed or removed.
    known: Mutex<HashMap<Key, LaneId>>,
    /// When it was read; held while it is read anew.
    read_at: tokio::sync::Mutex<Option<Timestamp>>,
}

impl Lanes {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Schedule> {
        let poisoned = PoisonError::into_inner;
        self.0.schedule.lock().unwrap_or_else(poisoned)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Key, LaneId>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what was committed. Answers the workspaces in which something may be given out that
    /// waited for room in its environment.
    pub(crate) fn note(&self, moves: &[Move]) -> Vec<WorkspaceId> {
        let mut room = Vec::new();
        if moves.is_empty() {
            return room;
        }
        let mut schedule = self.lock();
        for it in moves {
            match *it {
                Move::Queued(lane, created_at) => {
                    self.known().insert(key(&lane), lane.id);
                    schedule.queued(lane, created_at);
                }
                Move::Requeued(lane, created_at, visible_at) => {
                    schedule.requeued(lane, created_at, visible_at);
                }
                Move::Left(lane) => room.extend(schedule.left(lane)),
                Move::Environment => schedule.forget_needs(),
            }
        }
        room
    }

    /// Reads it anew if it is older than it may be. Whether it did.
    pub(crate) async fn refresh(
        &self,
        store: &Store,
        empty: bool,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let most = if empty { OLD_IF_EMPTY } else { OLD };
        let mut read_at = self.0.read_at.lock().await;
        // The clock of another server, or of a test, may be behind.
        let fresh = read_at.is_some_and(|at| now.since(at).max(at.since(now)) <= most);
        if fresh && !self.lock().is_stale() {
            return Ok(false);
        }
        let mark = self.lock().mark();
        let read = async {
            let mut snapshot = store.read().await?;
            read(&mut snapshot.conn(), now).await
        };
        match read.await {
            Ok((lanes, needs)) => self.lock().install(lanes, needs, mark),
            Err(error) => {
                self.lock().set_stale();
                return Err(error);
            }
        }
        *read_at = Some(now);
        Ok(true)
    }
}

/// All lanes in which something waits or is held, and what their environments need.
async fn read(
    conn: &mut Conn<'_>,
    now: Timestamp,
) -> Result<(Vec<LaneState>, Vec<(EnvironmentId, Needs)>), StoreError> {
    let mut lanes = Vec::new();
    for row in conn.rows(LANES, values![now]).await? {
        let lane = read_lane(&row)?;
        let since = row.opt_time("since")?;
        let later = match (since, row.int("waits")? == 1) {
            (None, true) => later(conn, lane.id).await?,
            (Some(_), _) | (None, false) => None,
        };
        lanes.push(LaneState {
            lane,
            running: row.number("running")?,
            since,
            later,
        });
    }
    let mut environments: Vec<_> = lanes.iter().map(|at| at.lane.environment_id).collect();
    environments.sort();
    environments.dedup();
    let needs = needs(conn, &environments).await?;
    Ok((lanes, needs))
}

/// Lane by lane along the index `attempts_waiting`: what is queued is not read, but for what waits
/// after a lost worker in front of what can be given out. What is held is counted.
const LANES: &str = "WITH RECURSIVE waiting (lane) AS ( \
         SELECT min(a.lane) FROM attempts a WHERE a.state = 'queued' \
         UNION ALL \
         SELECT (SELECT min(a.lane) FROM attempts a WHERE a.state = 'queued' AND a.lane > w.lane) \
         FROM waiting w WHERE w.lane IS NOT NULL), \
     held (lane, running) AS ( \
         SELECT a.lane, count(*) FROM attempts a WHERE a.state = 'held' GROUP BY a.lane), \
     both_kinds (lane, waits) AS ( \
         SELECT lane, 1 FROM waiting UNION ALL SELECT lane, 0 FROM held) \
     SELECT l.id, l.workspace_id, l.environment_id, l.principal_id, l.priority, l.agent, \
         coalesce((SELECT h.running FROM held h WHERE h.lane = l.id), 0) AS running, \
         CAST(max(b.waits) AS BIGINT) AS waits, \
         (SELECT a.created_at FROM attempts a WHERE a.state = 'queued' AND a.lane = l.id \
         AND a.visible_at <= $1 ORDER BY a.created_at, a.id LIMIT 1) AS since \
     FROM both_kinds b JOIN lanes l ON l.id = b.lane GROUP BY l.id ORDER BY l.id";

/// From when the first of a lane's attempts is visible, and when it was made: of a lane in which all
/// that waits waits after a lost worker. SQLite would go through the whole table.
async fn later(
    conn: &mut Conn<'_>,
    lane: LaneId,
) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
    const SELECT: Sql = Sql {
        sqlite: "SELECT visible_at, created_at FROM attempts INDEXED BY attempts_waiting \
             WHERE state = 'queued' AND lane = $1 ORDER BY visible_at, created_at LIMIT 1",
        postgres: "SELECT visible_at, created_at FROM attempts \
             WHERE state = 'queued' AND lane = $1 ORDER BY visible_at, created_at LIMIT 1",
    };
    let row = conn.row(SELECT, values![lane.get()]).await?;
    let times = row.map(|row| Ok((row.time("visible_at")?, row.time("created_at")?)));
    times.transpose()
}

fn read_lane(row: &Row) -> Result<Lane, StoreError> {
    Ok(Lane {
        id: LaneId::new(row.int("id")?),
        workspace_id: row.parsed("workspace_id")?,
        environment_id: row.parsed("environment_id")?,
        principal_id: row.parsed("principal_id")?,
        priority: Priority::from_rank(row.int("priority")?)
            .ok_or_else(|| StoreError::corrupt("priority"))?,
        agent: match row.str("agent")? {
            "" => None,
            name => Some(AgentName::parse(name).ok_or_else(|| StoreError::corrupt("agent"))?),
        },
    })
}

pub(crate) async fn needs(
    conn: &mut Conn<'_>,
    environments: &[EnvironmentId],
) -> Result<Vec<(EnvironmentId, Needs)>, StoreError> {
    const SELECT: Sql = in_json!(
        "SELECT id, agent, required_labels, max_concurrent FROM environments WHERE id",
        "$1",
        ""
    );
    let rows = conn.rows(SELECT, values![json_array(environments.iter())]);
    rows.await?
        .iter()
        .map(|row| {
            let needs = Needs {
                agent: row.text("agent")?,
                labels: required_labels(row)?,
                max_concurrent: max_concurrent(row)?,
            };
            Ok((row.parsed("id")?, needs))
        })
        .collect()
}

pub(crate) fn max_concurrent(row: &Row) -> Result<Option<u32>, StoreError> {
    let corrupt = |_| StoreError::corrupt("max_concurrent");
    let number = row.opt_int("max_concurrent")?;
    number
        .map(|it| u32::try_from(it).map_err(corrupt))
        .transpose()
}

/// What an environment asks of workers.
pub(crate) fn needs_of(spec: &EnvironmentSpec) -> Needs {
    let agent: &AgentSpec = &spec.agent;
    Needs {
        agent: agent.name().to_owned(),
        labels: spec.required_labels.clone(),
        max_concurrent: spec.max_concurrent,
    }
}

fn key(lane: &Lane) -> Key {
    (
        lane.environment_id,
        lane.principal_id,
        lane.priority,
        lane.agent,
    )
}

/// The lane of these; it is made when it is the first time. Its `id` is not looked at.
pub(crate) async fn lane_of(
    tx: &mut Tx<'_>,
    lanes: &Lanes,
    lane: Lane,
) -> Result<Lane, StoreError> {
    const SELECT: &str = "SELECT id FROM lanes \
         WHERE environment_id = $1 AND principal_id = $2 AND priority = $3 AND agent = $4";
    const INSERT: &str = "INSERT INTO lanes (environment_id, principal_id, priority, agent, workspace_id) \
         VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (environment_id, principal_id, priority, agent) DO NOTHING";
    let known = lanes.known().get(&key(&lane)).copied();
    if let Some(id) = known {
        return Ok(Lane { id, ..lane });
    }
    let Lane {
        id: _,
        workspace_id,
        environment_id,
        principal_id,
        priority,
        agent,
    } = lane;
    let mut key = values![
        id(environment_id),
        id(principal_id),
        priority.rank(),
        agent.map_or("", AgentName::as_str)
    ];
    let found = match tx.row(SELECT, key.clone()).await? {
        Some(row) => row,
        None => {
            key.push(id(workspace_id));
            tx.execute(INSERT, key.clone()).await?;
            key.pop();
            let made = tx.row(SELECT, key).await?;
            made.ok_or_else(|| StoreError::corrupt("lane"))?
        }
    };
    Ok(Lane {
        id: LaneId::new(found.int("id")?),
        ..lane
    })
}
