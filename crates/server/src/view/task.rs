//! Tasks and turns, and which attempt stands for a task.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use outwork_api::member::Person;
use outwork_api::parts::ComposedFrom;
use outwork_api::problem::Code;
use outwork_api::task::{
    Task as Wire, TaskRepository, TaskSummary, Turn as WireTurn, WaitingFor as WireWaitingFor,
};
use outwork_domain::approval::Approval;
use outwork_domain::principal::Principal;
use outwork_domain::status::TaskOutcome;
use outwork_domain::task::{Base, ComposedPart, Composition, FurtherBase, TaskKind, Turn};
use outwork_domain::waiting::WaitingFor;
use outwork_domain::{PrincipalId, TaskId, WorkspaceId};
use outwork_store::{AttemptRecord, Names, OfAttempts, StoreError, TaskRecord, TurnRecord};

use super::{approval, attempt, evidence, publication, waiting};
use crate::endpoints::overlaps;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// The attempt whose diff is shown for a turn: [`outwork_domain::choice`] says which.
pub(crate) fn shown(turn: &TurnRecord) -> Option<&AttemptRecord> {
    let number = evidence::shown_of(turn, &evidence::ranking(turn))?;
    let mut attempts = turn.attempts.iter();
    attempts.find(|record| record.attempt.number.get() == number)
}

/// The task's repository of that name, the first when none is named.
pub(crate) fn repository<'a>(
    record: &'a TaskRecord,
    name: Option<&'a str>,
) -> Result<&'a str, Refusal> {
    let Some(name) = name else {
        return Ok(&record.repository);
    };
    let mut names = vec![record.repository.as_str()];
    let further = &record.task.base.further;
    names.extend(further.iter().map(|base| base.name.as_str()));
    if names.contains(&name) {
        return Ok(name);
    }
    let detail = format!("The task has no repository `{name}`.");
    let hint = format!("Its repositories: {}.", names.join(", "));
    Err(Refusal::new(Code::NotFound, detail).with_hint(hint))
}

/// What a task is shown with, beside its own rows.
#[derive(Default)]
pub(crate) struct Beside {
    pub(crate) waiting: Option<WaitingFor>,
    pub(crate) names: Names,
    /// What was said of its results.
    pub(crate) approvals: Option<OfAttempts>,
    /// How many other open tasks are about the same files.
    pub(crate) overlap_count: u32,
}

/// Somebody with the name that they have now.
pub(crate) fn person(names: &Names, id: PrincipalId) -> Person {
    Person {
        id: id.to_string(),
        name: names.get(&id).cloned().unwrap_or_default(),
    }
}

/// A task in a list: its newest turn decides.
pub(crate) fn summary(record: &TaskRecord, beside: Beside, public_url: &str) -> TaskSummary {
    let Beside {
        waiting,
        names,
        approvals,
        overlap_count,
    } = beside;
    let TaskRecord {
        task,
        environment_label,
        approvals_needed: _,
        repository: _,
        turns,
    } = record;
    let newest = turns.last();
    let attempts = newest.map_or(&[][..], |turn| &turn.attempts);
    let (status, outcome) = record.status();
    let stat = newest.and_then(shown).and_then(attempt::stat);
    let approval =
        newest.map(|turn| approval::state(record, turn, shown(turn), approvals.as_ref()));
    let approval = approval.filter(|state| *state != Approval::NotNeeded);
    TaskSummary {
        id: task.id.to_string(),
        url: format!("{public_url}/tasks/{}", task.id),
        title: task.title.clone(),
        status: status.as_str().to_owned(),
        outcome: outcome.map(TaskOutcome::as_str).map(str::to_owned),
        created_at: task.created_at.into(),
        updated_at: task.updated_at.into(),
        created_by: Some(person(&names, task.created_by)),
        environment_id: task.environment_id.to_string(),
        environment_label: environment_label.clone(),
        summary: stat.unwrap_or_default(),
        is_review: task.kind == TaskKind::Review,
        attempt_total: u32::try_from(attempts.len()).unwrap_or(u32::MAX),
        waiting_for: waiting.map(|waiting| WireWaitingFor {
            reason: waiting.as_str().to_owned(),
            text: waiting.text(),
        }),
        approval_state: approval.map(|state| state.as_str().to_owned()),
        overlap_count,
    }
}

