//! Giving attempts to a worker: the schedule says from which lane, the rows decide.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use outwork_domain::environment::Environment;
use outwork_domain::labels::{Labels, has_all};
use outwork_domain::principal::WorkerDesired;
use outwork_domain::schedule::{Asks, LaneId, Pick};
use outwork_domain::{EnvironmentId, Epoch, Timestamp, WorkerId, WorkspaceId};

use crate::attempt_row::{AttemptRow, attempt_columns};
use crate::error::StoreError;
use crate::lane::{Lanes, needs_of};
use crate::record::{Claimed, CredentialRecord, ModelRecord};
use crate::sql::{Row, Sql, id, values};
use crate::store::{Store, Tx, Write};
use crate::worker::Traits;
use crate::{
    backup, credential, environment, injection, message, model, secret, task, task_row, transition,
    worker,
};

impl Store {
    /// Gives `worker` at most `max` visible attempts of environments whose agent is in `agents`,
    /// that ask for no label which the worker has not said it has, and of which fewer are held than
    /// may be. Whose come first: [`outwork_domain::schedule`].
    pub async fn claim(
        &self,
        workspace: WorkspaceId,
        worker: WorkerId,
        agents: &[String],
        max: u32,
        now: Timestamp,
    ) -> Result<Vec<Claimed>, StoreError> {
        let lanes = self.lanes();
        let mut fresh = lanes.refresh(self, false, now).await?;
        loop {
            if lanes.lock().waits(workspace, agents, now) {
                let claim = Claim {
                    workspace,
                    worker,
                    agents: agents.to_vec(),
                    max,
                    now,
                    lanes: lanes.clone(),
                };
                let claimed = self.write(claim).await.inspect_err(|_| {
                    // What was picked for it is counted as held.
                    lanes.lock().set_stale();
                })?;
                if !claimed.is_empty() {
                    return Ok(claimed);
                }
            }
            if fresh || !lanes.refresh(self, true, now).await? {
                return Ok(Vec::new());
            }
            fresh = true;
        }
    }
}

struct Claim {
    workspace: WorkspaceId,
    worker: WorkerId,
    agents: Vec<String>,
    max: u32,
    now: Timestamp,
    lanes: Lanes,
}

impl Write for Claim {
    type Output = Vec<Claimed>;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Vec<Claimed>, StoreError> {
        let Traits {
            isolation,
            labels,
            orders,
        } = worker::traits(tx, self.worker).await?;
        // Whether or not the worker knows that it drains.
        if orders.desired != WorkerDesired::Run {
            return Ok(Vec::new());
        }
        let room = worker::room(tx, self.workspace, self.worker, &orders).await?;
        let mut run = Run {
            claim: self,
            max: room.map_or(self.max, |room| room.min(self.max)),
            isolation,
            labels,
            environments: HashMap::new(),
            left_out: Vec::new(),
            locked: Vec::new(),
            floor: None,
            shared: None,
            claimed: Vec::new(),
        };
        while run.missing() > 0 {
            let asks = Asks {
                workspace_id: self.workspace,
                agents: &self.agents,
                labels: &run.labels,
                now: self.now,
            };
            let pick = self.lanes.lock().pick(&asks, &run.left_out, run.missing());
            match pick {
                Some(pick) => run.serve(tx, pick).await?,
                None => break,
            }
        }
        Ok(run.claimed)
    }
}

/// One claim, lane after lane.
struct Run<'c> {
    claim: &'c Claim,
    max: u32,
    isolation: Option<String>,
    labels: Labels,
    environments: HashMap<EnvironmentId, (Environment, i64)>,
    /// Lanes in which nothing was found.
    left_out: Vec<LaneId>,
    /// Environments whose limit this transaction has locked.
    locked: Vec<EnvironmentId>,
    /// What the epochs of claims are above.
    floor: Option<Epoch>,
    shared: Option<Shared>,
    claimed: Vec<Claimed>,
}

