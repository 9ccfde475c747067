//! `outwork workers` without more: who runs the attempts.

use outwork_api::enrolment::WorkerState;
use outwork_api::settings::Worker;
use outwork_api::worker::WorkerDesired;
use serde::Serialize;

use crate::error::CliError;
use crate::render::{table, task};
use crate::session::Session;

/// What `--json` prints.
#[derive(Serialize)]
struct Listed<'a> {
    workers: &'a [Worker],
}

pub(crate) async fn run(json: bool, session: &mut Session) -> Result<(), CliError> {
    let workers = session.client()?.workers().await?.items;
    if json {
        return session.out.json(&Listed { workers: &workers });
    }
    if workers.is_empty() {
        session
            .out
            .note("no workers; start one with `outwork worker`");
        return Ok(());
    }
    let is_terminal = session.out.stdout_is_terminal;
    let now = (session.now)();
    let rows: Vec<_> = workers
        .iter()
        .map(|worker| {
            let seen = match is_terminal {
                true => task::age(worker.seen_at, now),
                false => worker.seen_at.to_string(),
            };
            vec![
                table::id(&session.out, &worker.id),
                worker.name.clone(),
                state(worker),
                format!("{}/{}", worker.attempts.len(), worker.slots),
                worker.agents.join(","),
                seen,
                // Last, so that scripts find the others where they were.
                worker.isolation.clone().unwrap_or_default(),
                labels(worker),
            ]
        })
        .collect();
    table::print(
        &mut session.out,
        &[
            "ID",
            "NAME",
            "STATE",
            "BUSY",
            "AGENTS",
            "SEEN",
            "ISOLATION",
            "LABELS",
        ],
        rows,
    )
}

/// What it does, and what it is about to do.
fn state(worker: &Worker) -> String {
    let state = worker.state.as_str();
    match (worker.desired, worker.state) {
        (WorkerDesired::Retire, _) => format!("{state}, retiring"),
        (WorkerDesired::Drain, WorkerState::Offline) => format!("{state}, draining"),
        (WorkerDesired::Drain | WorkerDesired::Run, _) => state.to_owned(),
    }
}

/// `gpu=true,region=eu`.
fn labels(worker: &Worker) -> String {
    let pairs: Vec<_> = worker
        .labels
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join(",")
}