/// A task with all its turns, and with what it waits for.
pub(crate) async fn whole(plane: &Plane, record: TaskRecord) -> Result<Wire, Refusal> {
    let mut waiting = waiting::of(plane, std::slice::from_ref(&record)).await?;
    let waiting = waiting.remove(&record.task.id);
    let task = &record.task;
    let publications = plane.store.publications(task.workspace_id, task.id).await?;
    let pull_request = publications.iter().find_map(publication::of_task);
    let names = plane.store.member_names(task.workspace_id).await?;
    let mut approvals = plane.store.approvals([task.id].into_iter()).await?;
    let approvals = approvals.remove(&task.id);
    let approval = record.turns.last().map(|turn| {
        let said = approvals.as_ref();
        approval::wire(&record, turn, shown(turn), said, &names)
    });
    let overlaps = overlap_counts(plane, task.workspace_id, [task.id].into_iter()).await?;
    let beside = Beside {
        waiting,
        names,
        approvals,
        overlap_count: overlaps.get(&task.id).copied().unwrap_or(0),
    };
    Ok(Wire {
        pull_request,
        approval,
        ..wire(record, beside, &plane.public_url)
    })
}

/// How many other open tasks are about the same files, where there are any.
pub(crate) async fn overlap_counts(
    plane: &Plane,
    workspace: WorkspaceId,
    tasks: impl Iterator<Item = TaskId>,
) -> Result<BTreeMap<TaskId, u32>, StoreError> {
    let since = overlaps::since(plane);
    plane.store.overlap_counts(workspace, tasks, since).await
}

/// A task that was just submitted by `by`. What it waits for is not looked at, which would read all workers for each.
pub(crate) fn submitted(plane: &Plane, record: TaskRecord, by: &Principal) -> Wire {
    let beside = Beside {
        waiting: None,
        names: Arc::new(HashMap::from([(by.id, by.name.clone())])),
        approvals: None,
        overlap_count: 0,
    };
    wire(record, beside, &plane.public_url)
}

fn wire(record: TaskRecord, beside: Beside, public_url: &str) -> Wire {
    let summary = summary(&record, beside, public_url);
    let TaskRecord {
        task,
        environment_label: _,
        approvals_needed: _,
        repository: _,
        turns,
    } = record;
    let Base {
        branch,
        commit,
        starting_diff: _,
        starting_session: _,
        further,
    } = task.base;
    Wire {
        summary,
        branch,
        commit,
        interactive: task.interactive,
        priority: task.priority.into(),
        further_repositories: further.into_iter().map(wire_further).collect(),
        pull_request: None,
        approval: None,
        turns: turns.into_iter().map(wire_turn).collect(),
    }
}

fn wire_further(base: FurtherBase) -> TaskRepository {
    let FurtherBase {
        name,
        url,
        branch,
        commit,
    } = base;
    TaskRepository {
        name,
        url,
        branch,
        commit,
    }
}

fn composed_from(composition: Composition) -> impl Iterator<Item = ComposedFrom> {
    let Composition { parts, verify: _ } = composition;
    parts.into_iter().map(|part| {
        let ComposedPart {
            turn,
            attempt,
            repository,
            files,
            hunks,
        } = part;
        ComposedFrom {
            turn: turn.get(),
            attempt: attempt.get(),
            repository,
            files,
            hunks,
        }
    })
}

fn wire_turn(record: TurnRecord) -> WireTurn {
    let ranking = evidence::ranking(&record);
    let number_shown = evidence::shown_of(&record, &ranking);
    let TurnRecord { turn, attempts } = record;
    let Turn {
        id,
        task_id: _,
        number,
        created_by: _,
        prompt,
        output_schema,
        continues,
        composition,
        created_at,
        chosen,
    } = turn;
    let output_schema = output_schema.and_then(|schema| serde_json::from_str(&schema).ok());
    let shown: fn(AttemptRecord) -> _ = match output_schema {
        Some(_) => attempt::answered,
        None => attempt::wire,
    };
    WireTurn {
        id: id.to_string(),
        number: number.get(),
        prompt,
        output_schema,
        continues: continues.map(|attempt| attempt.to_string()),
        kind: match &composition {
            None => "prompt".to_owned(),
            Some(_) => "composition".to_owned(),
        },
        composed_from: composition.into_iter().flat_map(composed_from).collect(),
        created_at: created_at.into(),
        ranking: Some(evidence::wire_ranking(ranking)),
        chosen: chosen.map(evidence::wire_choice),
        shown: number_shown,
        attempts: attempts.into_iter().map(shown).collect(),
    }
}
