//! Which files tasks are about, and which open tasks are about the same ones.
//!
//! A row says that somebody named a path, or that an attempt has changed it. What an attempt says replaces what it said before, and
//! what attempts of earlier turns said: its diff contains theirs. Names count while a task runs; once it has ended it is known what it did.

use std::collections::BTreeMap;

use outwork_domain::overlap::{Certainty, SHOWN, file_name, repository_address};
use outwork_domain::task::{Base, FurtherBase, Task};
use outwork_domain::{AttemptId, PrincipalId, TaskId, Timestamp, TurnId, WorkspaceId};

use crate::error::StoreError;
use crate::record::{Overlap, Touched};
use crate::sql::{Row, Sql, id, json_array, values};
use crate::store::{Store, Tx, Write};

/// The most tasks that are told of.
const TASKS: u32 = 100;
/// How many rows one write forgets.
const BATCH: u32 = 10_000;

/// What is to be compared with the open tasks before there is a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The address of the repository.
    pub repository: String,
    /// The branch to start from; `None`: any.
    pub branch: Option<String>,
    /// What it names, within the repository.
    pub paths: Vec<String>,
}

/// That `t` is a task whose work may still be merged: it runs, or one of its newest turn's attempts ended at `$3` or later and was not
/// stopped; and its pull request is not merged, and nobody dismissed it since its newest turn began.
macro_rules! is_open {
    () => {
        "NOT EXISTS (SELECT 1 FROM publications p WHERE p.task_id = t.id AND p.pull_request_state = 'merged') \
         AND NOT EXISTS (SELECT 1 FROM task_dismissals d WHERE d.task_id = t.id \
             AND NOT EXISTS (SELECT 1 FROM turns u WHERE u.task_id = t.id AND u.created_at > d.at)) \
         AND EXISTS (SELECT 1 FROM attempts a WHERE a.task_id = t.id AND (a.due_at IS NOT NULL \
             OR (a.ended_at >= $3 AND a.state <> 'cancelled' \
                 AND a.turn_id = (SELECT u.id FROM turns u WHERE u.task_id = t.id ORDER BY u.number DESC LIMIT 1))))"
    };
}

/// That a row of the alias, one of `task_paths`, counts.
macro_rules! counts {
    ($row:literal) => {
        concat!(
            "(",
            $row,
            ".certainty = 'touched' OR EXISTS (SELECT 1 FROM attempts a WHERE a.task_id = ",
            $row,
            ".task_id AND a.due_at IS NOT NULL))"
        )
    };
}

/// Paths of the tasks `$2`, a JSON array of ids.
macro_rules! of_tasks {
    ($ids:literal) => {
        concat!(
            "SELECT m.task_id, m.branch, m.repository, m.path, m.name, m.certainty \
             FROM tasks t JOIN task_paths m ON m.task_id = t.id \
             WHERE t.workspace_id = $1 AND t.id ",
            $ids,
            " AND ",
            counts!("m"),
            " AND ",
            is_open!()
        )
    };
}

/// One way in which a path `o` that another task has changed meets one `m` of ours.
macro_rules! meets {
    ($how:literal) => {
        concat!(
            "SELECT m.task_id AS mine, o.task_id AS other, o.path, 'touched' AS certainty FROM m \
             JOIN task_paths o ON o.workspace_id = $1 AND o.repository = m.repository AND ",
            $how,
            " WHERE o.certainty = 'touched' AND o.task_id <> m.task_id \
             AND (m.branch IS NULL OR o.branch IS NULL OR m.branch = o.branch)"
        )
    };
}

/// `WITH …, pairs` of `mine`, `other`, `path` and `certainty`: each path once, of open tasks that started from the same branch. Paths that
/// are named are few, and gathered first: PostgreSQL would look for each of ours through all that come before it.
macro_rules! pairs {
    ($mine:expr) => {
        concat!(
            "WITH m AS MATERIALIZED (",
            $mine,
            "), n AS MATERIALIZED (SELECT o.task_id, o.repository, o.branch, o.path, o.name FROM task_paths o \
             WHERE o.workspace_id = $1 AND o.certainty = 'named' AND o.repository IN (SELECT m.repository FROM m) \
             AND EXISTS (SELECT 1 FROM attempts a WHERE a.task_id = o.task_id AND a.due_at IS NOT NULL)), \
             met AS MATERIALIZED (",
            meets!("o.path = m.path"),
            " UNION ALL ",
            meets!("m.certainty = 'named' AND o.path > m.path || '/' AND o.path < m.path || '0'"),
            " UNION ALL ",
            meets!(
                "m.certainty = 'named' AND m.path = m.name AND o.name = m.path AND o.path <> m.path"
            ),
            // The more exact of both is told.
            " UNION ALL SELECT m.task_id AS mine, n.task_id AS other, \
             CASE WHEN length(n.path) > length(m.path) THEN n.path ELSE m.path END AS path, 'named' AS certainty \
             FROM m JOIN n ON n.repository = m.repository WHERE n.task_id <> m.task_id \
             AND (m.branch IS NULL OR n.branch IS NULL OR m.branch = n.branch) AND (n.path = m.path \
             OR (m.path > n.path || '/' AND m.path < n.path || '0') OR (n.path = n.name AND n.path = m.name) \
             OR (m.certainty = 'named' AND ((n.path > m.path || '/' AND n.path < m.path || '0') \
             OR (m.path = m.name AND n.name = m.path))))), \
             others AS MATERIALIZED (SELECT t.id FROM tasks t WHERE t.id IN (SELECT DISTINCT met.other FROM met) AND ",
            is_open!(),
            "), pairs AS (SELECT met.mine, met.other, met.path, max(met.certainty) AS certainty \
             FROM met WHERE met.other IN (SELECT others.id FROM others) GROUP BY met.mine, met.other, met.path)"
        )
    };
}

