//! The attempt of a turn that a person chose.

use std::num::NonZeroU32;

use outwork_domain::choice::Choice;
use outwork_domain::{TaskId, Timestamp, WorkspaceId};

use crate::error::StoreError;
use crate::sql::{for_update, id, opt_id, values};
use crate::store::{Store, Tx, Write};

impl Store {
    /// Notes which attempt of the task's turn stands for it; `None`: nobody chose one. The same choice again is no change. Errors:
    /// [`StoreError::NotFound`] where the workspace has no such task, or the task no such turn and attempt.
    pub async fn choose(
        &self,
        workspace: WorkspaceId,
        task: TaskId,
        turn: NonZeroU32,
        choice: Option<Choice>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(Choose {
            workspace,
            task,
            turn,
            choice,
            now,
        })
        .await
    }
}

struct Choose {
    workspace: WorkspaceId,
    task: TaskId,
    turn: NonZeroU32,
    choice: Option<Choice>,
    now: Timestamp,
}

impl Write for Choose {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const ATTEMPT: &str = "SELECT a.id FROM attempts a JOIN turns u ON u.id = a.turn_id \
             WHERE u.task_id = $1 AND u.number = $2 AND a.number = $3";
        const UPDATE: &str = "UPDATE turns SET chosen_attempt = $3, chosen_by = $4, \
             chosen_at = $5 WHERE task_id = $1 AND number = $2";
        let sql = for_update!("SELECT id FROM tasks WHERE id = $1 AND workspace_id = $2");
        let found = tx.row(sql, values![id(self.task), id(self.workspace)]);
        found.await?.ok_or(StoreError::NotFound)?;
        if let Some(choice) = &self.choice {
            let attempt = values![id(self.task), self.turn.get(), choice.attempt];
            let found = tx.row(ATTEMPT, attempt).await?;
            found.ok_or(StoreError::NotFound)?;
        }
        let choice = self.choice;
        let values = values![
            id(self.task),
            self.turn.get(),
            choice.map(|it| i64::from(it.attempt)),
            opt_id(choice.map(|it| it.by)),
            choice.map(|it| it.at)
        ];
        if tx.execute(UPDATE, values).await? == 0 {
            return Err(StoreError::NotFound);
        }
        tx.touch(self.task, self.now);
        Ok(())
    }
}
