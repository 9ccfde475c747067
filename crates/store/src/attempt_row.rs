//! A row of `attempts`: the domain's attempt in columns, and what numbers its log.

use std::time::Duration;

use outwork_domain::agent::{AgentChoice, AgentSpec};
use outwork_domain::attempt::Refused;
use outwork_domain::schedule::LaneId;
use outwork_domain::{
    Attempt, Desired, Epoch, Failure, FailureCode, Lease, State, Step, Timestamp, WorkerId,
};

use crate::error::StoreError;
use crate::limits_json;
use crate::sql::{Row, Value, id, opt_id, values};
use crate::store::Tx;

/// An attempt and what the store keeps beside it.
#[derive(Clone, Debug)]
pub(crate) struct AttemptRow {
    pub(crate) attempt: Attempt,
    /// The worker of the newest claim.
    pub(crate) worker: Option<WorkerId>,
    /// How that worker isolates, as it said when it registered.
    pub(crate) isolation: Option<String>,
    /// The number of the last event.
    pub(crate) last_seq: i64,
    /// The number, by the worker's own count, of the last event of the newest claim.
    pub(crate) acked_worker_seq: i64,
    /// Where it waits, now or before.
    pub(crate) lane: LaneId,
    /// Whether there may be a checkpoint.
    pub(crate) has_checkpoint: bool,
    /// How long no server ran, all in all, when it was read: stored are its lease, its deadline and since when it is to be cancelled
    /// less that, so that they stand still while none runs. [`AttemptRow::insert`] takes what it is by then.
    pub(crate) away: Duration,
}

/// The columns of `attempts a` that [`AttemptRow::read`] wants.
macro_rules! attempt_columns {
    () => {
        "a.id, a.workspace_id, a.task_id, a.turn_id, a.number, a.created_at, a.limits, a.epoch, \
         a.tries, a.desired, a.cancel_since, a.state, a.step, a.lease_worker_id, a.lease_epoch, \
         a.lease_until, a.visible_at, a.deadline_at, a.ended_at, a.question, a.failure_code, \
         a.failure_message, a.failure_hint, a.worker_id, a.last_seq, a.acked_worker_seq, \
         a.isolation, a.lane, a.has_checkpoint, a.agent, a.agent_command, a.agent_model, \
         (SELECT s.away_ms FROM server s WHERE s.id = 1) AS away_ms"
    };
}
pub(crate) use attempt_columns;

