//! Giving attempts to a worker: the schedule says from which lane, the rows decide.

use std::sync::Arc;

use outwork_domain::labels::{Labels, has_all};
use outwork_domain::principal::{WorkerDesired, WorkerOrders};
use outwork_domain::schedule::{Asks, LaneId, Pick};
use outwork_domain::{EnvironmentId, Epoch, Timestamp, WorkerId, WorkspaceId};

use crate::attempt_row::{AttemptRow, attempt_columns};
use crate::error::StoreError;
use crate::lane::{Lanes, needs_of};
use crate::record::Claimed;
use crate::settings::{OfEnvironment, OfWorkspace, Settings, Version};
use crate::sql::{Row, Sql, id, values};
use crate::sqlite::standby::{Standby, StandsBy};
use crate::store::{Store, Tx, Write};
use crate::task_row::{self, Beside};
use crate::worker::Known;
use crate::{message, settings, task, transition, worker};

/// The time, or that nothing may be given out now.
pub type When = Box<dyn Fn() -> Option<Timestamp> + Send + Sync>;

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
                    settings: self.settings().clone(),
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

    /// Claims for the worker as [`Self::claim`] does as soon as this process queues something for
    /// it, in the same transaction: both are durable by one commit, and told after it. `labels` are
    /// its labels as it said them; whether it is still registered and may have something is asked
    /// then. Also what it does not hear of has to be looked for: look first, then stand by, and look
    /// again when [`Store::changes`] tells of the queue. `None`: this database does not do that.
    pub fn stand_by(
        &self,
        workspace: WorkspaceId,
        worker: WorkerId,
        agents: &[String],
        labels: &Labels,
        max: u32,
        when: When,
    ) -> Option<Standby<Vec<Claimed>>> {
        let claim = Claim {
            workspace,
            worker,
            agents: agents.to_vec(),
            max,
            now: Timestamp::from_millis(0),
            lanes: self.lanes().clone(),
            settings: self.settings().clone(),
        };
        self.stand_by_to(StandingClaim {
            claim,
            labels: labels.clone(),
            when,
        })
    }
}

/// A claim of a worker for which nothing waits.
struct StandingClaim {
    /// With another time.
    claim: Claim,
    labels: Labels,
    when: When,
}

impl Write for StandingClaim {
    type Output = Vec<Claimed>;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Vec<Claimed>, StoreError> {
        let Some(now) = (self.when)() else {
            return Ok(Vec::new());
        };
        let settings = &self.claim.settings;
        let (floor, version) = settings::holding(tx, settings).await?;
        // Its token is revoked when it is forgotten.
        let known = worker::known(tx.conn(), settings, version, self.claim.worker).await?;
        let known = known.ok_or(StoreError::NotFound)?;
        let claim = Claim {
            now,
            ..self.claim.clone()
        };
        let claimed = claim.run(tx, floor, version, Some(&known)).await;
        // What was picked for it is counted as held.
        claimed.inspect_err(|_| self.claim.lanes.lock().set_stale())
    }
}

impl StandsBy for StandingClaim {
    fn is_due(&self) -> bool {
        let Claim {
            workspace, agents, ..
        } = &self.claim;
        let schedule = self.claim.lanes.lock();
        schedule.has_for(*workspace, agents, &self.labels)
    }

    fn is_nothing(output: &Vec<Claimed>) -> bool {
        output.is_empty()
    }
}

#[derive(Clone)]
struct Claim {
    workspace: WorkspaceId,
    worker: WorkerId,
    agents: Vec<String>,
    max: u32,
    now: Timestamp,
    lanes: Lanes,
    settings: Settings,
}

impl Write for Claim {
    type Output = Vec<Claimed>;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Vec<Claimed>, StoreError> {
        let (floor, version) = settings::holding(tx, &self.settings).await?;
        let known = worker::known(tx.conn(), &self.settings, version, self.worker).await?;
        self.run(tx, floor, version, known.as_deref()).await
    }
}

impl Claim {
    async fn run(
        &self,
        tx: &mut Tx<'_>,
        floor: Epoch,
        version: Version,
        known: Option<&Known>,
    ) -> Result<Vec<Claimed>, StoreError> {
        // One that is not registered has said nothing, and nothing was ordered.
        let (isolation, labels, orders) = match known {
            Some(known) => (
                known.worker.isolation.clone(),
                known.worker.labels.clone(),
                known.orders,
            ),
            None => (None, Labels::default(), WorkerOrders::default()),
        };
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
            floor,
            version,
            left_out: Vec::new(),
            locked: Vec::new(),
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
    /// What the epochs of claims are above.
    floor: Epoch,
    /// Of the settings.
    version: Version,
    /// Lanes in which nothing was found.
    left_out: Vec<LaneId>,
    /// Environments whose limit this transaction has locked.
    locked: Vec<EnvironmentId>,
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
        let known = self.of_environment(tx, environment).await?;
        let needs = needs_of(&known.environment.spec);
        let lanes = &self.claim.lanes;
        let wanted = needs.agent(pick.agent);
        let fits = self.claim.agents.iter().any(|agent| agent == wanted)
            && has_all(&self.labels, &needs.labels);
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
        let mut next = transition::claim(&row, self.claim.worker, self.floor, self.claim.now)?;
        next.row.isolation.clone_from(&self.isolation);
        let row = transition::write(tx, next, self.claim.now).await?;
        tx.settle().await?;
        let claimed = self.gather(tx, row).await?;
        self.claimed.push(claimed);
        Ok(())
    }

    async fn of_environment(
        &self,
        tx: &mut Tx<'_>,
        environment: EnvironmentId,
    ) -> Result<Arc<OfEnvironment>, StoreError> {
        let settings = &self.claim.settings;
        settings::of_environment(tx.conn(), settings, self.version, environment).await
    }

    /// All that a worker needs to run the attempt.
    async fn gather(&self, tx: &mut Tx<'_>, row: AttemptRow) -> Result<Claimed, StoreError> {
        let attempt = row.attempt;
        let (settings, workspace) = (&self.claim.settings, self.claim.workspace);
        let OfWorkspace { model, credentials } =
            &*settings::of_workspace(tx.conn(), settings, self.version, workspace).await?;
        let conn = tx.conn();
        let (task, repository, turn, beside) =
            task_row::load_task_of(conn, attempt.turn_id, attempt.id).await?;
        let Beside { messages, results } = beside;
        let messages = match messages {
            0 => Vec::new(),
            _ => message::load(conn, attempt.id).await?,
        };
        // What has a result already was answered, or handed over by a worker that had to end.
        let continues = match results {
            0 => turn.continues,
            _ => Some(attempt.id),
        };
        let continues = match continues {
            Some(before) => task::load_attempt(conn, attempt.workspace_id, before).await?,
            None => None,
        };
        let OfEnvironment {
            environment,
            cache_generation,
            secrets,
            injections,
        } = &*self.of_environment(tx, task.environment_id).await?;
        Ok(Claimed {
            environment: environment.clone(),
            cache_generation: *cache_generation,
            secrets: secrets.clone(),
            injections: injections.clone(),
            credentials: credentials.clone(),
            model: model.clone(),
            attempt,
            task,
            turn,
            repository,
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
