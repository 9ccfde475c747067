//! Reading tasks and attempts.

use std::collections::HashMap;

use outwork_domain::task::TaskKind;
use outwork_domain::{AttemptId, TaskId, TurnId, WorkspaceId};

use crate::error::StoreError;
use crate::record::{AttemptRecord, Paged, TaskFilter, TaskRecord, TurnRecord};
use crate::result_row::{read_records, select_attempt_records};
use crate::sql::{Conn, Row, Sql, id, in_json, json_array, values};
use crate::store::Store;
use crate::task_row::{
    add_further, first_repository, read_task, read_turn, select_tasks, select_turns,
};

/// `SELECT` of a page of tasks: those after `($2, $3)` of the workspace `$1`, at most `$4`.
macro_rules! select_page {
    ($which:literal) => {
        concat!(
            select_tasks!(),
            "WHERE ",
            $which,
            "t.workspace_id = $1 AND (t.created_at, t.id) < ($2, $3) \
             ORDER BY t.created_at DESC, t.id DESC LIMIT $4"
        )
    };
}

impl Store {
    /// The task with all its turns and attempts.
    pub async fn task(
        &self,
        workspace: WorkspaceId,
        task: TaskId,
    ) -> Result<Option<TaskRecord>, StoreError> {
        load(&mut self.read().await?.conn(), workspace, task).await
    }

