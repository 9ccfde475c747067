//! What tasks wait for.

use std::collections::HashMap;

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
    let waiting: Vec<_> = records.iter().filter_map(visible).collect();
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
    let told = waiting.into_iter().filter_map(|(record, visible_at)| {
        let load = environments.get(&record.task.environment_id)?;
        let waits = WaitingFor::of(visible_at, &load.needs, load.held, &connected, now);
        Some((record.task.id, waits))
    });
    Ok(told.collect())
}

/// From when the first of its queued attempts may be given out.
fn visible(record: &TaskRecord) -> Option<(&TaskRecord, Timestamp)> {
    let attempts = record.turns.last()?.attempts.iter();
    let queued = attempts.filter_map(|attempt| match attempt.attempt.state {
        State::Queued { visible_at, .. } => Some(visible_at),
        State::Held { .. }
        | State::AwaitingInput { .. }
        | State::Succeeded { .. }
        | State::Failed { .. }
        | State::Cancelled { .. } => None,
    });
    Some((record, queued.min()?))
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
