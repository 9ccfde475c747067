//! Firings: one for each time of a schedule, one at a time for each schedule, moved on by the server that holds them.

use outwork_domain::firing::{Cause, Command, Firing, Refusal, SkipReason, State};
use outwork_domain::{Epoch, FiringId, ScheduleId, TaskId, Timestamp, WorkspaceId};

use crate::error::StoreError;
use crate::record::Paged;
use crate::schedule;
use crate::sql::{Row, Sql, for_update, id, opt_id, values};
use crate::store::{Store, Tx, Write};

/// How many are kept of a schedule; those that have not ended yet always are.
const KEPT: u32 = 500;

/// `SELECT` of what [`read`] wants, up to where `WHERE` follows.
macro_rules! select {
    () => {
        "SELECT f.id, f.schedule_id, f.workspace_id, f.person_id, f.planned_at, f.folded, f.made_at, f.deadline_at, f.epoch, \
         f.tries, f.trouble, f.task_id, f.state, f.due_at, f.ended_at, f.code, f.message, f.hint FROM firings f "
    };
}

/// What became of a request for a firing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fired {
    /// It was made.
    New,
    /// It was made by an earlier request with the same key.
    Before(Box<Firing>),
}

impl Store {
    /// Keeps a firing that somebody wants, together with the name of the request. Errors: [`StoreError::NotFound`].
    pub async fn add_firing(
        &self,
        firing: Firing,
        request: Option<String>,
    ) -> Result<Fired, StoreError> {
        self.write(Add { firing, request }).await
    }

