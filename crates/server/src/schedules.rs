//! What a server does with a firing that it holds: it submits the task, in the name of whoever made the schedule, and opens the pull
//! request when the task has ended, if one is wanted.
//!
//! The task is submitted under the firing's id. So it is asked first whether that was done before: a server that died between the task and
//! the note of it, or whose answer got lost, leaves no second one.

use std::sync::Arc;
use std::time::Duration;

use outwork_api::problem::Code;
use outwork_api::publication::NewPublication;
use outwork_api::task::NewTask;
use outwork_domain::firing::{
    Asked, Cause, Command, Firing, Overlap, Refusal as Refused, SkipReason, TaskSchedule,
};
use outwork_domain::principal::{Member, Principal};
use outwork_domain::{State, TaskId, Timestamp};
use outwork_store::{Idempotency, MemberRecord, StoreError, TaskRecord};
use sha2::{Digest, Sha256};

use crate::endpoints::{publications, tasks};
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::{submit, view};

/// How often it is looked whether a task has ended.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The first pause after trouble; each is twice as long as the one before.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// How long it is known what a firing was submitted as: far longer than it may take to be.
const KEPT: Duration = Duration::from_secs(60 * 24 * 3600);

/// Moves a firing on as far as it goes now.
pub(crate) async fn run(plane: Arc<Plane>, firing: Firing) {
    let next = match firing.task_id {
        None => begin(&plane, &firing).await,
        Some(task) => follow(&plane, &firing, task).await,
    };
    let command = next.unwrap_or_else(|fault| put_off(&plane, &firing, &fault));
    if let Command::Refuse(Refused { message, .. }) = &command {
        tracing::warn!(schedule = %firing.schedule_id, firing = %firing.id, message, "a schedule's task was refused");
    }
    let moved = plane
        .store
        .move_firing(firing.id, command, firing.epoch, plane.now());
    match moved.await {
        Ok(_) => {}
        Err(fault @ (StoreError::Firing(_) | StoreError::NotFound)) => {
            tracing::info!(firing = %firing.id, %fault, "a firing is not this server's any more");
        }
        // It is taken again when its lease has run out, and what was done is found then.
        Err(fault) => tracing::warn!(firing = %firing.id, %fault, "a firing could not be moved on"),
    }
}

/// The task as somebody would submit it. Nobody is there to be asked, but whoever looks may answer.
pub(crate) fn task(asked: &Asked) -> NewTask {
    let Asked {
        environment_id,
        prompt,
        branch,
        attempts,
        priority,
        kind,
    } = asked;
    NewTask {
        branch: branch.clone(),
        attempts: Some(*attempts),
        interactive: false,
        priority: (*priority).into(),
        kind: (*kind).into(),
        ..NewTask::new(environment_id.to_string(), prompt)
    }
}

async fn begin(plane: &Plane, firing: &Firing) -> Result<Command, Refusal> {
    let workspace = firing.workspace_id;
    let Some(schedule) = plane.store.schedule(workspace, firing.schedule_id).await? else {
        let message = "The schedule was removed.".to_owned();
        let reason = SkipReason::Paused;
        return Ok(Command::Skip { reason, message });
    };
    let key = key(&schedule, firing, plane.now());
    if let Some(task_id) = plane.store.idempotent(&key, plane.now()).await? {
        return Ok(started(&schedule, task_id));
    }
    if let Some(over) = overdue(firing, plane.now()) {
        return Ok(over);
    }
    if let Some(waits) = for_the_one_before(plane, &schedule, firing).await? {
        return Ok(waits);
    }
    let member = match in_the_name_of(plane, &schedule).await? {
        Ok(member) => member,
        Err(why) => return halt(plane, &schedule, "owner_gone", why).await,
    };
    let environment = schedule.asked.environment_id;
    if plane
        .store
        .environment(workspace, environment)
        .await?
        .is_none()
    {
        let why = "The environment was deleted.".to_owned();
        return halt(plane, &schedule, "environment_gone", why).await;
    }
    match submit::task::submit(plane, &member, task(&schedule.asked), Some(key)).await {
        Ok(made) => Ok(started(&schedule, made.id())),
        Err(fault) if passes(&fault) => Err(fault),
        Err(fault) => Ok(Command::Refuse(refused(&fault))),
    }
}

fn started(schedule: &TaskSchedule, task_id: TaskId) -> Command {
    Command::Start {
        task_id,
        follow: schedule.pull_request,
    }
}

/// The name of the request that submits the task. It says nothing of what the task is, which may be edited between two tries.
fn key(schedule: &TaskSchedule, firing: &Firing, now: Timestamp) -> Idempotency {
    let id = firing.id.to_string();
    Idempotency {
        principal_id: schedule.created_by,
        route: "schedule".to_owned(),
        fingerprint: Sha256::digest(&id).into(),
        key: id,
        expires_at: now + KEPT,
    }
}

/// What becomes of a firing whose time is over.
fn overdue(firing: &Firing, now: Timestamp) -> Option<Command> {
    if !firing.is_overdue(now) {
        return None;
    }
    Some(match &firing.trouble {
        Some(trouble) => Command::Refuse(Refused {
            code: "gave_up".to_owned(),
            message: format!("Given up after {} tries. {trouble}", firing.tries),
            hint: Some("Once that is over, `outwork schedule run` submits it.".to_owned()),
        }),
        None => Command::Skip {
            reason: SkipReason::Missed,
            message: "It did not come to its turn in time.".to_owned(),
        },
    })
}

