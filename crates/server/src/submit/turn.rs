//! A follow-up: one more turn of a task.

use std::num::NonZeroU32;

use outwork_api::comment::SendComments;
use outwork_api::problem::Code;
use outwork_api::task::{NewRetry, NewTurn};
use outwork_domain::agent::AgentChoice;
use outwork_domain::comment::{self, Comment};
use outwork_domain::evidence::Evidence;
use outwork_domain::principal::Member;
use outwork_domain::task::{Composition, Turn};
use outwork_domain::{AttemptId, Epoch, TaskId, TurnId};
use outwork_store::{
    AttemptResult, Idempotency, SentComment, StoreError, Submitted, TaskRecord, TurnRecord,
};

use super::composition::no_agent;
use super::{attempts, check};
use crate::endpoints::{environments, tasks};
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view::attempt::has_work;
use crate::view::task::shown;

/// Checks the follow-up and writes turn and attempts at once.
pub(crate) async fn submit(
    plane: &Plane,
    member: &Member,
    task_id: TaskId,
    new: NewTurn,
    idempotency: Option<Idempotency>,
) -> Result<Submitted, Refusal> {
    // As for a task; also, the turn that the first request made must not make the second one too early.
    if let Some(key) = &idempotency
        && let Some(task_id) = plane.store.idempotent(key, plane.now()).await?
    {
        return Ok(Submitted::Replayed { task_id });
    }
    plane.need_space()?;
    let mut faults = check::Faults::default();
    if new.comments.is_none() {
        faults.prompt(&new.prompt);
    }
    let count = faults.attempts(new.attempts, plane.attempts_per_turn);
    let output_schema = faults.output_schema(new.output_schema);
    faults.none_or_refusal()?;
    let record = tasks::by_id(plane, member.workspace_id(), task_id).await?;
    let worked = continued(&record, new.attempt)?;
    let continues = goes_on_from(&record, worked);
    let (prompt, comments) = match &new.comments {
        None => (new.prompt, Vec::new()),
        Some(wanted) => with_comments(plane, &record, worked, wanted, &new.prompt).await?,
    };
    let next = Next {
        prompt,
        comments,
        output_schema,
        continues,
        composition: None,
        agents: agents(&record, worked, count),
        results: Vec::new(),
    };
    add(plane, member, &record, next, idempotency).await
}

/// The newest turn once more.
pub(crate) async fn retry(
    plane: &Plane,
    member: &Member,
    task_id: TaskId,
    new: NewRetry,
    idempotency: Option<Idempotency>,
) -> Result<Submitted, Refusal> {
    if let Some(key) = &idempotency
        && let Some(task_id) = plane.store.idempotent(key, plane.now()).await?
    {
        return Ok(Submitted::Replayed { task_id });
    }
    plane.need_space()?;
    let mut faults = check::Faults::default();
    let count = faults.attempts(new.attempts, plane.attempts_per_turn);
    faults.none_or_refusal()?;
    let record = tasks::by_id(plane, member.workspace_id(), task_id).await?;
    let worked = continued(&record, new.attempt)?;
    let newest = record.turns.last().expect("it was looked at just now");
    if newest.turn.composition.is_some() {
        let next = composed_again(newest, worked, count)?;
        return add(plane, member, &record, next, idempotency).await;
    }
    let continues = match new.from_start {
        true => newest.turn.continues,
        false => goes_on_from(&record, worked),
    };
    let next = Next {
        prompt: newest.turn.prompt.clone(),
        comments: Vec::new(),
        output_schema: newest.turn.output_schema.clone(),
        continues,
        composition: None,
        agents: agents(&record, worked, count),
        results: Vec::new(),
    };
    add(plane, member, &record, next, idempotency).await
}

/// A composition once more: what its attempt was to be is what the new ones are to be, wherever that one came to.
fn composed_again(newest: &TurnRecord, worked: AttemptId, count: u32) -> Result<Next, Refusal> {
    let mut attempts = newest.attempts.iter();
    let worked = attempts.find(|record| record.attempt.id == worked);
    let result = worked.and_then(|record| record.result.as_ref());
    let result = result.filter(|it| it.diff.is_some() || !it.further_diffs.is_empty());
    let Some(AttemptResult {
        diff,
        further_diffs,
        session,
        ..
    }) = result.cloned()
    else {
        let detail = "Nothing is left of what was composed.";
        return Err(Refusal::new(Code::Conflict, detail)
            .with_hint("Compose it again with `outwork compose`."));
    };
    let result = AttemptResult {
        epoch: Epoch::new(1),
        diff,
        further_diffs,
        session,
        message: None,
        tokens: None,
        evidence: Evidence::default(),
    };
    Ok(Next {
        prompt: newest.turn.prompt.clone(),
        comments: Vec::new(),
        output_schema: None,
        continues: newest.turn.continues,
        composition: newest.turn.composition.clone(),
        agents: vec![Some(no_agent()); count as usize],
        results: vec![result; count as usize],
    })
}

/// A turn to be made.
struct Next {
    prompt: String,
    /// Those that are a part of it.
    comments: Vec<SentComment>,
    output_schema: Option<String>,
    continues: Option<AttemptId>,
    composition: Option<Composition>,
    /// Of each attempt its own agent, if it has one.
    agents: Vec<Option<AgentChoice>>,
    /// Of each attempt of a composition what it begins with.
    results: Vec<AttemptResult>,
}

