//! What workers do: claim, renew, advance, finish, release.

use outwork_domain::attempt::{Outcome, Refused};
use outwork_domain::{AttemptId, Command, Desired, Epoch, Step, Timestamp, WorkerId, WorkspaceId};

use crate::attempt_row::{AttemptRow, attempt_columns};
use crate::error::StoreError;
use crate::record::{AttemptResult, Claimed, CredentialRecord, ModelRecord};
use crate::result_row::write_result;
use crate::sql::{Sql, for_update, id, json_array, values};
use crate::store::{Store, Tx, Write};
use crate::{
    backup, checkpoint, credential, environment, injection, message, model, secret, task, task_row,
    transition, worker,
};

impl Store {
    /// Gives `worker` at most `max` visible attempts of environments whose agent is in `agents` and
    /// that ask for no label which the worker has not said it has, those that wait longest first.
    pub async fn claim(
        &self,
        workspace: WorkspaceId,
        worker: WorkerId,
        agents: &[String],
        max: u32,
        now: Timestamp,
    ) -> Result<Vec<Claimed>, StoreError> {
        self.write(Claim {
            workspace,
            worker,
            agents: serde_json::to_string(agents).expect("texts are JSON"),
            max,
            now,
        })
        .await
    }

    /// Renews the leases that `worker` holds: for each claim, in the order given, what is wanted
    /// of it or why it is not this worker's any more.
    pub async fn renew(
        &self,
        worker: WorkerId,
        claims: &[(AttemptId, Epoch)],
        now: Timestamp,
    ) -> Result<Vec<Result<Desired, Refused>>, StoreError> {
        self.write(Renew {
            worker,
            claims: claims.to_vec(),
            now,
        })
        .await
    }

    /// The worker goes to `step`. Answers what is wanted, and the number of the last event
    /// of this claim that is stored. Renews the lease.
    pub async fn advance(
        &self,
        workspace: WorkspaceId,
        attempt: AttemptId,
        epoch: Epoch,
        step: Step,
        now: Timestamp,
    ) -> Result<(Desired, i64), StoreError> {
        self.write(Verb {
            workspace,
            attempt,
            command: Command::Advance { epoch, step },
            now,
        })
        .await
    }

    /// The worker is done. `last_seq` is the number of the last event it sent in this claim
    /// (0: none). Errors: [`StoreError::Gap`] if that one is not stored,
    /// [`StoreError::Refused`] with [`Refused::Ended`] if it was finished before.
    #[expect(
        clippy::too_many_arguments,
        reason = "one verb of the worker API; each is named there"
    )]
    pub async fn finish(
        &self,
        workspace: WorkspaceId,
        attempt: AttemptId,
        epoch: Epoch,
        outcome: Outcome,
        result: AttemptResult,
        last_seq: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(Finish {
            workspace,
            attempt,
            epoch,
            outcome,
            result,
            last_seq,
            now,
        })
        .await
    }

    /// The worker gives the attempt back unfinished.
    pub async fn release(
        &self,
        workspace: WorkspaceId,
        attempt: AttemptId,
        epoch: Epoch,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(Verb {
            workspace,
            attempt,
            command: Command::Release { epoch },
            now,
        })
        .await
        .map(drop)
    }
}

struct Claim {
    workspace: WorkspaceId,
    worker: WorkerId,
    /// A JSON array of names.
    agents: String,
    max: u32,
    now: Timestamp,
}

impl Write for Claim {
    type Output = Vec<Claimed>;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Vec<Claimed>, StoreError> {
        let (isolation, labels) = worker::traits(tx, self.worker).await?;
        let closed = environment::closed_to(tx, self.workspace, &labels).await?;
        let values = values![
            id(self.workspace),
            self.now,
            &self.agents,
            self.max,
            json_array(closed.iter())
        ];
        let rows = tx.rows(VISIBLE, values).await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let shared = Shared {
            model: model::load(tx.conn(), self.workspace).await?,
            credentials: credential::load(tx.conn(), self.workspace).await?,
        };
        let floor = backup::floor(tx).await?;
        let mut claimed = Vec::with_capacity(rows.len());
        for row in rows {
            let row = AttemptRow::read(&row)?;
            let mut next = transition::claim(&row, self.worker, floor, self.now)?;
            next.row.isolation.clone_from(&isolation);
            let row = transition::write(tx, next, self.now).await?;
            claimed.push(gather(tx, row, &shared).await?);
        }
        Ok(claimed)
    }
}

/// What can be claimed, the longest waiting first. The query is driven by the partial index
/// `attempts_claimable`; what another claim has just locked is left out, not waited for.
const VISIBLE: Sql = Sql {
    sqlite: concat!(
        "SELECT ",
        attempt_columns!(),
        " FROM attempts a WHERE a.workspace_id = $1 AND a.state = 'queued' \
         AND a.visible_at <= $2 AND (SELECT e.agent FROM tasks t \
         JOIN environments e ON e.id = t.environment_id WHERE t.id = a.task_id) \
         IN (SELECT value FROM json_each($3)) AND (SELECT t.environment_id FROM tasks t \
         WHERE t.id = a.task_id) NOT IN (SELECT value FROM json_each($5)) \
         ORDER BY a.visible_at, a.id LIMIT $4"
    ),
    postgres: concat!(
        "SELECT ",
        attempt_columns!(),
        " FROM attempts a WHERE a.workspace_id = $1 AND a.state = 'queued' \
         AND a.visible_at <= $2 AND (SELECT e.agent FROM tasks t \
         JOIN environments e ON e.id = t.environment_id WHERE t.id = a.task_id) \
         IN (SELECT jsonb_array_elements_text($3::jsonb)) AND (SELECT t.environment_id \
         FROM tasks t WHERE t.id = a.task_id) \
         NOT IN (SELECT jsonb_array_elements_text($5::jsonb)) \
         ORDER BY a.visible_at, a.id LIMIT $4 FOR UPDATE OF a SKIP LOCKED"
    ),
};

