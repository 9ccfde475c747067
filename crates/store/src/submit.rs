//! New tasks and new turns.

use std::num::NonZeroU32;
use std::sync::Arc;

use outwork_domain::overlap::named_in;
use outwork_domain::schedule::{Lane, LaneId};
use outwork_domain::task::{Task, Turn};
use outwork_domain::webhook::Kind;
use outwork_domain::{Attempt, EnvironmentId, TaskId, WorkspaceId};

use serde_json::{Value as Json, json};

use crate::comment::{self, SentComment};
use crate::error::StoreError;
use crate::idempotency::replay;
use crate::lane::{Lanes, lane_of};
use crate::record::{AttemptResult, Change, Idempotency, Submission, Submitted};
use crate::result_row::{Earlier, write_result};
use crate::sql::{Sql, for_update, id, values};
use crate::store::{Store, Tx, Write};
use crate::task_row::{insert_task, insert_turn, load_task};
use crate::{path, transition};

impl Store {
    /// Makes a task with its first turn and attempts, together with the idempotency key. Errors:
    /// [`StoreError::IdempotencyMismatch`], [`StoreError::UnknownEnvironment`].
    pub async fn submit(
        &self,
        submission: impl Into<Arc<Submission>>,
        idempotency: Option<Idempotency>,
    ) -> Result<Submitted, StoreError> {
        let submission = submission.into();
        self.write(Submit {
            named: named_in(&submission.turn.prompt),
            submission,
            idempotency,
            lanes: self.lanes().clone(),
        })
        .await
    }

    /// Adds a turn with its attempts to a task, together with the idempotency key. The store sets
    /// the turn's number; `created_at` is taken as the present time. Errors:
    /// [`StoreError::NotFound`], [`StoreError::TurnNotEnded`],
    /// [`StoreError::UnknownEnvironment`], [`StoreError::IdempotencyMismatch`].
    pub async fn add_turn(
        &self,
        workspace: WorkspaceId,
        turn: Turn,
        attempts: Vec<Attempt>,
        idempotency: Option<Idempotency>,
    ) -> Result<Submitted, StoreError> {
        self.add_turn_with_comments(workspace, turn, attempts, Vec::new(), idempotency)
            .await
    }

    /// The same with a prompt that has these comments, as they were read. Also errors: [`StoreError::CommentChanged`].
    pub async fn add_turn_with_comments(
        &self,
        workspace: WorkspaceId,
        turn: Turn,
        attempts: Vec<Attempt>,
        comments: Vec<SentComment>,
        idempotency: Option<Idempotency>,
    ) -> Result<Submitted, StoreError> {
        self.write(AddTurn {
            named: named_in(&turn.prompt),
            workspace,
            turn,
            attempts,
            comments,
            results: Vec::new(),
            idempotency,
            lanes: self.lanes().clone(),
        })
        .await
    }

    /// Adds a turn that runs no agent: what its attempts are to be is their result from the start, as if a claim before
    /// had handed it in. Errors: as of [`Self::add_turn`].
    pub async fn add_composition(
        &self,
        workspace: WorkspaceId,
        turn: Turn,
        attempts: Vec<(Attempt, AttemptResult)>,
        idempotency: Option<Idempotency>,
    ) -> Result<Submitted, StoreError> {
        let (attempts, results) = attempts.into_iter().unzip();
        self.write(AddTurn {
            workspace,
            turn,
            attempts,
            named: Vec::new(),
            comments: Vec::new(),
            results,
            idempotency,
            lanes: self.lanes().clone(),
        })
        .await
    }
}

struct Submit {
    submission: Arc<Submission>,
    /// The paths that its prompt names.
    named: Vec<String>,
    idempotency: Option<Idempotency>,
    lanes: Lanes,
}

impl Write for Submit {
    type Output = Submitted;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Submitted, StoreError> {
        let Submission {
            task,
            turn,
            attempts,
            repository,
            paths,
        } = &*self.submission;
        if let Some(before) = replay(tx, &self.idempotency, task.id, task.created_at).await? {
            return Ok(before);
        }
        if turn.task_id != task.id {
            return Err(StoreError::corrupt("turn of another task"));
        }
        insert_task(tx, task, repository).await?;
        insert_turn(tx, turn).await?;
        let (of, at) = (task.workspace_id, task.created_at);
        tx.happens(of, task.id, Kind::TaskCreated, at, || None);
        tx.happens(of, task.id, Kind::TurnCreated, at, || Some(told(turn)));
        insert_attempts(tx, &self.lanes, attempts, task, turn).await?;
        path::write_named(tx, task, task.id, paths, task.created_at).await?;
        path::write_named(tx, task, turn.id, &self.named, task.created_at).await?;
        tx.changed(Change::Task(task.id));
        Ok(Submitted::New)
    }
}