impl AttemptRow {
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        let away = Duration::from_millis(row.number("away_ms")?);
        let attempt = Attempt {
            id: row.parsed("id")?,
            workspace_id: row.parsed("workspace_id")?,
            task_id: row.parsed("task_id")?,
            turn_id: row.parsed("turn_id")?,
            number: row
                .number::<u32>("number")?
                .try_into()
                .map_err(|_| StoreError::corrupt("number"))?,
            agent: read_agent(row)?,
            created_at: row.time("created_at")?,
            limits: limits_json::from_json(row.str("limits")?)?,
            epoch: Epoch::new(row.int("epoch")?),
            tries: row.number("tries")?,
            desired: read_desired(row, moves_on(row.str("state")?, away))?,
            state: read_state(row, away)?,
        };
        Ok(Self {
            attempt,
            worker: row.opt_parsed("worker_id")?,
            isolation: row.opt_text("isolation")?,
            last_seq: row.int("last_seq")?,
            acked_worker_seq: row.int("acked_worker_seq")?,
            lane: LaneId::new(row.int("lane")?),
            has_checkpoint: row.int("has_checkpoint")? == 1,
            away,
        })
    }

    pub(crate) async fn insert(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const INSERT: &str = "INSERT INTO attempts (id, workspace_id, epoch, tries, desired, \
             cancel_since, state, step, lease_worker_id, lease_epoch, lease_until, visible_at, \
             deadline_at, due_at, ended_at, question, failure_code, failure_message, \
             failure_hint, worker_id, last_seq, acked_worker_seq, isolation, has_checkpoint, \
             task_id, turn_id, number, created_at, limits, lane, agent, agent_command, agent_model) \
             SELECT $1, $2, $3, $4, $5, $6 - s.away_ms, $7, $8, $9, $10, $11 - s.away_ms, $12, \
             $13 - s.away_ms, $14 - s.away_ms, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, \
             $25, $26, $27, $28, $29, $30, $31, $32, $33 FROM server s WHERE s.id = 1";
        let mut values = self.changing(Duration::ZERO);
        let Attempt {
            task_id,
            turn_id,
            number,
            agent,
            created_at,
            limits,
            ..
        } = &self.attempt;
        values.extend(values![
            id(task_id),
            id(turn_id),
            number.get(),
            *created_at,
            limits_json::to_json(limits),
            self.lane.get(),
            agent.as_ref().map(|choice| choice.agent.name()),
            agent.as_ref().and_then(|choice| choice.agent.command()),
            agent.as_ref().and_then(|choice| choice.model.as_deref())
        ]);
        tx.later(INSERT, values).await
    }

    /// Writes what changed since it was read at `before`. Hits exactly one row or is refused.
    pub(crate) async fn update(&self, tx: &mut Tx<'_>, before: Epoch) -> Result<(), StoreError> {
        const UPDATE: &str = "UPDATE attempts SET epoch = $3, tries = $4, desired = $5, \
             cancel_since = $6, state = $7, step = $8, lease_worker_id = $9, lease_epoch = $10, \
             lease_until = $11, visible_at = $12, deadline_at = $13, due_at = $14, \
             ended_at = $15, question = $16, failure_code = $17, failure_message = $18, \
             failure_hint = $19, worker_id = $20, last_seq = $21, acked_worker_seq = $22, \
             isolation = $23, has_checkpoint = $24 \
             WHERE id = $1 AND workspace_id = $2 AND epoch = $25";
        let mut values = self.changing(self.away);
        values.push(Value::from(before.get()));
        let missed = Refused::StaleLease {
            spoke: before,
            current: self.attempt.epoch,
        };
        tx.later_one(UPDATE, values, missed).await
    }

    /// Id, workspace, and the columns that change, in the order of both statements above.
    fn changing(&self, away: Duration) -> Vec<Value<'_>> {
        let still = |at: Option<Timestamp>| at.map(|at| at - away);
        let Attempt {
            id: attempt_id,
            workspace_id,
            task_id: _,
            turn_id: _,
            number: _,
            agent: _,
            created_at: _,
            limits: _,
            epoch,
            tries,
            desired,
            state,
        } = &self.attempt;
        let (desired, cancel_since) = match desired {
            Desired::Run => ("run", None),
            Desired::Cancel { since } => ("cancel", Some(*since)),
        };
        let columns = StateColumns::of(state);
        let cancel_since = cancel_since.map(|at| at - moves_on(columns.state, away));
        let (code, message, hint) = match columns.failure {
            Some(Failure {
                code,
                message,
                hint,
            }) => (Some(code.as_str()), Some(message.as_str()), hint.as_deref()),
            None => (None, None, None),
        };
        values![
            id(attempt_id),
            id(workspace_id),
            epoch.get(),
            *tries,
            desired,
            cancel_since,
            columns.state,
            columns.step.map(Step::as_str),
            opt_id(columns.lease.map(|lease| lease.worker)),
            columns.lease.map(|lease| lease.epoch.get()),
            still(columns.lease.map(|lease| lease.until)),
            columns.visible_at,
            still(columns.deadline_at),
            still(self.attempt.due_at()),
            columns.ended_at,
            columns.question,
            code,
            message,
            hint,
            opt_id(self.worker),
            self.last_seq,
            self.acked_worker_seq,
            self.isolation.as_deref(),
            i64::from(self.has_checkpoint)
        ]
    }
}