/// The other tasks with the first of their paths, those first that share most.
macro_rules! told {
    ($mine:expr) => {
        concat!(
            pairs!($mine),
            ", numbered AS (SELECT other, path, count(*) OVER (PARTITION BY other) AS path_count, \
             max(certainty) OVER (PARTITION BY other) AS certainty, \
             row_number() OVER (PARTITION BY other ORDER BY path) AS place FROM pairs), \
             first AS (SELECT other, path_count FROM numbered WHERE place = 1 \
             ORDER BY certainty DESC, path_count DESC, other DESC LIMIT $4) \
             SELECT n.other, n.path, n.path_count, n.certainty FROM numbered n JOIN first f ON f.other = n.other \
             WHERE n.place <= $5 ORDER BY n.certainty DESC, n.path_count DESC, n.other DESC, n.path"
        )
    };
}

const OF_TASK: Sql = Sql {
    sqlite: told!(of_tasks!("IN (SELECT value FROM json_each($2))")),
    postgres: told!(of_tasks!(
        "= ANY (ARRAY(SELECT jsonb_array_elements_text($2::jsonb)))"
    )),
};

const OF_INTENT: Sql = Sql {
    sqlite: told!(
        "SELECT '' AS task_id, $7 AS branch, $6 AS repository, json_extract(value, '$[0]') AS path, \
         json_extract(value, '$[1]') AS name, 'named' AS certainty FROM json_each($2)"
    ),
    postgres: told!(
        "SELECT '' AS task_id, $7::text AS branch, $6::text AS repository, (value ->> 0) COLLATE \"C\" AS path, \
         (value ->> 1) COLLATE \"C\" AS name, 'named' AS certainty FROM jsonb_array_elements($2::jsonb)"
    ),
};

const COUNTS: Sql = Sql {
    sqlite: concat!(
        pairs!(of_tasks!("IN (SELECT value FROM json_each($2))")),
        " SELECT mine, count(DISTINCT other) AS others FROM pairs GROUP BY mine"
    ),
    postgres: concat!(
        pairs!(of_tasks!(
            "= ANY (ARRAY(SELECT jsonb_array_elements_text($2::jsonb)))"
        )),
        " SELECT mine, count(DISTINCT other) AS others FROM pairs GROUP BY mine"
    ),
};

impl Store {
    /// The open tasks that are about the same files as the task, if that is open itself: those that share most first, at most 100.
    /// `since`: what ended before does not count.
    pub async fn overlaps(
        &self,
        workspace: WorkspaceId,
        task: TaskId,
        since: Timestamp,
    ) -> Result<Vec<Overlap>, StoreError> {
        let tasks = json_array([task].into_iter());
        let values = values![id(workspace), tasks, since, TASKS, shown()];
        gathered(self.read().await?.rows(OF_TASK, values).await?)
    }

    /// The same before there is a task.
    pub async fn overlaps_of_intent(
        &self,
        workspace: WorkspaceId,
        intent: &Intent,
        since: Timestamp,
    ) -> Result<Vec<Overlap>, StoreError> {
        let Intent {
            repository,
            branch,
            paths,
        } = intent;
        let values = values![
            id(workspace),
            with_names(paths),
            since,
            TASKS,
            shown(),
            repository_address(repository),
            branch.as_deref()
        ];
        gathered(self.read().await?.rows(OF_INTENT, values).await?)
    }

