//! Jobs: each kept once, those of a lane one after the other, and moved on by the server that holds them.

use std::time::Duration;

use outwork_domain::job::{Command, Job, Queue, State};
use outwork_domain::{Epoch, JobId, Timestamp, WorkspaceId};

use crate::error::StoreError;
use crate::record::{Change, Paged};
use crate::sql::{Row, Sql, for_update, id, json_array, values};
use crate::store::{Store, Tx, Write};

/// How many ended ones are forgotten at once.
const BATCH: u32 = 1_000;

/// `SELECT` of what [`read`] wants, up to where `WHERE` follows.
macro_rules! select {
    () => {
        "SELECT j.id, j.workspace_id, j.queue, j.owner, j.key, j.lane, j.kind, j.body, j.memo, j.created_at, j.deadline_at, \
         (SELECT s.away_ms FROM server s WHERE s.id = 1) - j.away_ms AS away, j.epoch, j.tries, j.state, j.due_at, j.message, \
         j.ended_at FROM jobs j "
    };
}

/// What is due, without what is another's. Not while an earlier one of the same lane is under way or waits.
macro_rules! due {
    ($select:expr, $but:expr) => {
        concat!(
            $select,
            "WHERE j.queue = $1 AND j.due_at <= $2 AND (j.lane IS NULL OR NOT EXISTS (SELECT 1 FROM jobs e \
             WHERE e.queue = j.queue AND e.owner = j.owner AND e.lane = j.lane AND e.due_at IS NOT NULL AND e.id < j.id)) AND ",
            $but,
            " ORDER BY j.due_at, j.id LIMIT 1"
        )
    };
}

/// Of none of the owners in a JSON array.
macro_rules! but {
    (sqlite) => {
        "j.owner NOT IN (SELECT value FROM json_each($3))"
    };
    (postgres) => {
        "j.owner <> ALL (ARRAY(SELECT jsonb_array_elements_text($3::jsonb)))"
    };
}

/// What became of a job that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// It is kept.
    New,
    /// One of the same key was kept before, whatever became of it.
    Before(JobId),
}

impl Store {
    /// Keeps jobs, all or none; for each says whether it is new.
    pub async fn enqueue(&self, jobs: Vec<Job>) -> Result<Vec<Enqueued>, StoreError> {
        self.write(Enqueue { jobs }).await
    }

    /// A job of the workspace.
    pub async fn job(&self, workspace: WorkspaceId, job: JobId) -> Result<Option<Job>, StoreError> {
        const SELECT: &str = concat!(select!(), "WHERE j.id = $1 AND j.workspace_id = $2");
        let values = values![id(job), id(workspace)];
        let row = self.read().await?.row(SELECT, values).await?;
        row.as_ref().map(read).transpose()
    }