struct AddTurn {
    workspace: WorkspaceId,
    turn: Turn,
    /// The paths that its prompt names.
    named: Vec<String>,
    attempts: Vec<Attempt>,
    comments: Vec<SentComment>,
    /// What they begin with, in their order; none, unless they begin with something.
    results: Vec<AttemptResult>,
    idempotency: Option<Idempotency>,
    lanes: Lanes,
}

impl Write for AddTurn {
    type Output = Submitted;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Submitted, StoreError> {
        const UNFINISHED: &str =
            "SELECT id FROM attempts WHERE task_id = $1 AND due_at IS NOT NULL LIMIT 1";
        const NUMBER: &str = "SELECT max(number) AS number FROM turns WHERE task_id = $1";
        let Turn {
            task_id,
            created_at,
            ..
        } = self.turn;
        if let Some(before) = replay(tx, &self.idempotency, task_id, created_at).await? {
            return Ok(before);
        }
        let task = locked(tx, self.workspace, task_id).await?;
        live(tx, self.workspace, task.environment_id).await?;
        if tx.row(UNFINISHED, values![id(task_id)]).await?.is_some() {
            return Err(StoreError::TurnNotEnded);
        }
        let row = tx.row(NUMBER, values![id(task_id)]).await?;
        let newest: u32 = row
            .ok_or_else(|| StoreError::corrupt("turn"))?
            .number("number")?;
        let turn = Turn {
            number: NonZeroU32::MIN.saturating_add(newest),
            ..self.turn.clone()
        };
        insert_turn(tx, &turn).await?;
        tx.happens(
            self.workspace,
            task_id,
            Kind::TurnCreated,
            created_at,
            || Some(told(&turn)),
        );
        insert_attempts(tx, &self.lanes, &self.attempts, &task, &turn).await?;
        comment::send(tx, task_id, turn.id, &self.comments, created_at).await?;
        path::write_named(tx, &task, turn.id, &self.named, created_at).await?;
        for (attempt, result) in self.attempts.iter().zip(&self.results) {
            write_result(tx, attempt.id, result.epoch, result, Earlier::None).await?;
        }
        tx.touch(task_id, created_at);
        Ok(Submitted::New)
    }
}

/// A turn, as those are told who are to be told. What its prompt says is asked for by who may read it.
fn told(turn: &Turn) -> (&'static str, Json) {
    let told = json!({
        "id": turn.id.to_string(),
        "number": turn.number.get(),
        "created_by": turn.created_by.to_string(),
    });
    ("turn", told)
}

async fn insert_attempts(
    tx: &mut Tx<'_>,
    lanes: &Lanes,
    attempts: &[Attempt],
    task: &Task,
    turn: &Turn,
) -> Result<(), StoreError> {
    let mut of_agent: Vec<Lane> = Vec::new();
    let unplaced = Lane {
        id: LaneId::new(0),
        workspace_id: task.workspace_id,
        environment_id: task.environment_id,
        principal_id: turn.created_by,
        priority: task.priority,
        agent: None,
    };
    for attempt in attempts {
        let (of_workspace, of_task, of_turn) =
            (attempt.workspace_id, attempt.task_id, attempt.turn_id);
        if (of_workspace, of_task, of_turn) != (task.workspace_id, task.id, turn.id) {
            return Err(StoreError::corrupt("attempt of another turn"));
        }
        let agent = attempt.agent.as_ref().map(|choice| choice.agent.kind());
        let lane = match of_agent.iter().find(|lane| lane.agent == agent) {
            Some(lane) => *lane,
            None => {
                let lane = lane_of(tx, lanes, Lane { agent, ..unplaced }).await?;
                of_agent.push(lane);
                lane
            }
        };
        transition::insert(tx, attempt, lane).await?;
    }
    Ok(())
}

/// The task, locked: turns are added one after the other.
async fn locked(tx: &mut Tx<'_>, workspace: WorkspaceId, task: TaskId) -> Result<Task, StoreError> {
    let sql = for_update!("SELECT id FROM tasks WHERE id = $1 AND workspace_id = $2");
    let found = tx.row(sql, values![id(task), id(workspace)]).await?;
    found.ok_or(StoreError::NotFound)?;
    let (task, _) = load_task(tx.conn(), task).await?;
    Ok(task)
}

/// The environment must be there, and stay until the transaction ends.
async fn live(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    environment: EnvironmentId,
) -> Result<(), StoreError> {
    const SELECT: &str = "SELECT id FROM environments \
         WHERE id = $1 AND workspace_id = $2 AND deleted_at IS NULL";
    const LOCK: Sql = Sql {
        sqlite: SELECT,
        postgres: "SELECT id FROM environments \
             WHERE id = $1 AND workspace_id = $2 AND deleted_at IS NULL FOR SHARE",
    };
    let row = tx
        .row(LOCK, values![id(environment), id(workspace)])
        .await?;
    row.map(drop).ok_or(StoreError::UnknownEnvironment)
}