    /// How many open tasks are about the same files as each of these; who is not named here, shares none.
    pub async fn overlap_counts(
        &self,
        workspace: WorkspaceId,
        tasks: impl Iterator<Item = TaskId>,
        since: Timestamp,
    ) -> Result<BTreeMap<TaskId, u32>, StoreError> {
        let values = values![id(workspace), json_array(tasks), since];
        let rows = self.read().await?.rows(COUNTS, values).await?;
        let count = |row: &Row| Ok((row.parsed("mine")?, row.number("others")?));
        rows.iter().map(count).collect()
    }

    /// Forgets paths that were said before `before`: how many.
    pub async fn expire_paths(&self, before: Timestamp) -> Result<u64, StoreError> {
        const OLD: &str = "SELECT origin FROM task_paths WHERE at < $1 LIMIT 1";
        // A look costs less than a write, and mostly there is nothing.
        let old = self.read().await?.row(OLD, values![before]).await?;
        match old {
            None => Ok(0),
            Some(_) => self.write(Expire { before }).await,
        }
    }

    /// Whether the task's results still count for others: it is dismissed, or is again as if it never was. Errors: [`StoreError::NotFound`].
    pub async fn set_dismissed(
        &self,
        workspace: WorkspaceId,
        task: TaskId,
        by: Option<PrincipalId>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(Dismiss {
            workspace,
            task,
            by,
            now,
        })
        .await
    }

    /// Whether the task is dismissed.
    pub async fn is_dismissed(
        &self,
        workspace: WorkspaceId,
        task: TaskId,
    ) -> Result<bool, StoreError> {
        const SELECT: &str = "SELECT d.at FROM task_dismissals d JOIN tasks t ON t.id = d.task_id \
             WHERE t.id = $1 AND t.workspace_id = $2 \
             AND NOT EXISTS (SELECT 1 FROM turns u WHERE u.task_id = t.id AND u.created_at > d.at)";
        let values = values![id(task), id(workspace)];
        Ok(self.read().await?.row(SELECT, values).await?.is_some())
    }
}

fn shown() -> u32 {
    u32::try_from(SHOWN).expect("a few")
}

fn gathered(rows: Vec<Row>) -> Result<Vec<Overlap>, StoreError> {
    let mut overlaps: Vec<Overlap> = Vec::new();
    for row in rows {
        let task_id = row.parsed("other")?;
        let path = row.text("path")?;
        match overlaps.last_mut() {
            Some(last) if last.task_id == task_id => last.paths.push(path),
            Some(_) | None => overlaps.push(Overlap {
                task_id,
                paths: vec![path],
                path_count: row.number("path_count")?,
                certainty: Certainty::parse(row.str("certainty")?)
                    .ok_or_else(|| StoreError::corrupt("certainty"))?,
            }),
        }
    }
    Ok(overlaps)
}

/// JSON: `[[path, its last part], …]`.
fn with_names(paths: &[String]) -> String {
    let pairs: Vec<_> = paths.iter().map(|path| [path, file_name(path)]).collect();
    serde_json::to_string(&pairs).expect("texts are JSON")
}

/// Whose a path is.
struct Origin<'a> {
    workspace: WorkspaceId,
    task: TaskId,
    by: String,
    /// The address of its repository.
    repository: &'a str,
    branch: Option<&'a str>,
    certainty: Certainty,
}

async fn insert(
    tx: &mut Tx<'_>,
    origin: &Origin<'_>,
    paths: &[String],
    now: Timestamp,
) -> Result<(), StoreError> {
    const INSERT: Sql = Sql {
        sqlite: "INSERT INTO task_paths (task_id, origin, workspace_id, repository, path, name, certainty, at, branch) \
             SELECT $1, $2, $3, $4, json_extract(value, '$[0]'), json_extract(value, '$[1]'), $6, $7, $8 \
             FROM json_each($5) WHERE true ON CONFLICT DO NOTHING",
        postgres: "INSERT INTO task_paths (task_id, origin, workspace_id, repository, path, name, certainty, at, branch) \
             SELECT $1, $2, $3, $4, value ->> 0, value ->> 1, $6, $7, $8 \
             FROM jsonb_array_elements($5::jsonb) ON CONFLICT DO NOTHING",
    };
    if paths.is_empty() {
        return Ok(());
    }
    let values = values![
        id(origin.task),
        &origin.by,
        id(origin.workspace),
        repository_address(origin.repository),
        with_names(paths),
        origin.certainty.as_str(),
        now,
        origin.branch
    ];
    tx.execute(INSERT, values).await?;
    Ok(())
}

/// The address of the environment's first repository.
async fn first_address(tx: &mut Tx<'_>, task: &Task) -> Result<String, StoreError> {
    const SELECT: &str = "SELECT repository_url FROM environments WHERE id = $1";
    let row = tx.row(SELECT, values![id(task.environment_id)]).await?;
    row.ok_or_else(|| StoreError::corrupt("environment_id"))?
        .text("repository_url")
}