    /// The tasks, newest first, at most `limit`, each with its newest turn. Errors:
    /// [`StoreError::BadCursor`].
    pub async fn tasks(
        &self,
        workspace: WorkspaceId,
        filter: TaskFilter,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<Paged<TaskRecord>, StoreError> {
        let (created_at, before) = match cursor {
            Some(cursor) => read_cursor(cursor).ok_or(StoreError::BadCursor)?,
            None => (i64::MAX, String::new()),
        };
        let mut snapshot = self.read().await?;
        let mut conn = snapshot.conn();
        let mut values = values![id(workspace), created_at, before, i64::from(limit) + 1];
        let TaskFilter { environment, kind } = filter;
        values.extend(environment.map(id));
        // The kind is part of the text, or the index of reviews would not be used.
        let select = match (environment.is_some(), kind) {
            (false, None) => select_page!(""),
            (false, Some(TaskKind::Code)) => select_page!("t.kind = 'code' AND "),
            (false, Some(TaskKind::Review)) => select_page!("t.kind = 'review' AND "),
            (true, None) => select_page!("t.environment_id = $5 AND "),
            (true, Some(TaskKind::Code)) => {
                select_page!("t.environment_id = $5 AND t.kind = 'code' AND ")
            }
            (true, Some(TaskKind::Review)) => {
                select_page!("t.environment_id = $5 AND t.kind = 'review' AND ")
            }
        };
        let rows = conn.rows(select, values).await?;
        let more = rows.len() > limit as usize;
        let rows = &rows[..rows.len().min(limit as usize)];
        let items = records(&mut conn, rows, Turns::Newest).await?;
        Ok(Paged {
            next_cursor: items.last().filter(|_| more).map(|record| {
                let task = &record.task;
                format!("{}.{}", task.created_at.as_millis(), task.id)
            }),
            items,
        })
    }

    /// The tasks of these ids that the workspace has, each with its newest turn.
    pub async fn tasks_of_ids(
        &self,
        workspace: WorkspaceId,
        tasks: impl Iterator<Item = TaskId>,
    ) -> Result<HashMap<TaskId, TaskRecord>, StoreError> {
        const SELECT: Sql = in_json!(
            concat!(select_tasks!(), "WHERE t.workspace_id = $1 AND t.id"),
            "$2",
            ""
        );
        let values = values![id(workspace), json_array(tasks)];
        let mut snapshot = self.read().await?;
        let mut conn = snapshot.conn();
        let rows = conn.rows(SELECT, values).await?;
        let found = records(&mut conn, &rows, Turns::Newest).await?;
        let named = found.into_iter().map(|record| (record.task.id, record));
        Ok(named.collect())
    }

    /// The attempt.
    pub async fn attempt(
        &self,
        workspace: WorkspaceId,
        attempt: AttemptId,
    ) -> Result<Option<AttemptRecord>, StoreError> {
        load_attempt(&mut self.read().await?.conn(), workspace, attempt).await
    }
}

pub(crate) async fn load(
    conn: &mut Conn<'_>,
    workspace: WorkspaceId,
    task: TaskId,
) -> Result<Option<TaskRecord>, StoreError> {
    const SELECT: &str = concat!(select_tasks!(), "WHERE t.id = $1 AND t.workspace_id = $2");
    let rows = conn.rows(SELECT, values![id(task), id(workspace)]).await?;
    Ok(records(conn, &rows, Turns::All).await?.pop())
}

pub(crate) async fn load_attempt(
    conn: &mut Conn<'_>,
    workspace: WorkspaceId,
    attempt: AttemptId,
) -> Result<Option<AttemptRecord>, StoreError> {
    const SELECT: &str = concat!(
        select_attempt_records!(),
        "WHERE a.id = $1 AND a.workspace_id = $2"
    );
    let rows = conn
        .rows(SELECT, values![id(attempt), id(workspace)])
        .await?;
    Ok(read_records(conn, &rows).await?.pop())
}

#[derive(Clone, Copy)]
enum Turns {
    All,
    Newest,
}

/// The tasks in `rows` with their turns and attempts: a few statements, however many they are.
async fn records(
    conn: &mut Conn<'_>,
    rows: &[Row],
    which: Turns,
) -> Result<Vec<TaskRecord>, StoreError> {
    const ALL: Sql = in_json!(
        concat!(select_turns!(), "WHERE u.task_id"),
        "$1",
        "ORDER BY u.number"
    );
    const NEWEST: Sql = in_json!(
        concat!(select_turns!(), "WHERE u.task_id"),
        "$1",
        "AND u.number = (SELECT max(n.number) FROM turns n WHERE n.task_id = u.task_id)"
    );
    let mut tasks = Vec::with_capacity(rows.len());
    for row in rows {
        tasks.push(TaskRecord {
            task: read_task(row)?,
            environment_label: row.text("label")?,
            approvals_needed: row.number("approvals")?,
            repository: first_repository(row)?,
            turns: Vec::new(),
        });
    }
    let mut bare: Vec<_> = tasks.iter_mut().map(|record| &mut record.task).collect();
    add_further(conn, &mut bare).await?;
    let sql = match which {
        Turns::All => ALL,
        Turns::Newest => NEWEST,
    };
    let ids = json_array(tasks.iter().map(|record| record.task.id));
    let mut turns = Vec::new();
    for row in conn.rows(sql, values![ids]).await? {
        turns.push(read_turn(&row)?);
    }
    let mut attempts = attempts(conn, turns.iter().map(|turn| turn.id)).await?;
    let mut of_task: HashMap<TaskId, Vec<TurnRecord>> = HashMap::new();
    for turn in turns {
        of_task.entry(turn.task_id).or_default().push(TurnRecord {
            attempts: attempts.remove(&turn.id).unwrap_or_default(),
            turn,
        });
    }
    for record in &mut tasks {
        record.turns = of_task.remove(&record.task.id).unwrap_or_default();
    }
    Ok(tasks)
}

/// The attempts of `turns`, by number.
async fn attempts(
    conn: &mut Conn<'_>,
    turns: impl Iterator<Item = TurnId>,
) -> Result<HashMap<TurnId, Vec<AttemptRecord>>, StoreError> {
    const SELECT: Sql = in_json!(
        concat!(select_attempt_records!(), "WHERE a.turn_id"),
        "$1",
        "ORDER BY a.number"
    );
    let ids = json_array(turns);
    let mut of_turn: HashMap<_, Vec<_>> = HashMap::new();
    let rows = conn.rows(SELECT, values![ids]).await?;
    for record in read_records(conn, &rows).await? {
        of_turn
            .entry(record.attempt.turn_id)
            .or_default()
            .push(record);
    }
    Ok(of_turn)
}

/// A cursor is the time and id of the last task seen, so that it holds when that one is gone.
fn read_cursor(cursor: &str) -> Option<(i64, String)> {
    let (created_at, task) = cursor.split_once('.')?;
    let task: TaskId = task.parse().ok()?;
    Some((created_at.parse().ok()?, task.to_string()))
}