/// What a time waits for, or why it comes to nothing. What somebody wants by hand waits for nothing.
async fn for_the_one_before(
    plane: &Plane,
    schedule: &TaskSchedule,
    firing: &Firing,
) -> Result<Option<Command>, Refusal> {
    match firing.cause {
        Cause::Person(_) => return Ok(None),
        Cause::Time => {}
    }
    if schedule.is_paused() {
        let message = "The schedule was paused in between.".to_owned();
        let reason = SkipReason::Paused;
        return Ok(Some(Command::Skip { reason, message }));
    }
    let running = async || plane.store.running_task(schedule.id, firing.id).await;
    Ok(match schedule.overlap {
        Overlap::Allow => None,
        Overlap::Skip => running().await?.map(|task| Command::Skip {
            reason: SkipReason::Overlap,
            message: format!("{task} of the schedule still ran."),
        }),
        Overlap::Queue => running().await?.map(|_| Command::PutOff {
            trouble: None,
            wait: LOOK_EVERY,
        }),
    })
}

/// Whoever made the schedule, if that is still a member who may give tasks; else why not.
async fn in_the_name_of(
    plane: &Plane,
    schedule: &TaskSchedule,
) -> Result<Result<Member, String>, Refusal> {
    let (workspace_id, id) = (schedule.workspace_id, schedule.created_by);
    let Some(record) = plane.store.member(workspace_id, id).await? else {
        let names = plane.store.member_names(workspace_id).await?;
        let name = names.get(&id).map_or("Its owner", String::as_str);
        return Ok(Err(format!("{name}, who made it, is no member any more.")));
    };
    let MemberRecord {
        id,
        kind,
        name,
        role,
        created_at: _,
    } = record;
    let principal = Principal {
        id,
        workspace_id,
        kind,
        name: name.clone(),
        role,
        worker_id: None,
    };
    Ok(principal.member().map_err(|_| {
        let role = role.as_str();
        format!("{name}, who made it, has the role `{role}` now, which gives no tasks.")
    }))
}

/// It cannot go on, so it is paused; the time is in the history with the same reason.
async fn halt(
    plane: &Plane,
    schedule: &TaskSchedule,
    code: &str,
    why: String,
) -> Result<Command, Refusal> {
    tracing::warn!(schedule = %schedule.id, why, "a schedule was paused");
    let halted = plane
        .store
        .halt_schedule(schedule.id, why.clone(), plane.now());
    halted.await?;
    let id = schedule.id;
    Ok(Command::Refuse(Refused {
        code: code.to_owned(),
        message: format!("{why} The schedule is paused."),
        hint: Some(format!(
            "`outwork schedule edit {id}` gives it another environment, `outwork schedule resume {id}` lets it go on; one of another member is made anew."
        )),
    }))
}

/// Whether it may be different soon.
fn passes(fault: &Refusal) -> bool {
    let passing = [
        Code::Unavailable,
        Code::InsufficientStorage,
        Code::Internal,
        Code::Repository,
    ];
    passing.iter().any(|code| fault.problem().is(*code))
}

fn refused(fault: &Refusal) -> Refused {
    let problem = fault.problem();
    Refused {
        code: problem.code.clone(),
        message: problem.detail.clone(),
        hint: problem.hint.clone(),
    }
}

fn put_off(plane: &Plane, firing: &Firing, fault: &Refusal) -> Command {
    fault.log(None);
    let doubled = PAUSE.saturating_mul(1 << firing.tries.min(10));
    let wait = doubled.min(LONGEST_PAUSE);
    let most = u64::try_from(wait.as_millis() / 4).unwrap_or(0);
    Command::PutOff {
        trouble: Some(fault.problem().detail.clone()),
        wait: wait + Duration::from_millis(plane.ids.jitter(0, most)),
    }
}

/// The task is there; once it has ended, it becomes a pull request.
async fn follow(plane: &Plane, firing: &Firing, task: TaskId) -> Result<Command, Refusal> {
    let finish = |note: String| Ok(Command::Finish { note: Some(note) });
    if firing.is_overdue(plane.now()) {
        return finish("No pull request: the task had not ended after 30 days.".to_owned());
    }
    let workspace = firing.workspace_id;
    let schedule = plane.store.schedule(workspace, firing.schedule_id).await?;
    let Some(schedule) = schedule.filter(|schedule| schedule.pull_request) else {
        return finish("No pull request: the schedule wants none any more.".to_owned());
    };
    let record = tasks::by_id(plane, workspace, task).await?;
    let Some(is_good) = ended(&record) else {
        return Ok(Command::PutOff {
            trouble: None,
            wait: LOOK_EVERY,
        });
    };
    if !is_good {
        return finish("No pull request: the task did not succeed.".to_owned());
    }
    let member = match in_the_name_of(plane, &schedule).await? {
        Ok(member) => member,
        Err(why) => return finish(format!("No pull request: {why}")),
    };
    let id = firing.id.to_string();
    let fingerprint = Sha256::digest(&id).into();
    let wanted = NewPublication::default();
    let asked = publications::publish::ask(
        plane,
        &member,
        record.task.id,
        wanted,
        Some((id, fingerprint)),
    );
    match asked.await {
        Ok((publication, _)) => finish(format!("Its pull request: {}.", publication.id)),
        Err(fault) if passes(&fault) => Err(fault),
        Err(fault) => finish(format!("No pull request: {}", fault.problem().detail)),
    }
}

/// Whether the task's newest turn ended well; `None` while it has not ended.
fn ended(record: &TaskRecord) -> Option<bool> {
    let turn = record.turns.last()?;
    let mut attempts = turn.attempts.iter();
    if !attempts.all(|record| record.attempt.state.is_final()) {
        return None;
    }
    // None is shown where none left anything.
    let shown = view::task::shown(turn);
    Some(shown.is_some_and(|shown| matches!(shown.attempt.state, State::Succeeded { .. })))
}
