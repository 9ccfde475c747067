//! What happened, for those who are to be told: written in the transaction in which it did.
//!
//! Writes say what happens with [`Tx::happens`]. At their end the rows are written, with the task as it is then; what follows from the
//! attempts' states (the task's status) is found here. Whoever writes rows of a task holds the task's row until the commit, so that they
//! are numbered as they happened, and of two attempts that end at once one sees the other.

use std::collections::BTreeMap;

use outwork_domain::job::Job;
use outwork_domain::status::{TaskStatus, task_status};
use outwork_domain::webhook::Kind;
use outwork_domain::{OccurrenceId, State, TaskId, Timestamp, WorkspaceId};
use serde_json::{Map, Value as Json, json};

use crate::attempt_row::{AttemptRow, attempt_columns};
use crate::error::StoreError;
use crate::job;
use crate::record::Change;
use crate::sql::{Row, count, for_update, id, values};
use crate::store::{Store, Tx, Write};

/// Something that happened, as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// Its number.
    pub number: u64,
    /// Its name outside: the same whenever it is told.
    pub id: OccurrenceId,
    /// In which workspace.
    pub workspace_id: WorkspaceId,
    /// To which task.
    pub task_id: TaskId,
    /// What.
    pub kind: Kind,
    /// When.
    pub at: Timestamp,
    /// More of it: a JSON object.
    pub data: String,
}

/// Something that happens in this transaction.
#[derive(Debug)]
pub(crate) struct Happens {
    workspace: WorkspaceId,
    task: TaskId,
    kind: Kind,
    at: Timestamp,
    detail: Option<(&'static str, Json)>,
}

impl Store {
    /// What happened and was not handed on yet, oldest first, at most `limit`.
    pub async fn occurrences(&self, limit: u32) -> Result<Vec<Occurrence>, StoreError> {
        const SELECT: &str = "SELECT number, workspace_id, task_id, kind, at, data FROM occurrences \
             ORDER BY number LIMIT $1";
        let rows = self.read().await?.rows(SELECT, values![limit]).await?;
        rows.iter().map(read).collect()
    }

    /// Keeps what is made of it, and forgets that it happened: all or none. What another server made of it is not kept twice.
    pub async fn hand_on(&self, numbers: Vec<u64>, jobs: Vec<Job>) -> Result<(), StoreError> {
        self.write(HandOn { numbers, jobs }).await
    }

    /// Whether anybody is to be told anything, as far as this process knows.
    pub fn is_anybody_listening(&self) -> bool {
        self.listening().any()
    }

    /// Looks who is to be told: for a server on a PostgreSQL that others write, too.
    pub async fn hear(&self) -> Result<(), StoreError> {
        self.settings_version().await.map(drop)
    }
}

fn read(row: &Row) -> Result<Occurrence, StoreError> {
    let number: u64 = row.number("number")?;
    let at = row.time("at")?;
    Ok(Occurrence {
        number,
        id: OccurrenceId::numbered(at, number),
        workspace_id: row.parsed("workspace_id")?,
        task_id: row.parsed("task_id")?,
        kind: Kind::parse(row.str("kind")?).ok_or_else(|| StoreError::corrupt("kind"))?,
        at,
        data: row.text("data")?,
    })
}

struct HandOn {
    numbers: Vec<u64>,
    jobs: Vec<Job>,
}

impl Write for HandOn {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const FORGET: &str = "DELETE FROM occurrences WHERE number = $1";
        for job in &self.jobs {
            job::insert(tx, job).await?;
        }
        for number in &self.numbers {
            tx.execute(FORGET, values![count(*number)]).await?;
        }
        Ok(())
    }
}

impl Tx<'_> {
    /// To be told, if somebody is to be told what happens in that workspace. `detail` is its name in the data and what it is.
    pub(crate) fn happens(
        &mut self,
        workspace: WorkspaceId,
        task: TaskId,
        kind: Kind,
        at: Timestamp,
        detail: impl FnOnce() -> Option<(&'static str, Json)>,
    ) {
        if self.is_heard(workspace) {
            self.note(Happens {
                workspace,
                task,
                kind,
                at,
                detail: detail(),
            });
        }
    }
}

/// Writes what was said, after everything else that the transaction does.
pub(crate) async fn write(tx: &mut Tx<'_>, all: Vec<Happens>) -> Result<(), StoreError> {
    let mut of_task: BTreeMap<TaskId, Vec<Happens>> = BTreeMap::new();
    for it in all {
        of_task.entry(it.task).or_default().push(it);
    }
    // In the order of their ids, as their times are written: two transactions never wait for each other here.
    for (task, all) in of_task {
        write_of_task(tx, task, all).await?;
    }
    tx.changed(Change::Happened);
    Ok(())
}

