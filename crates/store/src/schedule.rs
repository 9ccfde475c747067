//! Schedules: kept, changed, and their times made into firings.

use outwork_domain::firing::{
    Activity, Asked, Cause, Due, Firing, Missed, Overlap, SkipReason, State, TaskSchedule,
};
use outwork_domain::task::TaskKind;
use outwork_domain::timetable::Timetable;
use outwork_domain::{Epoch, FiringId, Priority, ScheduleId, Timestamp, WorkspaceId};

use crate::error::StoreError;
use crate::firing;
use crate::sql::{Row, Sql, for_update, id, values};
use crate::store::{Store, Tx, Write};

/// The most of a workspace.
const MOST: usize = 200;

/// `SELECT` of what [`read`] wants, up to where `WHERE` follows.
macro_rules! select {
    () => {
        "SELECT s.id, s.workspace_id, s.environment_id, s.created_by, s.created_at, s.updated_at, s.fingerprint, s.pattern, \
         s.time_zone, s.prompt, s.branch, s.attempts, s.priority, s.kind, s.missed, s.overlap, s.pull_request, s.next_at, \
         s.paused_at, s.paused_why FROM schedules s "
    };
}

/// What became of a request for a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheduled {
    /// It was made.
    New,
    /// It was made by an earlier request with the same key.
    Before(Box<TaskSchedule>),
}

impl Store {
    /// Keeps a schedule, together with the name of its request and a SHA-256 of that. Errors: [`StoreError::UnknownEnvironment`],
    /// [`StoreError::TooMany`], [`StoreError::IdempotencyMismatch`].
    pub async fn add_schedule(
        &self,
        schedule: TaskSchedule,
        request: Option<(String, [u8; 32])>,
    ) -> Result<Scheduled, StoreError> {
        self.write(Add { schedule, request }).await
    }

    /// The schedules of a workspace, oldest first.
    pub async fn schedules(&self, workspace: WorkspaceId) -> Result<Vec<TaskSchedule>, StoreError> {
        const SELECT: &str = concat!(
            select!(),
            "WHERE s.workspace_id = $1 ORDER BY s.created_at, s.id"
        );
        let rows = self.read().await?.rows(SELECT, values![id(workspace)]);
        rows.await?.iter().map(read).collect()
    }

    /// A schedule.
    pub async fn schedule(
        &self,
        workspace: WorkspaceId,
        schedule: ScheduleId,
    ) -> Result<Option<TaskSchedule>, StoreError> {
        const SELECT: &str = concat!(select!(), "WHERE s.id = $1 AND s.workspace_id = $2");
        let values = values![id(schedule), id(workspace)];
        let row = self.read().await?.row(SELECT, values).await?;
        row.as_ref().map(read).transpose()
    }

    /// Puts a changed schedule in place of what was read as `before`. Errors: [`StoreError::NotFound`],
    /// [`StoreError::RevisionMismatch`] if it is another by now, [`StoreError::UnknownEnvironment`].
    pub async fn change_schedule(
        &self,
        before: TaskSchedule,
        after: TaskSchedule,
    ) -> Result<(), StoreError> {
        self.write(ChangeIt { before, after }).await
    }

    /// Pauses a schedule that cannot go on, unless it is paused. A sentence says why.
    pub async fn halt_schedule(
        &self,
        schedule: ScheduleId,
        why: String,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(Halt { schedule, why, now }).await
    }

    /// Forgets a schedule and what became of its times; tasks stay. Errors: [`StoreError::NotFound`].
    pub async fn delete_schedule(
        &self,
        workspace: WorkspaceId,
        schedule: ScheduleId,
    ) -> Result<(), StoreError> {
        self.write(Delete {
            workspace,
            schedule,
        })
        .await
    }

