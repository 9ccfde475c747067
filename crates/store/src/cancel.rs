//! Cancelling.

use outwork_domain::{AttemptId, Command, TaskId, Timestamp, WorkspaceId};

use crate::attempt_row::{AttemptRow, attempt_columns};
use crate::error::StoreError;
use crate::record::{AttemptRecord, TaskRecord};
use crate::sql::{for_update, id, values};
use crate::store::{Store, Tx, Write};
use crate::{task, transition};

impl Store {
    /// Wants the attempt stopped. Errors: [`StoreError::Refused`] when it has ended,
    /// [`StoreError::NotFound`].
    pub async fn cancel(
        &self,
        workspace: WorkspaceId,
        attempt: AttemptId,
        now: Timestamp,
    ) -> Result<AttemptRecord, StoreError> {
        self.write(Cancel {
            workspace,
            attempt,
            now,
        })
        .await
    }

    /// Wants all unfinished attempts of the newest turn stopped. Errors: [`StoreError::Refused`]
    /// when all have ended, [`StoreError::NotFound`].
    pub async fn cancel_task(
        &self,
        workspace: WorkspaceId,
        task: TaskId,
        now: Timestamp,
    ) -> Result<TaskRecord, StoreError> {
        self.write(CancelTask {
            workspace,
            task,
            now,
        })
        .await
    }
}

struct Cancel {
    workspace: WorkspaceId,
    attempt: AttemptId,
    now: Timestamp,
}

impl Write for Cancel {
    type Output = AttemptRecord;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<AttemptRecord, StoreError> {
        let row = transition::load(tx, self.workspace, self.attempt).await?;
        let next = transition::apply(&row, Command::Cancel, self.now)?;
        transition::write(tx, next, self.now).await?;
        task::load_attempt(tx.conn(), self.workspace, self.attempt)
            .await?
            .ok_or(StoreError::NotFound)
    }
}

struct CancelTask {
    workspace: WorkspaceId,
    task: TaskId,
    now: Timestamp,
}

impl Write for CancelTask {
    type Output = TaskRecord;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<TaskRecord, StoreError> {
        let sql = for_update!(
            "SELECT ",
            attempt_columns!(),
            " FROM attempts a WHERE a.task_id = $1 AND a.workspace_id = $2 AND a.turn_id = \
             (SELECT u.id FROM turns u WHERE u.task_id = $1 ORDER BY u.number DESC LIMIT 1) \
             ORDER BY a.id"
        );
        let rows = tx
            .rows(sql, values![id(self.task), id(self.workspace)])
            .await?;
        let mut refused = None;
        let mut cancelled = 0;
        for row in &rows {
            match transition::apply(&AttemptRow::read(row)?, Command::Cancel, self.now) {
                Ok(next) => {
                    transition::write(tx, next, self.now).await?;
                    cancelled += 1;
                }
                Err(reason) => refused = Some(reason),
            }
        }
        if let (0, Some(reason)) = (cancelled, refused) {
            return Err(reason.into());
        }
        tx.settle().await?;
        task::load(tx.conn(), self.workspace, self.task)
            .await?
            .ok_or(StoreError::NotFound)
    }
}
