//! Rows of `tasks`, `task_repositories` and `turns`.

use std::collections::HashMap;

use outwork_domain::choice::Choice;
use outwork_domain::environment::repository_name;
use outwork_domain::task::{Base, FurtherBase, Task, TaskKind, Turn};
use outwork_domain::{AttemptId, ObjectKey, Priority, TaskId, TurnId};

use crate::composition_json;
use crate::error::StoreError;
use crate::sql::{Conn, Row, Sql, count, id, in_json, json_array, opt_id, values};
use crate::store::Tx;

/// The columns of `tasks t` and `environments e` that [`read_task`] and [`first_repository`] want, and the environment's label.
macro_rules! task_columns {
    () => {
        "t.id, t.workspace_id, t.created_by, t.environment_id, t.title, t.base_branch, \
         t.base_commit, t.starting_diff, t.created_at, t.updated_at, t.interactive, t.priority, t.kind, t.repository_name, \
         t.starting_session, e.repository_url, e.label, e.approvals"
    };
}
pub(crate) use task_columns;

/// `SELECT` of them, up to where `WHERE` follows.
macro_rules! select_tasks {
    () => {
        concat!(
            "SELECT ",
            $crate::task_row::task_columns!(),
            " FROM tasks t JOIN environments e ON e.id = t.environment_id "
        )
    };
}
pub(crate) use select_tasks;

/// `SELECT` of what [`read_turn`] wants, up to where `WHERE` follows.
macro_rules! select_turns {
    () => {
        concat!(
            "SELECT ",
            $crate::task_row::turn_columns!(),
            " FROM turns u "
        )
    };
}
pub(crate) use select_turns;

/// The columns of `turns u` that [`read_turn`] wants: none is called as one of a task.
macro_rules! turn_columns {
    () => {
        "u.id AS turn_id, u.task_id, u.number AS turn_number, u.created_by AS turn_created_by, \
         u.prompt, u.output_schema, u.continues, u.created_at AS turn_created_at, u.composition, \
         u.chosen_attempt, u.chosen_by, u.chosen_at"
    };
}
pub(crate) use turn_columns;

/// What the task's first repository is called, from `repository_name` and the environment's
/// `repository_url`. The column came with migration 2: for older tasks it is the name as of now.
pub(crate) fn first_repository(row: &Row) -> Result<String, StoreError> {
    Ok(match row.opt_text("repository_name")? {
        Some(name) => name,
        None => repository_name(&row.text("repository_url")?),
    })
}

/// Without its further repositories, which [`add_further`] adds.
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
            starting_session: row
                .opt_text("starting_session")?
                .map(ObjectKey::from_stored),
            further: Vec::new(),
        },
        kind: TaskKind::parse(&row.text("kind")?).ok_or_else(|| StoreError::corrupt("kind"))?,
        interactive: row.int("interactive")? == 1,
        priority: Priority::from_rank(row.int("priority")?)
            .ok_or_else(|| StoreError::corrupt("priority"))?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

/// Adds the further repositories of `tasks`: one statement, however many they are.
pub(crate) async fn add_further(
    conn: &mut Conn<'_>,
    tasks: &mut [&mut Task],
) -> Result<(), StoreError> {
    const SELECT: Sql = in_json!(
        "SELECT task_id, name, url, branch, base_commit FROM task_repositories WHERE task_id",
        "$1",
        "ORDER BY task_id, number"
    );
    let ids = json_array(tasks.iter().map(|task| task.id));
    let mut of_task: HashMap<TaskId, Vec<FurtherBase>> = HashMap::new();
    for row in conn.rows(SELECT, values![ids]).await? {
        let base = FurtherBase {
            name: row.text("name")?,
            url: row.text("url")?,
            branch: row.opt_text("branch")?,
            commit: row.text("base_commit")?,
        };
        let task = row.parsed("task_id")?;
        of_task.entry(task).or_default().push(base);
    }
    for task in tasks {
        task.base.further = of_task.remove(&task.id).unwrap_or_default();
    }
    Ok(())
}

pub(crate) fn read_turn(row: &Row) -> Result<Turn, StoreError> {
    Ok(Turn {
        id: row.parsed("turn_id")?,
        task_id: row.parsed("task_id")?,
        number: row
            .number::<u32>("turn_number")?
            .try_into()
            .map_err(|_| StoreError::corrupt("turn_number"))?,
        created_by: row.parsed("turn_created_by")?,
        prompt: row.text("prompt")?,
        output_schema: row.opt_text("output_schema")?,
        continues: row.opt_parsed("continues")?,
        composition: row
            .opt_text("composition")?
            .map(|text| composition_json::from_json(&text))
            .transpose()?,
        created_at: row.time("turn_created_at")?,
        chosen: read_choice(row)?,
    })
}

fn read_choice(row: &Row) -> Result<Option<Choice>, StoreError> {
    let (number, at) = (row.opt_int("chosen_attempt")?, row.opt_time("chosen_at")?);
    let (Some(_), Some(by), Some(at)) = (number, row.opt_parsed("chosen_by")?, at) else {
        return Ok(None);
    };
    Ok(Some(Choice {
        attempt: row.number("chosen_attempt")?,
        by,
        at,
    }))
}