    /// Makes firings of the times that have come, one for each schedule and at most one for each of `ids`: how many. Any number of
    /// servers may do so at once.
    pub async fn fire_schedules(
        &self,
        ids: Vec<FiringId>,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        const DUE: &str = "SELECT s.id FROM schedules s WHERE s.next_at <= $1 LIMIT 1";
        // A look costs less than a write, and mostly there is nothing.
        if self.read().await?.row(DUE, values![now]).await?.is_none() {
            return Ok(0);
        }
        self.write(Fire { ids, now }).await
    }
}

fn read(row: &Row) -> Result<TaskSchedule, StoreError> {
    let timetable = Timetable::parse(row.str("pattern")?, row.str("time_zone")?);
    let activity = match (row.opt_time("next_at")?, row.opt_time("paused_at")?) {
        (Some(next_at), _) => Activity::Active { next_at },
        (None, Some(since)) => Activity::Paused {
            since,
            why: row.opt_text("paused_why")?,
        },
        (None, None) => return Err(StoreError::corrupt("activity of a schedule")),
    };
    Ok(TaskSchedule {
        id: row.parsed("id")?,
        workspace_id: row.parsed("workspace_id")?,
        created_by: row.parsed("created_by")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        timetable: timetable.map_err(|_| StoreError::corrupt("timetable"))?,
        asked: Asked {
            environment_id: row.parsed("environment_id")?,
            prompt: row.text("prompt")?,
            branch: row.opt_text("branch")?,
            attempts: row.number("attempts")?,
            priority: Priority::from_rank(row.int("priority")?)
                .ok_or_else(|| StoreError::corrupt("priority"))?,
            kind: TaskKind::parse(row.str("kind")?).ok_or_else(|| StoreError::corrupt("kind"))?,
        },
        missed: Missed::parse(row.str("missed")?).ok_or_else(|| StoreError::corrupt("missed"))?,
        overlap: Overlap::parse(row.str("overlap")?)
            .ok_or_else(|| StoreError::corrupt("overlap"))?,
        pull_request: row.int("pull_request")? == 1,
        activity,
    })
}

pub(crate) async fn locked(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    schedule: ScheduleId,
) -> Result<TaskSchedule, StoreError> {
    let sql = for_update!(select!(), "WHERE s.id = $1 AND s.workspace_id = $2");
    let row = tx.row(sql, values![id(schedule), id(workspace)]).await?;
    read(&row.ok_or(StoreError::NotFound)?)
}

/// What is written of when it goes on.
fn activity(activity: &Activity) -> (Option<Timestamp>, Option<Timestamp>, Option<&str>) {
    match activity {
        Activity::Active { next_at } => (Some(*next_at), None, None),
        Activity::Paused { since, why } => (None, Some(*since), why.as_deref()),
    }
}

/// The environment must be there.
async fn has_environment(tx: &mut Tx<'_>, schedule: &TaskSchedule) -> Result<(), StoreError> {
    const SELECT: &str =
        "SELECT id FROM environments WHERE id = $1 AND workspace_id = $2 AND deleted_at IS NULL";
    let values = values![id(schedule.asked.environment_id), id(schedule.workspace_id)];
    let row = tx.row(SELECT, values).await?;
    row.map(drop).ok_or(StoreError::UnknownEnvironment)
}

struct Add {
    schedule: TaskSchedule,
    request: Option<(String, [u8; 32])>,
}

