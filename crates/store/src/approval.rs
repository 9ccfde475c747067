//! What people say of results: whether they may leave.

use std::collections::HashMap;

use outwork_domain::approval::{Given, Verdict};
use outwork_domain::webhook::Kind;
use outwork_domain::{AttemptId, PrincipalId, TaskId, Timestamp, WorkspaceId};
use serde_json::json;

use crate::error::StoreError;
use crate::sql::{Row, Sql, id, in_json, json_array, values};
use crate::store::{Store, Tx, Write};
use crate::transition;

/// `SELECT` of what [`read`] wants, up to where the condition follows.
macro_rules! select {
    () => {
        "SELECT v.task_id, v.attempt_id, v.principal_id, v.verdict, v.body, v.given_at, \
         CASE WHEN p.kind = 'user' AND p.deactivated_at IS NULL AND p.role <> 'viewer' \
         THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END AS counts \
         FROM approvals v JOIN principals p ON p.id = v.principal_id WHERE v.task_id"
    };
}

/// What was said of each attempt of a task.
pub type OfAttempts = HashMap<AttemptId, Vec<Given>>;

/// What somebody says of an attempt's diff.
#[derive(Clone, Debug)]
pub struct NewVerdict {
    /// The attempt.
    pub attempt: AttemptId,
    /// Who.
    pub by: PrincipalId,
    /// What; `None`: nothing any more.
    pub verdict: Option<Verdict>,
    /// Why, in their words.
    pub text: Option<String>,
}

impl Store {
    /// What was said of the results of these tasks, oldest first.
    pub async fn approvals(
        &self,
        tasks: impl Iterator<Item = TaskId>,
    ) -> Result<HashMap<TaskId, OfAttempts>, StoreError> {
        const SELECT: Sql = in_json!(select!(), "$1", "ORDER BY v.given_at, v.principal_id");
        let rows = self.read().await?.rows(SELECT, values![json_array(tasks)]);
        let mut of_task: HashMap<TaskId, OfAttempts> = HashMap::new();
        for row in rows.await? {
            let of_attempts = of_task.entry(row.parsed("task_id")?).or_default();
            let attempt = row.parsed("attempt_id")?;
            of_attempts.entry(attempt).or_default().push(read(&row)?);
        }
        Ok(of_task)
    }

    /// Keeps what somebody says, instead of what they said before. Errors: [`StoreError::NotFound`] if the attempt is not there, or
    /// there is nothing to withdraw.
    pub async fn say(
        &self,
        workspace: WorkspaceId,
        verdict: NewVerdict,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(Say {
            workspace,
            verdict,
            now,
        })
        .await
    }
}

fn read(row: &Row) -> Result<Given, StoreError> {
    Ok(Given {
        by: row.parsed("principal_id")?,
        at: row.time("given_at")?,
        verdict: Verdict::parse(row.str("verdict")?)
            .ok_or_else(|| StoreError::corrupt("verdict"))?,
        text: row.opt_text("body")?,
        counts: row.int("counts")? == 1,
    })
}

struct Say {
    workspace: WorkspaceId,
    verdict: NewVerdict,
    now: Timestamp,
}

impl Write for Say {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const DELETE: &str = "DELETE FROM approvals WHERE attempt_id = $1 AND principal_id = $2";
        const INSERT: &str = "INSERT INTO approvals (attempt_id, principal_id, task_id, verdict, body, given_at) \
             VALUES ($1, $2, $3, $4, $5, $6)";
        let NewVerdict {
            attempt,
            by,
            verdict,
            text,
        } = &self.verdict;
        // Also the lock: what one person says twice at once is not kept twice.
        let row = transition::load(tx, self.workspace, *attempt).await?;
        let task = row.attempt.task_id;
        let before = tx.execute(DELETE, values![id(attempt), id(by)]).await?;
        match verdict {
            None if before == 0 => return Err(StoreError::NotFound),
            None => {}
            Some(verdict) => {
                let values = values![
                    id(attempt),
                    id(by),
                    id(task),
                    verdict.as_str(),
                    text.as_deref(),
                    self.now
                ];
                tx.execute(INSERT, values).await?;
            }
        }
        let told = || {
            let told = json!({
                "attempt_id": attempt.to_string(),
                "by": by.to_string(),
                // `null`: taken back.
                "verdict": verdict.map(Verdict::as_str),
                "text": text,
            });
            Some(("approval", told))
        };
        tx.happens(self.workspace, task, Kind::ApprovalChanged, self.now, told);
        tx.touch(task, self.now);
        Ok(())
    }
}
