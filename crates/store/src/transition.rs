//! From one state of an attempt to the next: load and lock, ask the domain, write with the events.

use std::time::Duration;

use outwork_domain::attempt::Refused;
use outwork_domain::schedule::Lane;
use outwork_domain::webhook::Kind;
use outwork_domain::{
    Attempt, AttemptEvent, AttemptId, Command, Epoch, Failure, Lease, State, Timestamp, WorkerId,
    WorkspaceId,
};
use serde_json::json;

use crate::attempt_row::{AttemptRow, attempt_columns};
use crate::error::StoreError;
use crate::lane::Move;
use crate::record::{Change, NewEventRow};
use crate::result_row::{Earlier, write_result};
use crate::sql::{for_update, id, values};
use crate::store::Tx;
use crate::{checkpoint, collect, event};

/// The attempt, locked until the transaction ends.
pub(crate) async fn load(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    attempt: AttemptId,
) -> Result<AttemptRow, StoreError> {
    let sql = for_update!(
        "SELECT ",
        attempt_columns!(),
        " FROM attempts a WHERE a.id = $1 AND a.workspace_id = $2"
    );
    let row = tx.row(sql, values![id(attempt), id(workspace)]).await?;
    AttemptRow::read(&row.ok_or(StoreError::NotFound)?)
}

/// What the domain makes of it; nothing is written yet.
pub(crate) struct Next {
    pub(crate) row: AttemptRow,
    before: Epoch,
    by_worker: bool,
    was_held: bool,
    events: Vec<AttemptEvent>,
}

/// Asks the domain.
pub(crate) fn apply(row: &AttemptRow, command: Command, now: Timestamp) -> Result<Next, Refused> {
    let before = row.attempt.epoch;
    let by_worker = matches!(command, Command::Finish { .. });
    let was_held = is_held(&row.attempt.state);
    let (attempt, events) = row.attempt.clone().apply(command, now)?;
    let mut row = AttemptRow {
        attempt,
        ..row.clone()
    };
    if let State::Held { lease, .. } = &row.attempt.state {
        row.worker = Some(lease.worker);
    }
    if row.attempt.epoch != before {
        // A new claim counts its events from 1.
        row.acked_worker_seq = 0;
    }
    Ok(Next {
        row,
        before,
        by_worker,
        was_held,
        events,
    })
}

/// A claim by `worker`, with an epoch above `floor`.
pub(crate) fn claim(
    row: &AttemptRow,
    worker: WorkerId,
    floor: Epoch,
    now: Timestamp,
) -> Result<Next, Refused> {
    let before = row.attempt.epoch;
    let mut raised = row.clone();
    raised.attempt.epoch = before.max(floor);
    let next = apply(&raised, Command::Claim { worker }, now)?;
    Ok(Next { before, ..next })
}

/// Writes the attempt and its events, and sees that people are told. When it ends like this and not by a result of its worker,
/// what the last checkpoint had is its result.
pub(crate) async fn write(
    tx: &mut Tx<'_>,
    next: Next,
    now: Timestamp,
) -> Result<AttemptRow, StoreError> {
    let Next {
        mut row,
        before,
        by_worker,
        was_held,
        events,
    } = next;
    let bodies: Vec<_> = events
        .iter()
        .map(|event| NewEventRow {
            at: now,
            kind: kind(event).to_owned(),
            json: body(event),
        })
        .collect();
    let first = row.last_seq + 1;
    row.last_seq += i64::try_from(bodies.len()).expect("a few events");
    let saved = match row.attempt.state.is_final() {
        true => checkpoint::take(tx, &mut row).await?,
        false => None,
    };
    row.update(tx, before).await?;
    if !events.is_empty() {
        event::insert(tx, &row.attempt, first, None, &bodies).await?;
        tx.touch(row.attempt.task_id, now);
        tell(tx, &row.attempt, &events);
        happen(tx, &row.attempt, &events, now);
        if let State::Queued { visible_at, .. } = row.attempt.state {
            let created_at = row.attempt.created_at;
            tx.moved(Move::Requeued(row.lane, created_at, visible_at));
        }
    }
    if was_held && !is_held(&row.attempt.state) {
        tx.moved(Move::Left(row.lane));
    }
    if row.attempt.state.is_final() {
        // Else its one claim handed in just what is its result, or there was none.
        if row.attempt.epoch.get() > i64::from(by_worker) || row.attempt.begins_with_result() {
            collect::plan(tx, row.attempt.id, now).await?;
        }
        if let Some(saved) = saved {
            write_result(tx, row.attempt.id, saved.epoch, &saved, Earlier::Perhaps).await?;
        }
    }
    Ok(row)
}