impl Write for Add {
    type Output = Scheduled;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Scheduled, StoreError> {
        const LOCK: Sql = Sql {
            sqlite: "SELECT id FROM workspaces WHERE id = $1",
            // Those who write rows of the workspace do not wait for it.
            postgres: "SELECT id FROM workspaces WHERE id = $1 FOR NO KEY UPDATE",
        };
        const BEFORE: &str = concat!(select!(), "WHERE s.created_by = $1 AND s.request_key = $2");
        const COUNT: &str = "SELECT count(*) AS count FROM schedules WHERE workspace_id = $1";
        let new = &self.schedule;
        // Two that come at once: the second waits here for the first.
        let row = tx.row(LOCK, values![id(new.workspace_id)]).await?;
        row.map(drop).ok_or(StoreError::NotFound)?;
        if let Some((key, fingerprint)) = &self.request {
            let values = values![id(new.created_by), key];
            if let Some(row) = tx.row(BEFORE, values).await? {
                if row.bytes("fingerprint")? != fingerprint {
                    return Err(StoreError::IdempotencyMismatch);
                }
                return Ok(Scheduled::Before(Box::new(read(&row)?)));
            }
        }
        let row = tx.row(COUNT, values![id(new.workspace_id)]).await?;
        let count = row.map_or(Ok(0), |row| row.number::<usize>("count"))?;
        if count >= MOST {
            return Err(StoreError::TooMany { most: MOST });
        }
        has_environment(tx, new).await?;
        insert(tx, new, self.request.clone()).await?;
        Ok(Scheduled::New)
    }
}

async fn insert(
    tx: &mut Tx<'_>,
    new: &TaskSchedule,
    request: Option<(String, [u8; 32])>,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO schedules (id, workspace_id, environment_id, created_by, created_at, updated_at, \
         request_key, fingerprint, pattern, time_zone, prompt, branch, attempts, priority, kind, missed, overlap, \
         pull_request, next_at, paused_at, paused_why) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)";
    let (key, fingerprint) = request.unzip();
    let (next_at, paused_at, why) = activity(&new.activity);
    let Asked {
        environment_id,
        prompt,
        branch,
        attempts,
        priority,
        kind,
    } = &new.asked;
    let values = values![
        id(new.id),
        id(new.workspace_id),
        id(environment_id),
        id(new.created_by),
        new.created_at,
        new.updated_at,
        key,
        fingerprint.map(|hash| hash.to_vec()),
        new.timetable.pattern(),
        new.timetable.zone(),
        prompt,
        branch.as_deref(),
        *attempts,
        priority.rank(),
        kind.as_str(),
        new.missed.as_str(),
        new.overlap.as_str(),
        i64::from(new.pull_request),
        next_at,
        paused_at,
        why
    ];
    tx.execute(INSERT, values).await?;
    Ok(())
}

struct ChangeIt {
    before: TaskSchedule,
    after: TaskSchedule,
}

impl Write for ChangeIt {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let Self { before, after } = self;
        let now = locked(tx, before.workspace_id, before.id).await?;
        // A time that came in between is no change of somebody else's.
        let is_same = TaskSchedule {
            activity: before.activity.clone(),
            ..now.clone()
        } == *before
            && now.is_paused() == before.is_paused();
        if !is_same {
            return Err(StoreError::RevisionMismatch);
        }
        if after.asked.environment_id != before.asked.environment_id {
            has_environment(tx, after).await?;
        }
        let is_kept = after.activity == before.activity;
        let after = TaskSchedule {
            activity: if is_kept {
                now.activity
            } else {
                after.activity.clone()
            },
            ..after.clone()
        };
        update(tx, &after).await
    }
}

async fn update(tx: &mut Tx<'_>, it: &TaskSchedule) -> Result<(), StoreError> {
    const UPDATE: &str = "UPDATE schedules SET environment_id = $2, updated_at = $3, pattern = $4, time_zone = $5, prompt = $6, \
         branch = $7, attempts = $8, priority = $9, kind = $10, missed = $11, overlap = $12, pull_request = $13, next_at = $14, \
         paused_at = $15, paused_why = $16 WHERE id = $1";
    let TaskSchedule {
        id: schedule,
        workspace_id: _,
        created_by: _,
        created_at: _,
        updated_at,
        timetable,
        asked,
        missed,
        overlap,
        pull_request,
        activity: goes_on,
    } = it;
    let Asked {
        environment_id,
        prompt,
        branch,
        attempts,
        priority,
        kind,
    } = asked;
    let (next_at, paused_at, why) = activity(goes_on);
    let values = values![
        id(schedule),
        id(environment_id),
        *updated_at,
        timetable.pattern(),
        timetable.zone(),
        prompt,
        branch.as_deref(),
        *attempts,
        priority.rank(),
        kind.as_str(),
        missed.as_str(),
        overlap.as_str(),
        i64::from(*pull_request),
        next_at,
        paused_at,
        why
    ];
    tx.execute(UPDATE, values).await?;
    Ok(())
}