/// What all attempts of a claim have in common.
struct Shared {
    model: Option<ModelRecord>,
    credentials: Vec<CredentialRecord>,
}

/// All that a worker needs to run the attempt.
async fn gather(tx: &mut Tx<'_>, row: AttemptRow, shared: &Shared) -> Result<Claimed, StoreError> {
    let attempt = row.attempt;
    let conn = tx.conn();
    let (task, repository) = task_row::load_task(conn, attempt.task_id).await?;
    let turn = task_row::load_turn(conn, attempt.turn_id).await?;
    let (environment, cache_generation) = environment::load(conn, task.environment_id).await?;
    let messages = message::load(conn, attempt.id).await?;
    let continues = match message::answered(&messages) {
        Some(_) => Some(attempt.id),
        None => turn.continues,
    };
    let continues = match continues {
        Some(before) => task::load_attempt(conn, attempt.workspace_id, before).await?,
        None => None,
    };
    let Shared { model, credentials } = shared;
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

struct Renew {
    worker: WorkerId,
    claims: Vec<(AttemptId, Epoch)>,
    now: Timestamp,
}

impl Write for Renew {
    type Output = Vec<Result<Desired, Refused>>;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Self::Output, StoreError> {
        // Locked in the order of their ids, so that two transactions never wait for each other.
        let mut order: Vec<usize> = (0..self.claims.len()).collect();
        order.sort_by_key(|&index| self.claims[index].0);
        let mut answers = vec![Err(Refused::NotDue); self.claims.len()];
        for index in order {
            let (attempt, epoch) = self.claims[index];
            answers[index] = self.renew(tx, attempt, epoch).await?;
        }
        Ok(answers)
    }
}

impl Renew {
    async fn renew(
        &self,
        tx: &mut Tx<'_>,
        attempt: AttemptId,
        epoch: Epoch,
    ) -> Result<Result<Desired, Refused>, StoreError> {
        let sql = for_update!(
            "SELECT ",
            attempt_columns!(),
            " FROM attempts a WHERE a.id = $1 AND a.worker_id = $2"
        );
        let row = tx.row(sql, values![id(attempt), id(self.worker)]).await?;
        let Some(row) = row else {
            // Unknown, or another worker's: to this one it is all the same.
            return Ok(Err(Refused::StaleLease {
                spoke: epoch,
                current: Epoch::ZERO,
            }));
        };
        let row = AttemptRow::read(&row)?;
        let next = match transition::apply(&row, Command::Renew { epoch }, self.now) {
            Ok(next) => next,
            Err(refused) => return Ok(Err(refused)),
        };
        let row = transition::write(tx, next, self.now).await?;
        Ok(Ok(row.attempt.desired))
    }
}

/// A command of a worker that needs nothing else.
struct Verb {
    workspace: WorkspaceId,
    attempt: AttemptId,
    command: Command,
    now: Timestamp,
}

impl Write for Verb {
    type Output = (Desired, i64);

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(Desired, i64), StoreError> {
        let row = transition::load(tx, self.workspace, self.attempt).await?;
        let next = transition::apply(&row, self.command.clone(), self.now)?;
        let row = transition::write(tx, next, self.now).await?;
        Ok((row.attempt.desired, row.acked_worker_seq))
    }
}

struct Finish {
    workspace: WorkspaceId,
    attempt: AttemptId,
    epoch: Epoch,
    outcome: Outcome,
    result: AttemptResult,
    last_seq: i64,
    now: Timestamp,
}

impl Write for Finish {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let row = transition::load(tx, self.workspace, self.attempt).await?;
        let finish = Command::Finish {
            epoch: self.epoch,
            outcome: self.outcome.clone(),
        };
        let next = transition::apply(&row, finish, self.now)?;
        if row.acked_worker_seq < self.last_seq {
            return Err(StoreError::Gap {
                expected: row.acked_worker_seq + 1,
            });
        }
        // Taken before the end is written, which would make it the result.
        let saved = checkpoint::take(tx, self.attempt).await?;
        let row = transition::write(tx, next, self.now).await?;
        let result = self.result_with(saved);
        write_result(tx, &row.attempt, result.epoch, &result).await
    }
}

impl Finish {
    /// What the worker handed in. If it handed in no work because it did not come so far, what a claim before it had saved.
    fn result_with(&self, saved: Option<AttemptResult>) -> AttemptResult {
        let has_work = |result: &AttemptResult| {
            result.diff.is_some() || !result.further_diffs.is_empty() || result.session.is_some()
        };
        match (saved, &self.outcome) {
            (Some(saved), Outcome::Failed(_) | Outcome::Cancelled) if !has_work(&self.result) => {
                AttemptResult {
                    message: self.result.message.clone(),
                    tokens: self.result.tokens,
                    ..saved
                }
            }
            (
                None | Some(_),
                Outcome::Succeeded
                | Outcome::Failed(_)
                | Outcome::Cancelled
                | Outcome::AwaitingInput { .. },
            ) => self.result.clone(),
        }
    }
}