/// A task that another row names, so it must exist; and what its first repository is called.
pub(crate) async fn load_task(
    conn: &mut Conn<'_>,
    task: TaskId,
) -> Result<(Task, String), StoreError> {
    const SELECT: &str = concat!(select_tasks!(), "WHERE t.id = $1");
    let row = conn.row(SELECT, values![id(task)]).await?;
    let row = row.ok_or_else(|| StoreError::corrupt("task_id"))?;
    let mut task = read_task(&row)?;
    add_further(conn, &mut [&mut task]).await?;
    Ok((task, first_repository(&row)?))
}

/// How many rows there are beside an attempt.
pub(crate) struct Beside {
    pub(crate) messages: i64,
    pub(crate) results: i64,
}

/// A task with one of its turns, which another row names, so they must exist; what its first repository is called; and what is beside the
/// attempt: one statement, unless there are further repositories.
pub(crate) async fn load_task_of(
    conn: &mut Conn<'_>,
    turn: TurnId,
    attempt: AttemptId,
) -> Result<(Task, String, Turn, Beside), StoreError> {
    const SELECT: &str = concat!(
        "SELECT ",
        task_columns!(),
        ", ",
        turn_columns!(),
        ", (SELECT count(*) FROM task_repositories f WHERE f.task_id = t.id) AS further, \
         (SELECT count(*) FROM messages m WHERE m.attempt_id = $2) AS messages, \
         (SELECT count(*) FROM results r WHERE r.attempt_id = $2) AS results \
         FROM turns u JOIN tasks t ON t.id = u.task_id \
         JOIN environments e ON e.id = t.environment_id WHERE u.id = $1"
    );
    let row = conn.row(SELECT, values![id(turn), id(attempt)]).await?;
    let row = row.ok_or_else(|| StoreError::corrupt("turn_id"))?;
    let mut task = read_task(&row)?;
    if row.int("further")? > 0 {
        add_further(conn, &mut [&mut task]).await?;
    }
    let beside = Beside {
        messages: row.int("messages")?,
        results: row.int("results")?,
    };
    Ok((task, first_repository(&row)?, read_turn(&row)?, beside))
}

macro_rules! insert_task {
    ($lock:literal) => {
        concat!(
            "INSERT INTO tasks (id, workspace_id, created_by, environment_id, title, \
             base_branch, base_commit, starting_diff, created_at, updated_at, repository_name, \
             interactive, priority, starting_session, kind) \
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15 FROM environments \
             WHERE id = $4 AND workspace_id = $2 AND deleted_at IS NULL",
            $lock
        )
    };
}

/// The environment must be there, and stays until the transaction ends; else it is [`StoreError::UnknownEnvironment`].
pub(crate) async fn insert_task(
    tx: &mut Tx<'_>,
    task: &Task,
    repository: &str,
) -> Result<(), StoreError> {
    const INSERT: Sql = Sql {
        sqlite: insert_task!(""),
        postgres: insert_task!(" FOR SHARE"),
    };
    let Task {
        id: task_id,
        workspace_id,
        created_by,
        environment_id,
        title,
        base:
            Base {
                branch,
                commit,
                starting_diff,
                starting_session,
                further,
            },
        kind,
        interactive,
        priority,
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
        *updated_at,
        repository,
        i64::from(*interactive),
        priority.rank(),
        starting_session.as_ref().map(ObjectKey::as_str),
        kind.as_str()
    ];
    if tx.execute(INSERT, values).await? == 0 {
        return Err(StoreError::UnknownEnvironment);
    }
    for (number, base) in (1..).zip(further) {
        insert_further(tx, *task_id, number, base).await?;
    }
    Ok(())
}

async fn insert_further(
    tx: &mut Tx<'_>,
    task: TaskId,
    number: u64,
    base: &FurtherBase,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO task_repositories (task_id, number, name, url, branch, \
         base_commit) VALUES ($1, $2, $3, $4, $5, $6)";
    let FurtherBase {
        name,
        url,
        branch,
        commit,
    } = base;
    let values = values![
        id(task),
        count(number),
        name,
        url,
        branch.as_deref(),
        commit
    ];
    tx.later(INSERT, values).await?;
    Ok(())
}

pub(crate) async fn insert_turn(tx: &mut Tx<'_>, turn: &Turn) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO turns (id, task_id, number, created_by, prompt, continues, \
         created_at, output_schema, composition) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let Turn {
        id: turn_id,
        task_id,
        number,
        created_by,
        prompt,
        output_schema,
        continues,
        composition,
        created_at,
        // A person chooses later.
        chosen: _,
    } = turn;
    let values = values![
        id(turn_id),
        id(task_id),
        number.get(),
        id(created_by),
        prompt,
        opt_id(*continues),
        *created_at,
        output_schema.as_deref(),
        composition.as_ref().map(composition_json::to_json)
    ];
    tx.later(INSERT, values).await?;
    Ok(())
}