/// Writes what a person declared for a new task, or what a turn's prompt names. Where the task has several repositories, a path may begin
/// with the name of one of them, as the agent sees it.
pub(crate) async fn write_named(
    tx: &mut Tx<'_>,
    task: &Task,
    by: impl ToString,
    paths: &[String],
    now: Timestamp,
) -> Result<(), StoreError> {
    if paths.is_empty() {
        return Ok(());
    }
    let first = first_address(tx, task).await?;
    let mut of: BTreeMap<(&str, Option<&str>), Vec<String>> = BTreeMap::new();
    for path in paths {
        let (place, path) = place(&first, &task.base, path);
        of.entry(place).or_default().push(path.to_owned());
    }
    for ((repository, branch), paths) in of {
        let origin = Origin {
            workspace: task.workspace_id,
            task: task.id,
            by: by.to_string(),
            repository,
            branch,
            certainty: Certainty::Named,
        };
        insert(tx, &origin, &paths, now).await?;
    }
    Ok(())
}

/// In which repository and branch a path is, and how it is called there.
fn place<'a>(
    first: &'a str,
    base: &'a Base,
    path: &'a str,
) -> ((&'a str, Option<&'a str>), &'a str) {
    let (folder, rest) = path.split_once('/').unwrap_or(("", path));
    let mut further = base.further.iter();
    match further.find(|base| base.name == folder) {
        Some(base) => ((&base.url, base.branch.as_deref()), rest),
        None => ((first, base.branch.as_deref()), path),
    }
}

/// Writes what an attempt has changed, in place of what it and attempts of earlier turns had.
pub(crate) async fn write_touched(
    tx: &mut Tx<'_>,
    attempt: AttemptId,
    (task, turn): (TaskId, TurnId),
    touched: &[Touched],
    now: Timestamp,
) -> Result<(), StoreError> {
    const FORGET: &str = "DELETE FROM task_paths WHERE task_id = $1 AND certainty = 'touched' \
         AND (origin = $2 OR origin NOT IN (SELECT a.id FROM attempts a WHERE a.turn_id = $3))";
    if touched.is_empty() {
        return Ok(());
    }
    tx.execute(FORGET, values![id(task), id(attempt), id(turn)])
        .await?;
    if touched.iter().all(|touched| touched.paths.is_empty()) {
        return Ok(());
    }
    let (task, _) = crate::task_row::load_task(tx.conn(), task).await?;
    let first = first_address(tx, &task).await?;
    for Touched { repository, paths } in touched {
        let mut further = task.base.further.iter();
        let found = match repository {
            None => Some((&first, &task.base.branch)),
            Some(name) => further
                .find(|base| base.name == *name)
                .map(|FurtherBase { url, branch, .. }| (url, branch)),
        };
        let (address, branch) = found.ok_or_else(|| StoreError::corrupt("repository"))?;
        let origin = Origin {
            workspace: task.workspace_id,
            task: task.id,
            by: attempt.to_string(),
            repository: address,
            branch: branch.as_deref(),
            certainty: Certainty::Touched,
        };
        insert(tx, &origin, paths, now).await?;
    }
    Ok(())
}

struct Expire {
    before: Timestamp,
}

impl Write for Expire {
    type Output = u64;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<u64, StoreError> {
        const FORGET: Sql = Sql {
            sqlite: "DELETE FROM task_paths WHERE (origin, repository, path) IN \
                 (SELECT origin, repository, path FROM task_paths WHERE at < $1 LIMIT $2)",
            postgres: "DELETE FROM task_paths WHERE (origin, repository, path) IN \
                 (SELECT origin, repository, path FROM task_paths WHERE at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
        };
        tx.execute(FORGET, values![self.before, BATCH]).await
    }
}

struct Dismiss {
    workspace: WorkspaceId,
    task: TaskId,
    /// Who does; `None`: it counts again.
    by: Option<PrincipalId>,
    now: Timestamp,
}

impl Write for Dismiss {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const FIND: &str = "SELECT id FROM tasks WHERE id = $1 AND workspace_id = $2";
        const SET: &str = "INSERT INTO task_dismissals (task_id, dismissed_by, at) VALUES ($1, $2, $3) \
             ON CONFLICT (task_id) DO UPDATE SET dismissed_by = excluded.dismissed_by, at = excluded.at";
        const CLEAR: &str = "DELETE FROM task_dismissals WHERE task_id = $1";
        let found = tx
            .row(FIND, values![id(self.task), id(self.workspace)])
            .await?;
        found.ok_or(StoreError::NotFound)?;
        match self.by {
            Some(by) => {
                tx.execute(SET, values![id(self.task), id(by), self.now])
                    .await?
            }
            None => tx.execute(CLEAR, values![id(self.task)]).await?,
        };
        Ok(())
    }
}