async fn write_of_task(
    tx: &mut Tx<'_>,
    task: TaskId,
    mut all: Vec<Happens>,
) -> Result<(), StoreError> {
    const TOLD: &str = "UPDATE tasks SET told_status = $2, told_at = $3 WHERE id = $1";
    let Subject {
        mut subject,
        told,
        told_at,
    } = subject(tx, task).await?;
    // The clocks of two servers differ; what is told of a task does not go back in time.
    let last = all.iter().map(|it| it.at).max();
    let at = last.max(told_at).ok_or(StoreError::NotFound)?;
    let states = states(tx, task).await?;
    let (status, outcome) = task_status(&states);
    subject["status"] = status.as_str().into();
    if let Some(outcome) = outcome {
        subject["outcome"] = outcome.as_str().into();
    }
    let has_moved = |it: &Happens| it.kind == Kind::AttemptStateChanged;
    if all.iter().any(has_moved) && told.as_deref() != Some(status.as_str()) {
        let is_new = all.iter().any(|it| it.kind == Kind::TaskCreated);
        if let Some(last) = all.last().filter(|_| !is_new) {
            let workspace = last.workspace;
            let follows = |(kind, detail)| Happens {
                workspace,
                task,
                kind,
                at,
                detail,
            };
            let told = told.clone();
            all.extend(followed_by(status, told, &states).into_iter().map(follows));
        }
    }
    // What a comment finds was not told as another status.
    let told = match all.iter().any(has_moved) {
        true => Some(status.as_str()),
        false => told.as_deref(),
    };
    tx.execute(TOLD, values![id(task), told, at]).await?;
    for it in all {
        insert(tx, it, at, &subject).await?;
    }
    Ok(())
}

type Followed = Vec<(Kind, Option<(&'static str, Json)>)>;

/// What follows from another status.
fn followed_by(status: TaskStatus, told: Option<String>, states: &[State]) -> Followed {
    let before = told.map(|told| ("previous_status", Json::from(told)));
    let mut all = vec![(Kind::TaskUpdated, before)];
    match status {
        TaskStatus::Pending | TaskStatus::Running => {}
        TaskStatus::NeedsInput => {
            let question = states.iter().find_map(|state| match state {
                State::AwaitingInput { question, .. } => Some(Json::from(question.as_str())),
                State::Queued { .. }
                | State::Held { .. }
                | State::Succeeded { .. }
                | State::Failed { .. }
                | State::Cancelled { .. } => None,
            });
            let question = question.map(|question| ("question", question));
            all.push((Kind::TaskNeedsInput, question));
        }
        TaskStatus::Completed | TaskStatus::Failed => all.push((Kind::TaskFinished, None)),
    }
    all
}

/// The task, as it is told, and what was told last.
struct Subject {
    subject: Json,
    told: Option<String>,
    told_at: Option<Timestamp>,
}

/// Locks it.
async fn subject(tx: &mut Tx<'_>, task: TaskId) -> Result<Subject, StoreError> {
    const SELECT: &str = "SELECT t.title, t.kind, t.environment_id, t.created_by, t.told_status, t.told_at, \
         (SELECT e.label FROM environments e WHERE e.id = t.environment_id) AS label, \
         (SELECT p.name FROM principals p WHERE p.id = t.created_by) AS name FROM tasks t WHERE t.id = $1";
    let lock = for_update!("SELECT id FROM tasks WHERE id = $1");
    tx.row(lock, values![id(task)]).await?;
    let row = tx.row(SELECT, values![id(task)]).await?;
    let row = row.ok_or(StoreError::NotFound)?;
    let subject = json!({
        "id": task.to_string(),
        "title": row.text("title")?,
        "kind": row.text("kind")?,
        "environment_id": row.text("environment_id")?,
        "environment": row.text("label")?,
        "created_by": {"id": row.text("created_by")?, "name": row.text("name")?},
    });
    Ok(Subject {
        subject,
        told: row.opt_text("told_status")?,
        told_at: row.opt_time("told_at")?,
    })
}

/// Of the newest turn's attempts.
async fn states(tx: &mut Tx<'_>, task: TaskId) -> Result<Vec<State>, StoreError> {
    const SELECT: &str = concat!(
        "SELECT ",
        attempt_columns!(),
        " FROM attempts a WHERE a.task_id = $1 AND a.turn_id = \
         (SELECT u.id FROM turns u WHERE u.task_id = $1 ORDER BY u.number DESC LIMIT 1) ORDER BY a.number"
    );
    let rows = tx.rows(SELECT, values![id(task)]).await?;
    let states = rows
        .iter()
        .map(|row| Ok(AttemptRow::read(row)?.attempt.state));
    states.collect()
}

async fn insert(
    tx: &mut Tx<'_>,
    it: Happens,
    at: Timestamp,
    subject: &Json,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO occurrences (workspace_id, task_id, kind, at, data) \
         VALUES ($1, $2, $3, $4, $5)";
    let mut data = Map::from_iter([("task".to_owned(), subject.clone())]);
    if let Some((name, detail)) = it.detail {
        data.insert(name.to_owned(), detail);
    }
    let values = values![
        id(it.workspace),
        id(it.task),
        it.kind.as_str(),
        at,
        Json::Object(data).to_string()
    ];
    // Not later with others: they are to be numbered in this order.
    tx.execute(INSERT, values).await?;
    Ok(())
}