impl Run<'_> {
    fn missing(&self) -> u32 {
        let claimed = u32::try_from(self.claimed.len()).unwrap_or(u32::MAX);
        self.max.saturating_sub(claimed)
    }

    async fn serve(&mut self, tx: &mut Tx<'_>, pick: Pick) -> Result<(), StoreError> {
        let lanes = &self.claim.lanes;
        let (lane, count) = (pick.lane, pick.count);
        let room = self.room(tx, &pick).await?;
        if room == 0 {
            lanes.lock().give_back(pick);
            self.left_out.push(lane);
            return Ok(());
        }
        let count = count.min(room);
        let values = values![lane.get(), self.claim.now, count, pick.since];
        let rows = tx.rows(NEXT, values).await?;
        let next = match rows.last() {
            Some(last) => last.opt_time("next_at")?,
            None => None,
        };
        let found = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        if found < count {
            self.left_out.push(lane);
        }
        lanes.lock().took(pick, found, next);
        for row in rows {
            self.take(tx, &row).await?;
        }
        Ok(())
    }

    /// How many attempts of the environment may be claimed. Where there is a limit, no other claim
    /// passes it until this transaction ends.
    async fn room(&mut self, tx: &mut Tx<'_>, pick: &Pick) -> Result<u32, StoreError> {
        let environment = pick.environment;
        let (known, _) = match self.environments.entry(environment) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                unknown.insert(environment::load(tx.conn(), environment).await?)
            }
        };
        let needs = needs_of(&known.spec);
        let lanes = &self.claim.lanes;
        let fits = self.claim.agents.contains(&needs.agent) && has_all(&self.labels, &needs.labels);
        if !fits {
            lanes.lock().learn(environment, needs, None);
            return Ok(0);
        }
        if needs.max_concurrent.is_none() {
            return Ok(u32::MAX);
        }
        if !self.lock(tx, environment).await? {
            return Ok(0);
        }
        let held = held(tx, environment).await?;
        let room = needs.room(held);
        if room == 0 {
            // With what this pick has reserved.
            let counted = held.saturating_add(pick.count);
            lanes.lock().learn(environment, needs, Some(counted));
        }
        Ok(room)
    }

    /// Only the first lock is waited for: two claims never wait for each other.
    async fn lock(
        &mut self,
        tx: &mut Tx<'_>,
        environment: EnvironmentId,
    ) -> Result<bool, StoreError> {
        // SQLite has one writer at a time.
        const WAIT: Sql = Sql {
            sqlite: "SELECT 1 AS locked WHERE $1 IS NOT NULL",
            // It answers `void`, which is text of length 0.
            postgres: "SELECT 1 + length(pg_advisory_xact_lock(hashtextextended($1, 0))::text)\
                 ::bigint AS locked",
        };
        const TRY: Sql = Sql {
            sqlite: "SELECT 1 AS locked WHERE $1 IS NOT NULL",
            postgres: "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))::int::bigint \
                 AS locked",
        };
        if self.locked.contains(&environment) {
            return Ok(true);
        }
        let sql = if self.locked.is_empty() { WAIT } else { TRY };
        let row = tx.row(sql, values![id(environment)]).await?;
        let locked = row.map_or(Ok(0), |row| row.int("locked"))? == 1;
        if locked {
            self.locked.push(environment);
        }
        Ok(locked)
    }

    async fn take(&mut self, tx: &mut Tx<'_>, row: &Row) -> Result<(), StoreError> {
        let row = AttemptRow::read(row)?;
        let floor = match self.floor {
            Some(floor) => floor,
            None => *self.floor.insert(backup::floor(tx).await?),
        };
        let mut next = transition::claim(&row, self.claim.worker, floor, self.claim.now)?;
        next.row.isolation.clone_from(&self.isolation);
        let row = transition::write(tx, next, self.claim.now).await?;
        let claimed = self.gather(tx, row).await?;
        self.claimed.push(claimed);
        Ok(())
    }

    /// All that a worker needs to run the attempt.
    async fn gather(&mut self, tx: &mut Tx<'_>, row: AttemptRow) -> Result<Claimed, StoreError> {
        let attempt = row.attempt;
        let conn = tx.conn();
        if self.shared.is_none() {
            self.shared = Some(Shared {
                model: model::load(conn, self.claim.workspace).await?,
                credentials: credential::load(conn, self.claim.workspace).await?,
            });
        }
        let Some(Shared { model, credentials }) = &self.shared else {
            return Err(StoreError::corrupt("workspace"));
        };
        let (task, repository) = task_row::load_task(conn, attempt.task_id).await?;
        let turn = task_row::load_turn(conn, attempt.turn_id).await?;
        let (environment, cache_generation) = match self.environments.get(&task.environment_id) {
            Some((environment, generation)) => (environment.clone(), *generation),
            None => return Err(StoreError::corrupt("lane")),
        };
        let messages = message::load(conn, attempt.id).await?;
        // What has a result already was answered, or handed over by a worker that had to end.
        const RESULT: &str = "SELECT attempt_id FROM results WHERE attempt_id = $1";
        let continues = match conn.row(RESULT, values![id(attempt.id)]).await? {
            Some(_) => Some(attempt.id),
            None => turn.continues,
        };
        let continues = match continues {
            Some(before) => task::load_attempt(conn, attempt.workspace_id, before).await?,
            None => None,
        };
        Ok(Claimed {
            secrets: secret::sealed(conn, task.environment_id).await?,
            injections: injection::sealed(conn, task.environment_id).await?,
            attempt,
            task,
            turn,
            repository,
            environment,
            cache_generation,
            credentials: credentials.clone(),
            model: model.clone(),
            continues,
            messages,
        })
    }
}

macro_rules! next {
    ($lock:literal) => {
        concat!(
            "SELECT ",
            attempt_columns!(),
            ", (SELECT b.created_at FROM attempts b WHERE b.state = 'queued' AND b.lane = a.lane \
             AND (b.created_at, b.id) > (a.created_at, a.id) AND b.visible_at <= $2 \
             ORDER BY b.created_at, b.id LIMIT 1) AS next_at \
             FROM attempts a WHERE a.state = 'queued' AND a.lane = $1 AND a.visible_at <= $2 \
             AND a.created_at >= $4 ORDER BY a.created_at, a.id LIMIT $3",
            $lock
        )
    };
}
/// The first of a lane that can be claimed, in the order in which they were made, and when the one
/// after each was made. Driven by the partial index `attempts_waiting`, from where the schedule says that the lane begins: before that
/// PostgreSQL would look at all that was taken since it last vacuumed. What another claim has just locked is left out, not waited for.
const NEXT: Sql = Sql {
    sqlite: next!(""),
    postgres: next!(" FOR UPDATE OF a SKIP LOCKED"),
};

/// How many attempts of the environment workers hold.
async fn held(tx: &mut Tx<'_>, environment: EnvironmentId) -> Result<u32, StoreError> {
    const SELECT: &str = "SELECT count(*) AS held FROM lanes l CROSS JOIN attempts a \
         WHERE l.environment_id = $1 AND a.lane = l.id AND a.state = 'held'";
    let row = tx.row(SELECT, values![id(environment)]).await?;
    row.map_or(Ok(0), |row| row.number("held"))
}

/// What all attempts of a claim have in common.
struct Shared {
    model: Option<ModelRecord>,
    credentials: Vec<CredentialRecord>,
}