/// A state, spread over columns.
#[derive(Default)]
struct StateColumns<'s> {
    state: &'static str,
    step: Option<Step>,
    lease: Option<Lease>,
    visible_at: Option<Timestamp>,
    deadline_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    question: Option<&'s str>,
    failure: Option<&'s Failure>,
}

impl<'s> StateColumns<'s> {
    fn of(state: &'s State) -> Self {
        match state {
            State::Queued {
                visible_at,
                deadline_at,
            } => Self {
                state: "queued",
                visible_at: Some(*visible_at),
                deadline_at: Some(*deadline_at),
                ..Self::default()
            },
            State::Held {
                lease,
                step,
                deadline_at,
            } => Self {
                state: "held",
                step: Some(*step),
                lease: Some(*lease),
                deadline_at: Some(*deadline_at),
                ..Self::default()
            },
            State::AwaitingInput {
                question,
                deadline_at,
            } => Self {
                state: "awaiting_input",
                question: Some(question),
                deadline_at: Some(*deadline_at),
                ..Self::default()
            },
            State::Succeeded { ended_at } => Self::ended("succeeded", *ended_at, None),
            State::Failed { ended_at, failure } => Self::ended("failed", *ended_at, Some(failure)),
            State::Cancelled { ended_at } => Self::ended("cancelled", *ended_at, None),
        }
    }

    fn ended(state: &'static str, at: Timestamp, failure: Option<&'s Failure>) -> Self {
        Self {
            state,
            ended_at: Some(at),
            failure,
            ..Self::default()
        }
    }
}

/// What is added to the time since when it is to be cancelled: that of what has ended stays what it was.
fn moves_on(state: &str, away: Duration) -> Duration {
    match state {
        "succeeded" | "failed" | "cancelled" => Duration::ZERO,
        _ => away,
    }
}

fn read_agent(row: &Row) -> Result<Option<AgentChoice>, StoreError> {
    let Some(name) = row.opt_text("agent")? else {
        return Ok(None);
    };
    let agent = AgentSpec::from_parts(&name, row.opt_text("agent_command")?);
    Ok(Some(AgentChoice {
        agent: agent.ok_or_else(|| StoreError::corrupt("agent"))?,
        model: row.opt_text("agent_model")?,
    }))
}

fn read_desired(row: &Row, away: Duration) -> Result<Desired, StoreError> {
    match (row.str("desired")?, row.opt_time("cancel_since")?) {
        ("run", None) => Ok(Desired::Run),
        ("cancel", Some(since)) => Ok(Desired::Cancel {
            since: since + away,
        }),
        (_, _) => Err(StoreError::corrupt("desired")),
    }
}

fn read_state(row: &Row, away: Duration) -> Result<State, StoreError> {
    Ok(match row.str("state")? {
        "queued" => State::Queued {
            visible_at: row.time("visible_at")?,
            deadline_at: row.time("deadline_at")? + away,
        },
        "held" => State::Held {
            lease: Lease {
                worker: row.parsed("lease_worker_id")?,
                epoch: Epoch::new(row.int("lease_epoch")?),
                until: row.time("lease_until")? + away,
            },
            step: Step::parse(row.str("step")?).ok_or_else(|| StoreError::corrupt("step"))?,
            deadline_at: row.time("deadline_at")? + away,
        },
        "awaiting_input" => State::AwaitingInput {
            question: row.text("question")?,
            deadline_at: row.time("deadline_at")? + away,
        },
        "succeeded" => State::Succeeded {
            ended_at: row.time("ended_at")?,
        },
        "failed" => State::Failed {
            ended_at: row.time("ended_at")?,
            failure: Failure {
                code: FailureCode::parse(row.str("failure_code")?)
                    .ok_or_else(|| StoreError::corrupt("failure_code"))?,
                message: row.text("failure_message")?,
                hint: row.opt_text("failure_hint")?,
            },
        },
        "cancelled" => State::Cancelled {
            ended_at: row.time("ended_at")?,
        },
        _ => return Err(StoreError::corrupt("state")),
    })
}