async fn add(
    plane: &Plane,
    member: &Member,
    record: &TaskRecord,
    next: Next,
    idempotency: Option<Idempotency>,
) -> Result<Submitted, Refusal> {
    let Next {
        prompt,
        comments,
        output_schema,
        continues,
        composition,
        agents,
        results,
    } = next;
    let (workspace, task_id) = (member.workspace_id(), record.task.id);
    let environment = environments::by_id(plane, workspace, record.task.environment_id)
        .await?
        .environment;
    check::has_model(plane, &environment, &agents).await?;

    let now = plane.now();
    let turn = Turn {
        id: TurnId::from_uuid(plane.ids.uuid()),
        task_id,
        // The store sets the number in the transaction that makes the turn.
        number: NonZeroU32::MIN,
        created_by: member.principal().id,
        prompt,
        output_schema,
        continues,
        composition,
        created_at: now,
        chosen: None,
    };
    let attempts = attempts(
        plane,
        workspace,
        task_id,
        turn.id,
        &environment,
        agents,
        now,
    );
    let store = &plane.store;
    let added = match turn.composition {
        None => {
            store
                .add_turn_with_comments(workspace, turn, attempts, comments, idempotency)
                .await
        }
        Some(_) => {
            let attempts = attempts.into_iter().zip(results).collect();
            store
                .add_composition(workspace, turn, attempts, idempotency)
                .await
        }
    };
    added.map_err(|fault| not_ended(fault, task_id))
}

/// The prompt with the comments that are wanted, and which these are. `worked` is the attempt that is continued.
async fn with_comments(
    plane: &Plane,
    record: &TaskRecord,
    worked: AttemptId,
    wanted: &SendComments,
    prompt: &str,
) -> Result<(String, Vec<SentComment>), Refusal> {
    let task = &record.task;
    let mut all = plane.store.comments(task.workspace_id, task.id).await?;
    let comments: Vec<Comment> = match wanted {
        SendComments::Open(false) => Vec::new(),
        SendComments::Open(true) => {
            all.retain(|comment| comment.attempt_id == worked && comment.is_open());
            all
        }
        SendComments::Some(ids) => {
            let missing = |id: &String| {
                let found = all.iter().find(|comment| comment.id.to_string() == *id);
                found.is_none_or(|comment| comment.resolved_at.is_some())
            };
            if let Some(id) = ids.iter().find(|id| missing(id)) {
                let id: String = id.chars().take(80).collect();
                let detail =
                    format!("holds `{id}`, which is no comment of the task that is not resolved");
                return Err(Refusal::field("/comments", detail));
            }
            all.retain(|comment| ids.contains(&comment.id.to_string()));
            all
        }
    };
    let mut faults = check::Faults::default();
    if comments.is_empty() {
        if *wanted != SendComments::Open(false) && prompt.trim().is_empty() {
            let detail = "has nothing to send: there are no open comments on the attempt";
            return Err(Refusal::field("/comments", detail)
                .with_hint("`outwork comments TASK` shows them; `outwork comment` adds one."));
        }
        faults.prompt(prompt);
        faults.none_or_refusal()?;
        return Ok((prompt.to_owned(), Vec::new()));
    }
    let whole = comment::prompt(prompt, &comments, &record.repository);
    faults.prompt(&whole);
    faults.none_or_refusal()?;
    let sent = comments.iter().map(|comment| SentComment {
        id: comment.id,
        updated_at: comment.updated_at,
    });
    Ok((whole, sent.collect()))
}

/// The attempt of the newest turn that is continued: the one named, else the one shown for the task, else the first.
fn continued(record: &TaskRecord, asked: Option<u32>) -> Result<AttemptId, Refusal> {
    let newest = record.turns.last().ok_or_else(|| StoreError::Corrupt {
        what: "task without a turn".to_owned(),
    })?;
    if newest
        .attempts
        .iter()
        .any(|record| !record.attempt.state.is_final())
    {
        return Err(not_ended(StoreError::TurnNotEnded, record.task.id));
    }
    let TurnRecord { turn: _, attempts } = newest;
    let chosen = match asked {
        Some(number) => attempts
            .iter()
            .find(|record| record.attempt.number.get() == number),
        None => shown(newest).or(attempts.first()),
    };
    let missing = || {
        let detail = format!(
            "is {}; the newest turn has attempts 1 to {}",
            asked.unwrap_or(0),
            attempts.len()
        );
        Refusal::field("/attempt", detail)
    };
    Ok(chosen.ok_or_else(missing)?.attempt.id)
}

/// The agent of `worked` goes on: the session is of that one.
fn agents(record: &TaskRecord, worked: AttemptId, count: u32) -> Vec<Option<AgentChoice>> {
    let mut worked = Some(worked);
    let mut agent = None;
    for turn in record.turns.iter().rev() {
        let mut attempts = turn.attempts.iter();
        let Some(found) = attempts.find(|record| Some(record.attempt.id) == worked) else {
            continue;
        };
        agent.clone_from(&found.attempt.agent);
        if !found.attempt.begins_with_result() {
            break;
        }
        // Of a composition it is that of the attempt whose session goes on.
        agent = None;
        worked = turn.turn.continues;
    }
    vec![agent; count as usize]
}

/// What a turn after that attempt of the newest one goes on from: its work, or what it went on from itself if it came to
/// nothing, so that nothing of the turns before is lost.
fn goes_on_from(record: &TaskRecord, worked: AttemptId) -> Option<AttemptId> {
    let newest = record.turns.last()?;
    let mut attempts = newest.attempts.iter();
    match attempts.any(|record| record.attempt.id == worked && has_work(record)) {
        true => Some(worked),
        false => newest.turn.continues,
    }
}

pub(super) fn not_ended(fault: StoreError, task: TaskId) -> Refusal {
    match fault {
        StoreError::TurnNotEnded => Refusal::from(fault).with_hint(format!("Wait for it with `outwork log {task} --follow`, or stop it with `outwork cancel {task}`.")),
        StoreError::NotFound => tasks::missing(task),
        other => other.into(),
    }
}
