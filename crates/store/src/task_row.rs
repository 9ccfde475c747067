//! Rows of `tasks` and `turns`.

use outwork_domain::task::{Base, Task, Turn};
use outwork_domain::{ObjectKey, TaskId, TurnId};

use crate::error::StoreError;
use crate::sql::{Conn, Row, id, opt_id, values};
use crate::store::Tx;

/// `SELECT` of what [`read_task`] wants with the environment's label, up to where `WHERE` follows.
macro_rules! select_tasks {
    () => {
        "SELECT t.id, t.workspace_id, t.created_by, t.environment_id, t.title, t.base_branch, \
         t.base_commit, t.starting_diff, t.created_at, t.updated_at, e.label \
         FROM tasks t JOIN environments e ON e.id = t.environment_id "
    };
}
pub(crate) use select_tasks;

/// `SELECT` of what [`read_turn`] wants, up to where `WHERE` follows.
macro_rules! select_turns {
    () => {
        "SELECT u.id, u.task_id, u.number, u.created_by, u.prompt, u.continues, u.created_at \
         FROM turns u "
    };
}
pub(crate) use select_turns;

pub(crate) fn read_task(row: &Row) -> Result<Task, StoreError> {
    Ok(Task {
        id: row.parsed("id")?,
        workspace_id: row.parsed("workspace_id")?,
        created_by: row.parsed("created_by")?,
        environment_id: row.parsed("environment_id")?,
        title: row.text("title")?,
        base: Base {
            branch: row.opt_text("base_branch")?,
            commit: row.text("base_commit")?,
            starting_diff: row.opt_text("starting_diff")?.map(ObjectKey::from_stored),
        },
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

pub(crate) fn read_turn(row: &Row) -> Result<Turn, StoreError> {
    Ok(Turn {
        id: row.parsed("id")?,
        task_id: row.parsed("task_id")?,
        number: row
            .number::<u32>("number")?
            .try_into()
            .map_err(|_| StoreError::corrupt("number"))?,
        created_by: row.parsed("created_by")?,
        prompt: row.text("prompt")?,
        continues: row.opt_parsed("continues")?,
        created_at: row.time("created_at")?,
    })
}

/// A task that another row names, so it must exist.
pub(crate) async fn load_task(conn: &mut Conn<'_>, task: TaskId) -> Result<Task, StoreError> {
    const SELECT: &str = concat!(select_tasks!(), "WHERE t.id = $1");
    let row = conn.row(SELECT, values![id(task)]).await?;
    read_task(&row.ok_or_else(|| StoreError::corrupt("task_id"))?)
}

/// A turn that another row names, so it must exist.
pub(crate) async fn load_turn(conn: &mut Conn<'_>, turn: TurnId) -> Result<Turn, StoreError> {
    const SELECT: &str = concat!(select_turns!(), "WHERE u.id = $1");
    let row = conn.row(SELECT, values![id(turn)]).await?;
    read_turn(&row.ok_or_else(|| StoreError::corrupt("turn_id"))?)
}

pub(crate) async fn insert_task(tx: &mut Tx<'_>, task: &Task) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO tasks (id, workspace_id, created_by, environment_id, title, \
         base_branch, base_commit, starting_diff, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let Task {
        id: task_id,
        workspace_id,
        created_by,
        environment_id,
        title,
        base: Base {
            branch,
            commit,
            starting_diff,
        },
        created_at,
        updated_at,
    } = task;
    let values = values![
        id(task_id),
        id(workspace_id),
        id(created_by),
        id(environment_id),
        title,
        branch.as_deref(),
        commit,
        starting_diff.as_ref().map(ObjectKey::as_str),
        *created_at,
        *updated_at
    ];
    tx.execute(INSERT, values).await?;
    Ok(())
}

pub(crate) async fn insert_turn(tx: &mut Tx<'_>, turn: &Turn) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO turns (id, task_id, number, created_by, prompt, continues, \
         created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let Turn {
        id: turn_id,
        task_id,
        number,
        created_by,
        prompt,
        continues,
        created_at,
    } = turn;
    let values = values![
        id(turn_id),
        id(task_id),
        number.get(),
        id(created_by),
        prompt,
        opt_id(*continues),
        *created_at
    ];
    tx.execute(INSERT, values).await?;
    Ok(())
}
