//! Workers.

use std::time::Duration;

use outwork_api::enrolment::WorkerState;
use outwork_api::settings::Worker as Wire;
use outwork_domain::Timestamp;
use outwork_domain::principal::{Worker, WorkerDesired, WorkerOrders, WorkerVersions};
use outwork_store::WorkerRecord;

use crate::worker::desired_wire;

/// A worker is online while it was heard of within `lease`.
pub(crate) fn wire(record: WorkerRecord, lease: Duration, now: Timestamp) -> Wire {
    let WorkerRecord {
        worker,
        seen_at,
        attempts,
        free_slots,
        draining,
        enrolled,
        orders,
    } = record;
    let WorkerOrders {
        desired,
        deadline_at,
        slots: desired_slots,
    } = orders;
    let online = now.since(seen_at) <= lease;
    let drains = draining || desired != WorkerDesired::Run;
    let state = match (online, drains, attempts.is_empty()) {
        (false, _, _) => WorkerState::Offline,
        (true, false, _) => WorkerState::Online,
        (true, true, false) => WorkerState::Draining,
        (true, true, true) => WorkerState::Drained,
    };
    let Worker {
        id,
        workspace_id: _,
        name,
        slots,
        agents,
        isolation,
        labels,
        versions:
            WorkerVersions {
                protocol: _,
                program,
                agents: agent_versions,
            },
    } = worker;
    Wire {
        id: id.to_string(),
        name,
        slots,
        free_slots,
        desired_slots,
        agents,
        isolation,
        labels,
        version: program,
        agent_versions,
        enrolled,
        state,
        desired: desired_wire(desired),
        drain_deadline_at: deadline_at.map(Into::into),
        online,
        seen_at: seen_at.into(),
        attempts: attempts
            .into_iter()
            .map(|attempt| attempt.to_string())
            .collect(),
    }
}