    /// The jobs of an owner, newest first, at most `limit`. Errors: [`StoreError::BadCursor`].
    pub async fn jobs(
        &self,
        workspace: WorkspaceId,
        queue: Queue,
        owner: &str,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<Paged<Job>, StoreError> {
        const NEWEST: &str = concat!(
            select!(),
            "WHERE j.queue = $1 AND j.owner = $2 AND j.workspace_id = $3 ORDER BY j.id DESC LIMIT $4"
        );
        const BEFORE: &str = concat!(
            select!(),
            "WHERE j.queue = $1 AND j.owner = $2 AND j.workspace_id = $3 AND j.id < $5 ORDER BY j.id DESC LIMIT $4"
        );
        let mut values = values![queue.as_str(), owner, id(workspace), i64::from(limit) + 1];
        let sql = match cursor {
            Some(cursor) => {
                let before: JobId = cursor.parse().map_err(|_| StoreError::BadCursor)?;
                values.push(id(before));
                BEFORE
            }
            None => NEWEST,
        };
        let rows = self.read().await?.rows(sql, values).await?;
        let part = rows.iter().take(limit as usize);
        let items: Vec<Job> = part.map(read).collect::<Result<_, _>>()?;
        let has_more = rows.len() > items.len();
        let last = items.last().filter(|_| has_more);
        Ok(Paged {
            next_cursor: last.map(|job| job.id.to_string()),
            items,
        })
    }

    /// Takes one that is due. Those whose time is over fail on the way.
    pub async fn claim_job(&self, queue: Queue, now: Timestamp) -> Result<Option<Job>, StoreError> {
        self.claim_job_but(queue, &[], now).await
    }

    /// The same, but of none of these owners.
    pub async fn claim_job_but(
        &self,
        queue: Queue,
        but: &[String],
        now: Timestamp,
    ) -> Result<Option<Job>, StoreError> {
        const LOOK: Sql = Sql {
            sqlite: due!("SELECT j.id FROM jobs j ", but!(sqlite)),
            postgres: due!("SELECT j.id FROM jobs j ", but!(postgres)),
        };
        // A look costs less than a write, and mostly there is nothing.
        let but = json_array(but.iter());
        let values = values![queue.as_str(), now, &but];
        if self.read().await?.row(LOOK, values).await?.is_none() {
            return Ok(None);
        }
        self.write(Claim { queue, but, now }).await
    }

    /// Forgets of an owner's ended jobs all but the newest; says how many.
    pub async fn trim_jobs(&self, queue: Queue, owner: &str, keep: u32) -> Result<u64, StoreError> {
        let owner = owner.to_owned();
        self.write(Trim { queue, owner, keep }).await
    }

    /// Obeys what the server that holds it, or an admin, says. Errors: [`StoreError::Job`], [`StoreError::NotFound`].
    pub async fn move_job(
        &self,
        workspace: WorkspaceId,
        job: JobId,
        command: Command,
        now: Timestamp,
    ) -> Result<Job, StoreError> {
        self.write(Move {
            workspace,
            job,
            command,
            now,
        })
        .await
    }

    /// No server works on any of them: for the start of the only one that uses the database.
    pub async fn release_jobs(&self, now: Timestamp) -> Result<(), StoreError> {
        self.write(Release { now }).await
    }

    /// Forgets jobs that ended before `before`, some at a time; says how many.
    pub async fn forget_jobs(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.write(Forget { before }).await
    }
}

fn read(row: &Row) -> Result<Job, StoreError> {
    let away: u64 = row.number("away")?;
    Ok(Job {
        id: row.parsed("id")?,
        workspace_id: row.parsed("workspace_id")?,
        queue: Queue::parse(row.str("queue")?).ok_or_else(|| StoreError::corrupt("queue"))?,
        owner: row.text("owner")?,
        key: row.text("key")?,
        lane: row.opt_text("lane")?,
        kind: row.text("kind")?,
        body: row.text("body")?,
        memo: row.opt_text("memo")?,
        created_at: row.time("created_at")?,
        deadline_at: row.time("deadline_at")? + Duration::from_millis(away),
        epoch: Epoch::new(row.int("epoch")?),
        tries: row.number("tries")?,
        state: read_state(row)?,
    })
}

fn read_state(row: &Row) -> Result<State, StoreError> {
    Ok(match row.str("state")? {
        "waiting" => State::Waiting {
            due_at: row.time("due_at")?,
            trouble: row.opt_text("message")?,
        },
        "working" => State::Working {
            until: row.time("due_at")?,
        },
        "done" => State::Done {
            note: row.opt_text("message")?,
            ended_at: row.time("ended_at")?,
        },
        "failed" => State::Failed {
            message: row.text("message")?,
            ended_at: row.time("ended_at")?,
        },
        _ => return Err(StoreError::corrupt("state of a job")),
    })
}

struct Enqueue {
    jobs: Vec<Job>,
}

impl Write for Enqueue {
    type Output = Vec<Enqueued>;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Vec<Enqueued>, StoreError> {
        let mut enqueued = Vec::with_capacity(self.jobs.len());
        for job in &self.jobs {
            enqueued.push(insert(tx, job).await?);
        }
        Ok(enqueued)
    }
}

/// Keeps a job, also as a part of a larger transaction.
pub(crate) async fn insert(tx: &mut Tx<'_>, job: &Job) -> Result<Enqueued, StoreError> {
    const INSERT: &str = "INSERT INTO jobs (id, workspace_id, queue, owner, key, lane, kind, body, created_at, deadline_at, \
         away_ms, epoch, tries, state, due_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
         (SELECT away_ms FROM server WHERE id = 1), 0, 0, 'waiting', $11) ON CONFLICT DO NOTHING";
    const BEFORE: &str = "SELECT id FROM jobs WHERE queue = $1 AND owner = $2 AND key = $3";
    let values = values![
        id(job.id),
        id(job.workspace_id),
        job.queue.as_str(),
        &job.owner,
        &job.key,
        job.lane.as_deref(),
        &job.kind,
        &job.body,
        job.created_at,
        job.deadline_at,
        job.due_at()
    ];
    if tx.execute(INSERT, values).await? == 1 {
        tx.changed(Change::Job(job.queue));
        return Ok(Enqueued::New);
    }
    let row = tx.row(BEFORE, values![job.queue.as_str(), &job.owner, &job.key]);
    let row = row
        .await?
        .ok_or_else(|| StoreError::unavailable("a job went away in between"))?;
    Ok(Enqueued::Before(row.parsed("id")?))
}