    /// The firings of a schedule, the newest first, at most `limit`. Errors: [`StoreError::BadCursor`].
    pub async fn firings(
        &self,
        workspace: WorkspaceId,
        schedule: ScheduleId,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<Paged<Firing>, StoreError> {
        const SELECT: &str = concat!(
            select!(),
            "WHERE f.schedule_id = $1 AND f.workspace_id = $2 AND (f.made_at, f.id) < ($3, $4) \
             ORDER BY f.made_at DESC, f.id DESC LIMIT $5"
        );
        let (made_at, before) = match cursor {
            Some(cursor) => read_cursor(cursor).ok_or(StoreError::BadCursor)?,
            None => (i64::MAX, String::new()),
        };
        let values = values![
            id(schedule),
            id(workspace),
            made_at,
            before,
            i64::from(limit) + 1
        ];
        let rows = self.read().await?.rows(SELECT, values).await?;
        let shown = rows.iter().take(limit as usize);
        let items = shown.map(read).collect::<Result<Vec<_>, _>>()?;
        let has_more = rows.len() > items.len();
        let last = items.last().filter(|_| has_more);
        Ok(Paged {
            next_cursor: last.map(|last| format!("{}.{}", last.made_at.as_millis(), last.id)),
            items,
        })
    }

    /// A firing.
    pub async fn firing(
        &self,
        workspace: WorkspaceId,
        firing: FiringId,
    ) -> Result<Option<Firing>, StoreError> {
        const SELECT: &str = concat!(select!(), "WHERE f.id = $1 AND f.workspace_id = $2");
        let values = values![id(firing), id(workspace)];
        let row = self.read().await?.row(SELECT, values).await?;
        row.as_ref().map(read).transpose()
    }

    /// A task of the schedule that has not ended, and is of another firing.
    pub async fn running_task(
        &self,
        schedule: ScheduleId,
        besides: FiringId,
    ) -> Result<Option<TaskId>, StoreError> {
        const SELECT: &str = "SELECT f.task_id FROM firings f WHERE f.schedule_id = $1 AND f.id <> $2 \
             AND EXISTS (SELECT 1 FROM attempts a WHERE a.task_id = f.task_id AND a.due_at IS NOT NULL) LIMIT 1";
        let values = values![id(schedule), id(besides)];
        let row = self.read().await?.row(SELECT, values).await?;
        row.map(|row| row.parsed("task_id")).transpose()
    }

    /// Takes one that is due: of a schedule no more than one is held at a time.
    pub async fn claim_firing(&self, now: Timestamp) -> Result<Option<Firing>, StoreError> {
        const DUE: &str = "SELECT f.id FROM firings f WHERE f.due_at <= $1 LIMIT 1";
        // A look costs less than a write, and mostly there is nothing.
        if self.read().await?.row(DUE, values![now]).await?.is_none() {
            return Ok(None);
        }
        self.write(Claim { now }).await
    }

    /// Obeys what the server that holds it says. Errors: [`StoreError::Firing`] if another one has it, [`StoreError::NotFound`].
    pub async fn move_firing(
        &self,
        firing: FiringId,
        command: Command,
        epoch: Epoch,
        now: Timestamp,
    ) -> Result<Firing, StoreError> {
        self.write(Move {
            firing,
            command,
            epoch,
            now,
        })
        .await
    }

    /// No server works on any of them: for the start of the only one that uses the database.
    pub async fn release_firings(&self, now: Timestamp) -> Result<(), StoreError> {
        self.write(Release { now }).await
    }
}

fn read_cursor(cursor: &str) -> Option<(i64, String)> {
    let (at, before) = cursor.split_once('.')?;
    let before: FiringId = before.parse().ok()?;
    Some((at.parse().ok()?, before.to_string()))
}

fn read(row: &Row) -> Result<Firing, StoreError> {
    let person = row.opt_parsed("person_id")?;
    Ok(Firing {
        id: row.parsed("id")?,
        workspace_id: row.parsed("workspace_id")?,
        schedule_id: row.parsed("schedule_id")?,
        cause: person.map_or(Cause::Time, Cause::Person),
        planned_at: row.time("planned_at")?,
        folded: row.number("folded")?,
        made_at: row.time("made_at")?,
        deadline_at: row.time("deadline_at")?,
        epoch: Epoch::new(row.int("epoch")?),
        tries: row.number("tries")?,
        trouble: row.opt_text("trouble")?,
        task_id: row.opt_parsed("task_id")?,
        state: read_state(row)?,
    })
}

fn read_state(row: &Row) -> Result<State, StoreError> {
    Ok(match row.str("state")? {
        "waiting" => State::Waiting {
            due_at: row.time("due_at")?,
        },
        "following" => State::Following {
            due_at: row.time("due_at")?,
        },
        "working" => State::Working {
            until: row.time("due_at")?,
        },
        "started" => State::Started {
            note: row.opt_text("message")?,
            ended_at: row.time("ended_at")?,
        },
        "skipped" => State::Skipped {
            reason: SkipReason::parse(row.str("code")?)
                .ok_or_else(|| StoreError::corrupt("reason of a firing"))?,
            message: row.text("message")?,
            ended_at: row.time("ended_at")?,
        },
        "refused" => State::Refused {
            refusal: Refusal {
                code: row.text("code")?,
                message: row.text("message")?,
                hint: row.opt_text("hint")?,
            },
            ended_at: row.time("ended_at")?,
        },
        _ => return Err(StoreError::corrupt("state of a firing")),
    })
}

/// Whether one waits to begin.
pub(crate) async fn waits(tx: &mut Tx<'_>, schedule: ScheduleId) -> Result<bool, StoreError> {
    const WAITS: &str = "SELECT id FROM firings WHERE schedule_id = $1 AND due_at IS NOT NULL AND task_id IS NULL LIMIT 1";
    Ok(tx.row(WAITS, values![id(schedule)]).await?.is_some())
}

/// Forgets what ended long ago.
pub(crate) async fn forget_oldest(tx: &mut Tx<'_>, schedule: ScheduleId) -> Result<(), StoreError> {
    const FORGET: &str = "DELETE FROM firings WHERE schedule_id = $1 AND due_at IS NULL AND (made_at, id) < \
         (SELECT made_at, id FROM firings WHERE schedule_id = $1 ORDER BY made_at DESC, id DESC LIMIT 1 OFFSET $2)";
    tx.execute(FORGET, values![id(schedule), KEPT - 1]).await?;
    Ok(())
}

pub(crate) async fn insert(
    tx: &mut Tx<'_>,
    new: &Firing,
    request: Option<&str>,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO firings (id, schedule_id, workspace_id, person_id, request_key, planned_at, folded, made_at, \
         deadline_at, epoch, tries, trouble, task_id, state, due_at, ended_at, code, message, hint) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";
    let Firing {
        id: firing,
        workspace_id,
        schedule_id,
        cause,
        planned_at,
        folded,
        made_at,
        deadline_at,
        epoch,
        tries,
        trouble,
        task_id,
        state,
    } = new;
    let person = match cause {
        Cause::Time => None,
        Cause::Person(person) => Some(*person),
    };
    let end = End::of(state);
    let values = values![
        id(firing),
        id(schedule_id),
        id(workspace_id),
        opt_id(person),
        request,
        *planned_at,
        *folded,
        *made_at,
        *deadline_at,
        epoch.get(),
        *tries,
        trouble.as_deref(),
        opt_id(*task_id),
        state.as_str(),
        new.due_at(),
        end.ended_at,
        end.code,
        end.message,
        end.hint
    ];
    tx.execute(INSERT, values).await?;
    Ok(())
}

/// How it ended, as it is written.
#[derive(Default)]
struct End<'a> {
    ended_at: Option<Timestamp>,
    code: Option<&'a str>,
    message: Option<&'a str>,
    hint: Option<&'a str>,
}