struct Halt {
    schedule: ScheduleId,
    why: String,
    now: Timestamp,
}

impl Write for Halt {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const HALT: &str = "UPDATE schedules SET next_at = NULL, paused_at = $2, paused_why = $3, updated_at = $2 \
             WHERE id = $1 AND next_at IS NOT NULL";
        let values = values![id(self.schedule), self.now, &self.why];
        tx.execute(HALT, values).await?;
        Ok(())
    }
}

struct Delete {
    workspace: WorkspaceId,
    schedule: ScheduleId,
}

impl Write for Delete {
    type Output = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        const FIRINGS: &str = "DELETE FROM firings WHERE schedule_id = $1";
        const SCHEDULE: &str = "DELETE FROM schedules WHERE id = $1";
        locked(tx, self.workspace, self.schedule).await?;
        for delete in [FIRINGS, SCHEDULE] {
            tx.execute(delete, values![id(self.schedule)]).await?;
        }
        Ok(())
    }
}

struct Fire {
    ids: Vec<FiringId>,
    now: Timestamp,
}

impl Write for Fire {
    type Output = usize;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<usize, StoreError> {
        const DUE: Sql = Sql {
            sqlite: concat!(
                select!(),
                "WHERE s.next_at <= $1 ORDER BY s.next_at LIMIT $2"
            ),
            postgres: concat!(
                select!(),
                "WHERE s.next_at <= $1 ORDER BY s.next_at LIMIT $2 FOR UPDATE SKIP LOCKED"
            ),
        };
        const NEXT: &str =
            "UPDATE schedules SET next_at = $2, paused_at = $3, paused_why = $4 WHERE id = $1";
        let most = i64::try_from(self.ids.len()).unwrap_or(i64::MAX);
        let rows = tx.rows(DUE, values![self.now, most]).await?;
        for (row, fresh) in rows.iter().zip(&self.ids) {
            let schedule = read(row)?;
            let Some((after, due)) = schedule.pass(self.now) else {
                continue;
            };
            let (next_at, paused_at, why) = activity(&after.activity);
            let values = values![id(schedule.id), next_at, paused_at, why];
            tx.execute(NEXT, values).await?;
            let firing = self.made(tx, &schedule, due, *fresh).await?;
            firing::insert(tx, &firing, None).await?;
            firing::forget_oldest(tx, schedule.id).await?;
        }
        Ok(rows.len())
    }
}

impl Fire {
    async fn made(
        &self,
        tx: &mut Tx<'_>,
        schedule: &TaskSchedule,
        due: Due,
        fresh: FiringId,
    ) -> Result<Firing, StoreError> {
        let now = self.now;
        let Due {
            planned_at,
            folded,
            is_missed,
        } = due;
        let skipped = |reason, message: &str| State::Skipped {
            reason,
            message: message.to_owned(),
            ended_at: now,
        };
        let state = if is_missed {
            skipped(SkipReason::Missed, "No server ran at that time.")
        } else if schedule.overlap == Overlap::Queue && firing::waits(tx, schedule.id).await? {
            let message = "One time waits already for the task before to end.";
            skipped(SkipReason::Overlap, message)
        } else {
            State::Waiting { due_at: now }
        };
        Ok(Firing {
            id: fresh,
            workspace_id: schedule.workspace_id,
            schedule_id: schedule.id,
            cause: Cause::Time,
            planned_at,
            folded,
            made_at: now,
            deadline_at: schedule.deadline(now),
            epoch: Epoch::ZERO,
            tries: 0,
            trouble: None,
            task_id: None,
            state,
        })
    }
}
