//! What workers do with what they claimed: renew, advance, finish, release.

use outwork_domain::attempt::{Outcome, Refused};
use outwork_domain::{AttemptId, Command, Desired, Epoch, Step, Timestamp, WorkerId, WorkspaceId};

use crate::attempt_row::{AttemptRow, attempt_columns};
use crate::error::StoreError;
use crate::record::{AttemptResult, HandedIn, Touched};
use crate::result_row::{Earlier, write_result};
use crate::sql::{for_update, id, values};
use crate::store::{Store, Tx, Write};
use crate::{checkpoint, collect, path, transition};

impl Store {
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
        result: impl Into<HandedIn>,
        last_seq: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let HandedIn { result, touched } = result.into();
        self.write(Finish {
            workspace,
            attempt,
            epoch,
            outcome,
            result,
            touched,
            last_seq,
            now,
        })
        .await
    }

    /// The worker gives the attempt back unfinished, after a last checkpoint. If that has a session,
    /// it is the attempt's result so far, and the next claim goes on from it.
    pub async fn hand_over(
        &self,
        workspace: WorkspaceId,
        attempt: AttemptId,
        epoch: Epoch,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(HandOver {
            workspace,
            attempt,
            epoch,
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

struct HandOver {
    workspace: WorkspaceId,
    attempt: AttemptId,
    epoch: Epoch,
    now: Timestamp,
}

impl Write for HandOver {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let row = transition::load(tx, self.workspace, self.attempt).await?;
        let release = Command::Release { epoch: self.epoch };
        let next = transition::apply(&row, release, self.now)?;
        let saved = checkpoint::load(tx, &row).await?;
        transition::write(tx, next, self.now).await?;
        match saved {
            // Without a session nobody knows what the agent has done already.
            Some(saved) if saved.epoch == self.epoch && saved.session.is_some() => {
                write_result(tx, self.attempt, saved.epoch, &saved, Earlier::Perhaps).await
            }
            Some(_) | None => Ok(()),
        }
    }
}

struct Finish {
    workspace: WorkspaceId,
    attempt: AttemptId,
    epoch: Epoch,
    outcome: Outcome,
    result: AttemptResult,
    touched: Vec<Touched>,
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
        let mut next = transition::apply(&row, finish, self.now)?;
        if row.acked_worker_seq < self.last_seq {
            return Err(StoreError::Gap {
                expected: row.acked_worker_seq + 1,
            });
        }
        // Taken before the end is written, which would make it the result.
        let saved = checkpoint::take(tx, &mut next.row).await?;
        let row = transition::write(tx, next, self.now).await?;
        if saved.is_some() && row.attempt.state.is_final() {
            collect::plan(tx, self.attempt, self.now).await?;
        }
        let result = self.result_with(saved);
        // The first claim has none before it; what it hands over or finishes, it does not hold any more.
        let earlier = match row.attempt.epoch.get() {
            1 if !row.attempt.begins_with_result() => Earlier::None,
            _ => Earlier::Perhaps,
        };
        write_result(tx, self.attempt, result.epoch, &result, earlier).await?;
        let (attempt, of) = (self.attempt, (row.attempt.task_id, row.attempt.turn_id));
        path::write_touched(tx, attempt, of, &self.touched, self.now).await
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
                    evidence: self.result.evidence.clone(),
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
