//! Going on with a task that there is: a follow-up, an answer to its question, an end, a pull request.

use outwork_api::publication::NewPublication;
use outwork_api::task::{NewRetry, NewTurn};
use outwork_domain::status::TaskStatus;
use outwork_forges::event::{Person, Place};
use outwork_store::{ConversationChange, StoreError, TaskRecord};
use serde::{Deserialize, Serialize};

use super::handle::Case;
use super::memory::remember;
use super::{Stop, material};
use crate::endpoints::publications::publish;
use crate::submit::{tell, turn};

/// What a job began before its server went away, as it noted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Begun {
    /// A new task.
    Task,
    /// The turn of that number.
    Turn(u32),
    Answer,
    Steer,
}

impl Begun {
    pub(super) fn of(case: &Case<'_>) -> Option<Self> {
        serde_json::from_str(case.held.job.memo.as_deref()?).ok()
    }

    /// Notes it, unless something was begun before: that is gone on with.
    pub(super) async fn note(self, case: &Case<'_>) -> Result<Self, Stop> {
        if let Some(before) = Self::of(case) {
            return Ok(before);
        }
        let memo = serde_json::to_string(&self).expect("plain data");
        case.held.note(memo).await?;
        Ok(self)
    }
}

/// More of it: an answer if it asks, a word to the agent if it runs, else a follow-up.
pub(super) async fn work(
    case: &Case<'_>,
    by: &Person,
    place: &Place,
    request: &str,
    task: TaskRecord,
) -> Result<String, Stop> {
    let (status, _) = task.status();
    let begun = match status {
        TaskStatus::Completed | TaskStatus::Failed => Begun::Turn(next(&task)),
        TaskStatus::NeedsInput => Begun::Answer,
        TaskStatus::Pending | TaskStatus::Running => Begun::Steer,
    };
    let (told, note) = match begun.note(case).await? {
        Begun::Task | Begun::Turn(_) => {
            return follow_up(case, Some(by), place, request, task).await;
        }
        Begun::Answer => (tell::Kind::Answer(request.to_owned()), "Answered."),
        Begun::Steer => (tell::Kind::Steer(request.to_owned()), "Told to the agent."),
    };
    let member = case.member(Some(by)).await?;
    let once = case.once(&member, "tell");
    let (plane, id) = (&case.held.plane, task.task.id);
    match tell::tell(plane, &member, id, None, told, Some(once)).await {
        Ok(_) => Ok(note.to_owned()),
        Err(refusal) => Err(match Stop::from(refusal) {
            Stop::Tell { why, hint: _ } => Stop::Tell {
                why: format!("{why} What you say here now does not reach it."),
                hint: Some(format!(
                    "Say it again when it has ended, or end it with `@{} cancel`.",
                    super::settings::name(case.settings)
                )),
            },
            other => other,
        }),
    }
}

/// The number of the task's next turn.
fn next(task: &TaskRecord) -> u32 {
    1 + task.turns.last().map_or(0, |turn| turn.turn.number.get())
}

/// One more turn.
pub(super) async fn follow_up(
    case: &Case<'_>,
    by: Option<&Person>,
    place: &Place,
    request: &str,
    task: TaskRecord,
) -> Result<String, Stop> {
    let top = material::top(case).await?;
    let pieces = material::around(case, &top, place).await?;
    let prompt = material::prompt(case, by, request, pieces);
    add(case, by, prompt, &task).await
}

/// Submits a turn of that prompt.
pub(super) async fn add(
    case: &Case<'_>,
    by: Option<&Person>,
    prompt: String,
    task: &TaskRecord,
) -> Result<String, Stop> {
    let plane = &case.held.plane;
    let member = case.member(by).await?;
    let id = task.task.id;
    let number = numbered(case, task).await?;
    let new = NewTurn {
        prompt,
        comments: None,
        attempts: None,
        attempt: None,
        output_schema: None,
    };
    let once = case.once(&member, "turn");
    turn::submit(plane, &member, id, new, Some(once)).await?;
    asked_here(case, by, task, number).await?;
    Ok(format!("Turn {number} of {id}."))
}

/// The number that the turn of this job has or will have: noted before it is made.
async fn numbered(case: &Case<'_>, task: &TaskRecord) -> Result<u32, Stop> {
    match Begun::Turn(next(task)).note(case).await? {
        Begun::Turn(number) => Ok(number),
        Begun::Task | Begun::Answer | Begun::Steer => Ok(next(task)),
    }
}

/// Notes that this conversation is told of the turn.
async fn asked_here(
    case: &Case<'_>,
    by: Option<&Person>,
    task: &TaskRecord,
    number: u32,
) -> Result<(), Stop> {
    let plane = &case.held.plane;
    let it = &case.conversation;
    let is_person = by.is_some();
    // Told anew: who tells may have looked before it was known that this turn is told here.
    let also = ConversationChange {
        task: Some(task.task.id),
        ..ConversationChange::default()
    };
    remember(plane, it, also, |memory| {
        memory.turn_mut(number);
        match is_person {
            true => (memory.check_rounds, memory.is_closed) = (0, false),
            false => memory.check_rounds += 1,
        }
    })
    .await?;
    Ok(())
}

/// The newest turn once more.
pub(super) async fn retry(case: &Case<'_>, by: &Person, task: &TaskRecord) -> Result<String, Stop> {
    let plane = &case.held.plane;
    let member = case.member(Some(by)).await?;
    let number = numbered(case, task).await?;
    let once = case.once(&member, "retry");
    let id = task.task.id;
    turn::retry(plane, &member, id, NewRetry::default(), Some(once)).await?;
    asked_here(case, Some(by), task, number).await?;
    Ok(format!("Turn {number} of {id}."))
}

pub(super) async fn cancel(
    case: &Case<'_>,
    by: &Person,
    task: &TaskRecord,
) -> Result<String, Stop> {
    let plane = &case.held.plane;
    let member = case.member(Some(by)).await?;
    let id = task.task.id;
    let cancelled = plane
        .store
        .cancel_task(member.workspace_id(), id, plane.now());
    match cancelled.await {
        Ok(_) => Ok("Cancelled.".to_owned()),
        Err(fault @ StoreError::Unavailable { .. }) => Err(fault.into()),
        Err(fault) => Err(crate::refusal::Refusal::from(fault).into()),
    }
}

/// A pull request of what there is.
pub(super) async fn publish(
    case: &Case<'_>,
    by: &Person,
    task: &TaskRecord,
) -> Result<String, Stop> {
    let plane = &case.held.plane;
    let member = case.member(Some(by)).await?;
    let once = case.once(&member, "publish");
    let request = Some((once.key, once.fingerprint));
    let asked = publish::ask(
        plane,
        &member,
        task.task.id,
        NewPublication::default(),
        request,
    );
    let (publication, _) = asked.await?;
    Ok(format!("Publication {}.", publication.id))
}
