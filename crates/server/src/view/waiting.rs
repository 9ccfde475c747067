//! What tasks wait for.

use std::collections::HashMap;

use outwork_domain::agent::AgentName;
use outwork_domain::waiting::{Capacity, WaitingFor};
use outwork_domain::{State, TaskId, Timestamp};
use outwork_store::{Situation, TaskRecord, WorkerLoad};

use crate::plane::Plane;
use crate::refusal::Refusal;

/// What each of `records` waits for whose newest turn has an attempt in the queue. All are of one workspace. Nothing is read where nothing waits.
pub(crate) async fn of(
    plane: &Plane,
    records: &[TaskRecord],
) -> Result<HashMap<TaskId, WaitingFor>, Refusal> {
    let waiting: Vec<_> = records.iter().filter_map(queued).collect();
    let Some((first, _)) = waiting.first() else {
        return Ok(HashMap::new());
    };
    let environments = waiting.iter().map(|(record, _)| record.task.environment_id);
    let situation = plane
        .store
        .situation(first.task.workspace_id, environments)
        .await?;
    let Situation {
        workers,
        environments,
    } = situation;
    let now = plane.now();
    let connected: Vec<_> = workers
        .into_iter()
        .filter(|load| now.since(load.seen_at) <= plane.limits.lease)
        .map(capacity)
        .collect();
    let told = waiting.into_iter().filter_map(|(record, queued)| {
        let load = environments.get(&record.task.environment_id)?;
        let waits = queued.into_iter().map(|(visible_at, own)| {
            let needs = load.needs.for_attempt(own);
            WaitingFor::of(visible_at, &needs, load.held, &connected, now)
        });
        // What somebody has to do something about comes before what only takes time.
        let first = waits.min_by_key(|waits| !waits.needs_somebody())?;
        Some((record.task.id, first))
    });
    Ok(told.collect())
}

/// An attempt in the queue: from when it may be given out, and its own agent.
type Queued = (Timestamp, Option<AgentName>);

/// Its queued attempts, the one that may be given out first first; `None` if there is none.
fn queued(record: &TaskRecord) -> Option<(&TaskRecord, Vec<Queued>)> {
    let attempts = record.turns.last()?.attempts.iter();
    let queued = attempts.filter_map(|attempt| match attempt.attempt.state {
        State::Queued { visible_at, .. } => {
            let own = attempt.attempt.agent.as_ref();
            Some((visible_at, own.map(|own| own.agent.kind())))
        }
        State::Held { .. }
        | State::AwaitingInput { .. }
        | State::Succeeded { .. }
        | State::Failed { .. }
        | State::Cancelled { .. } => None,
    });
    let mut queued: Vec<_> = queued.collect();
    queued.sort_by_key(|(visible_at, _)| *visible_at);
    (!queued.is_empty()).then_some((record, queued))
}

fn capacity(load: WorkerLoad) -> Capacity {
    let WorkerLoad {
        worker,
        seen_at: _,
        held,
    } = load;
    Capacity {
        agents: worker.agents,
        labels: worker.labels,
        free: worker.slots.saturating_sub(held),
    }
}