struct Claim {
    queue: Queue,
    /// Owners, a JSON array.
    but: String,
    now: Timestamp,
}

impl Write for Claim {
    type Output = Option<Job>;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Option<Job>, StoreError> {
        const DUE: Sql = Sql {
            sqlite: due!(select!(), but!(sqlite)),
            postgres: concat!(
                due!(select!(), but!(postgres)),
                " FOR UPDATE OF j SKIP LOCKED"
            ),
        };
        loop {
            let values = values![self.queue.as_str(), self.now, &self.but];
            let Some(row) = tx.row(DUE, values).await? else {
                return Ok(None);
            };
            let claimed = read(&row)?.apply(Command::Claim, self.now)?;
            write(tx, &claimed).await?;
            if !claimed.state.is_final() {
                return Ok(Some(claimed));
            }
        }
    }
}

struct Move {
    workspace: WorkspaceId,
    job: JobId,
    command: Command,
    now: Timestamp,
}

impl Write for Move {
    type Output = Job;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Job, StoreError> {
        let sql = for_update!(select!(), "WHERE j.id = $1 AND j.workspace_id = $2");
        let row = tx
            .row(sql, values![id(self.job), id(self.workspace)])
            .await?;
        let before = read(&row.ok_or(StoreError::NotFound)?)?;
        let after = before.apply(self.command.clone(), self.now)?;
        write(tx, &after).await?;
        // The next of its lane may be due now.
        if !matches!(after.state, State::Working { .. }) {
            tx.changed(Change::Job(after.queue));
        }
        Ok(after)
    }
}

async fn write(tx: &mut Tx<'_>, job: &Job) -> Result<(), StoreError> {
    const UPDATE: &str = "UPDATE jobs SET memo = $2, deadline_at = $3, away_ms = (SELECT away_ms FROM server WHERE id = 1), \
         epoch = $4, tries = $5, state = $6, due_at = $7, message = $8, ended_at = $9 WHERE id = $1";
    let (message, ended_at) = match &job.state {
        State::Waiting { trouble, .. } => (trouble.as_deref(), None),
        State::Working { .. } => (None, None),
        State::Done { note, ended_at } => (note.as_deref(), Some(*ended_at)),
        State::Failed { message, ended_at } => (Some(message.as_str()), Some(*ended_at)),
    };
    let values = values![
        id(job.id),
        job.memo.as_deref(),
        job.deadline_at,
        job.epoch.get(),
        job.tries,
        job.state.as_str(),
        job.due_at(),
        message,
        ended_at
    ];
    match tx.execute(UPDATE, values).await? {
        1 => Ok(()),
        _ => Err(StoreError::NotFound),
    }
}

struct Release {
    now: Timestamp,
}

impl Write for Release {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const RELEASE: &str = "UPDATE jobs SET due_at = $1 WHERE state = 'working' AND due_at > $1";
        tx.execute(RELEASE, values![self.now]).await?;
        Ok(())
    }
}

struct Forget {
    before: Timestamp,
}

impl Write for Forget {
    type Output = u64;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<u64, StoreError> {
        const FORGET: &str = "DELETE FROM jobs WHERE id IN \
             (SELECT id FROM jobs WHERE ended_at <= $1 ORDER BY ended_at LIMIT $2)";
        tx.execute(FORGET, values![self.before, BATCH]).await
    }
}

struct Trim {
    queue: Queue,
    owner: String,
    keep: u32,
}

impl Write for Trim {
    type Output = u64;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<u64, StoreError> {
        const TRIM: &str = "DELETE FROM jobs WHERE queue = $1 AND owner = $2 AND ended_at IS NOT NULL AND id <= \
             (SELECT j.id FROM jobs j WHERE j.queue = $1 AND j.owner = $2 ORDER BY j.id DESC LIMIT 1 OFFSET $3)";
        let values = values![self.queue.as_str(), &self.owner, self.keep];
        tx.execute(TRIM, values).await
    }
}