/// Inserts a new attempt with the first event of its log.
pub(crate) async fn insert(
    tx: &mut Tx<'_>,
    attempt: &Attempt,
    lane: Lane,
) -> Result<(), StoreError> {
    let event = AttemptEvent::StateChanged {
        state: attempt.state.as_str(),
        lease: None,
        failure: None,
        question: None,
    };
    let row = AttemptRow {
        attempt: attempt.clone(),
        worker: None,
        isolation: None,
        last_seq: 1,
        acked_worker_seq: 0,
        lane: lane.id,
        has_checkpoint: false,
        away: Duration::ZERO,
    };
    row.insert(tx).await?;
    tx.moved(Move::Queued(lane, attempt.created_at));
    let first = NewEventRow {
        at: attempt.created_at,
        kind: kind(&event).to_owned(),
        json: body(&event),
    };
    event::insert(tx, attempt, 1, None, &[first]).await?;
    tell(tx, attempt, std::slice::from_ref(&event));
    happen(tx, attempt, &[event], attempt.created_at);
    Ok(())
}

fn is_held(state: &State) -> bool {
    matches!(state, State::Held { .. })
}

fn tell(tx: &mut Tx<'_>, attempt: &Attempt, events: &[AttemptEvent]) {
    tx.changed(Change::Attempt(attempt.id));
    if let State::Queued { .. } = attempt.state {
        tx.changed(Change::Queue(attempt.workspace_id));
    }
    if let State::Held { lease, .. } = attempt.state
        && events.iter().any(is_for_worker)
    {
        tx.changed(Change::Command(attempt.id, lease.epoch, lease.worker));
    }
}

/// For who is to be told what happens.
fn happen(tx: &mut Tx<'_>, attempt: &Attempt, events: &[AttemptEvent], now: Timestamp) {
    for event in events {
        let AttemptEvent::StateChanged {
            state,
            lease: _,
            failure,
            question,
        } = event
        else {
            continue;
        };
        let detail = || {
            let mut told = json!({
                "id": attempt.id.to_string(),
                "turn_id": attempt.turn_id.to_string(),
                "number": attempt.number.get(),
                "state": state,
            });
            if let Some(Failure { code, message, .. }) = failure {
                told["failure"] = json!({"code": code.as_str(), "message": message});
            }
            if let Some(question) = question {
                told["question"] = json!(question);
            }
            Some(("attempt", told))
        };
        let (of, task) = (attempt.workspace_id, attempt.task_id);
        tx.happens(of, task, Kind::AttemptStateChanged, now, detail);
    }
}

fn is_for_worker(event: &AttemptEvent) -> bool {
    match event {
        AttemptEvent::CancelRequested
        | AttemptEvent::Steered { .. }
        | AttemptEvent::InterruptRequested => true,
        AttemptEvent::StateChanged { .. }
        | AttemptEvent::Answered { .. }
        | AttemptEvent::WorkerLost { .. } => false,
    }
}

fn kind(event: &AttemptEvent) -> &'static str {
    match event {
        AttemptEvent::StateChanged { .. } => "state",
        AttemptEvent::CancelRequested => "cancel_requested",
        AttemptEvent::Answered { .. } => "answered",
        AttemptEvent::Steered { .. } => "steered",
        AttemptEvent::InterruptRequested => "interrupt_requested",
        AttemptEvent::WorkerLost { .. } => "worker_lost",
    }
}

/// The body, in the shape that the API shows.
fn body(event: &AttemptEvent) -> String {
    let body = match event {
        AttemptEvent::StateChanged {
            state,
            lease,
            failure,
            question,
        } => {
            let mut body = json!({"type": "state", "state": state});
            if let Some(Lease { worker, .. }) = lease {
                body["worker"] = json!(worker.to_string());
            }
            if let Some(Failure {
                code,
                message,
                hint,
            }) = failure
            {
                body["failure"] = json!({"code": code.as_str(), "message": message});
                if let Some(hint) = hint {
                    body["failure"]["hint"] = json!(hint);
                }
            }
            if let Some(question) = question {
                body["question"] = json!(question);
            }
            body
        }
        AttemptEvent::CancelRequested => json!({"type": "cancel_requested"}),
        AttemptEvent::Answered { text } => json!({"type": "answered", "text": text}),
        AttemptEvent::Steered { number, text } => {
            json!({"type": "steered", "number": number, "text": text})
        }
        AttemptEvent::InterruptRequested => json!({"type": "interrupt_requested"}),
        AttemptEvent::WorkerLost { worker, tries } => {
            json!({"type": "worker_lost", "worker": worker.to_string(), "tries": tries})
        }
    };
    body.to_string()
}