impl<'a> End<'a> {
    fn of(state: &'a State) -> Self {
        match state {
            State::Waiting { .. } | State::Following { .. } | State::Working { .. } => {
                Self::default()
            }
            State::Started { note, ended_at } => Self {
                ended_at: Some(*ended_at),
                message: note.as_deref(),
                ..Self::default()
            },
            State::Skipped {
                reason,
                message,
                ended_at,
            } => Self {
                ended_at: Some(*ended_at),
                code: Some(reason.as_str()),
                message: Some(message),
                hint: None,
            },
            State::Refused { refusal, ended_at } => Self {
                ended_at: Some(*ended_at),
                code: Some(&refusal.code),
                message: Some(&refusal.message),
                hint: refusal.hint.as_deref(),
            },
        }
    }
}

struct Add {
    firing: Firing,
    request: Option<String>,
}

impl Write for Add {
    type Output = Fired;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Fired, StoreError> {
        const BEFORE: &str = concat!(select!(), "WHERE f.schedule_id = $1 AND f.request_key = $2");
        let new = &self.firing;
        // Two that come at once: the second waits here for the first.
        schedule::locked(tx, new.workspace_id, new.schedule_id).await?;
        if let Some(key) = &self.request {
            let values = values![id(new.schedule_id), key];
            if let Some(row) = tx.row(BEFORE, values).await? {
                return Ok(Fired::Before(Box::new(read(&row)?)));
            }
        }
        insert(tx, new, self.request.as_deref()).await?;
        forget_oldest(tx, new.schedule_id).await?;
        Ok(Fired::New)
    }
}

struct Claim {
    now: Timestamp,
}

impl Write for Claim {
    type Output = Option<Firing>;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Option<Firing>, StoreError> {
        // The schedule is locked with it, so that two servers never take two of the same.
        const DUE: Sql = Sql {
            sqlite: concat!(
                select!(),
                "JOIN schedules s ON s.id = f.schedule_id WHERE f.due_at <= $1 AND NOT EXISTS (SELECT 1 FROM firings o \
                 WHERE o.schedule_id = f.schedule_id AND o.state = 'working' AND o.due_at > $1) ORDER BY f.due_at, f.id LIMIT 1"
            ),
            postgres: concat!(
                select!(),
                "JOIN schedules s ON s.id = f.schedule_id WHERE f.due_at <= $1 AND NOT EXISTS (SELECT 1 FROM firings o \
                 WHERE o.schedule_id = f.schedule_id AND o.state = 'working' AND o.due_at > $1) ORDER BY f.due_at, f.id LIMIT 1 \
                 FOR UPDATE OF f, s SKIP LOCKED"
            ),
        };
        // What another server took of the schedule before its lock was had here is seen only by a statement that begins after it.
        const HELD: &str = "SELECT id FROM firings \
             WHERE schedule_id = $1 AND state = 'working' AND due_at > $2 LIMIT 1";
        let Some(row) = tx.row(DUE, values![self.now]).await? else {
            return Ok(None);
        };
        let found = read(&row)?;
        let values = values![id(found.schedule_id), self.now];
        if tx.row(HELD, values).await?.is_some() {
            return Ok(None);
        }
        let claimed = found.apply(Command::Claim, Epoch::ZERO, self.now)?;
        write(tx, &claimed).await?;
        Ok(Some(claimed))
    }
}

struct Move {
    firing: FiringId,
    command: Command,
    epoch: Epoch,
    now: Timestamp,
}

impl Write for Move {
    type Output = Firing;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Firing, StoreError> {
        let sql = for_update!(select!(), "WHERE f.id = $1");
        let row = tx.row(sql, values![id(self.firing)]).await?;
        let before = read(&row.ok_or(StoreError::NotFound)?)?;
        let after = before.apply(self.command.clone(), self.epoch, self.now)?;
        write(tx, &after).await?;
        Ok(after)
    }
}

async fn write(tx: &mut Tx<'_>, it: &Firing) -> Result<(), StoreError> {
    const UPDATE: &str = "UPDATE firings SET deadline_at = $2, epoch = $3, tries = $4, trouble = $5, task_id = $6, state = $7, \
         due_at = $8, ended_at = $9, code = $10, message = $11, hint = $12 WHERE id = $1";
    let end = End::of(&it.state);
    let values = values![
        id(it.id),
        it.deadline_at,
        it.epoch.get(),
        it.tries,
        it.trouble.as_deref(),
        opt_id(it.task_id),
        it.state.as_str(),
        it.due_at(),
        end.ended_at,
        end.code,
        end.message,
        end.hint
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
        const RELEASE: &str =
            "UPDATE firings SET due_at = $1 WHERE state = 'working' AND due_at > $1";
        tx.execute(RELEASE, values![self.now]).await?;
        Ok(())
    }
}
