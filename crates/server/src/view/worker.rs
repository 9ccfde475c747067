//! Workers.

use std::time::Duration;

use outwork_api::settings::Worker as Wire;
use outwork_domain::Timestamp;
use outwork_domain::principal::Worker;
use outwork_store::WorkerRecord;

/// A worker is online while it was heard of within `lease`.
pub(crate) fn wire(record: WorkerRecord, lease: Duration, now: Timestamp) -> Wire {
    let WorkerRecord {
        worker,
        seen_at,
        attempts,
    } = record;
    let Worker {
        id,
        workspace_id: _,
        name,
        slots,
        agents,
        isolation,
        labels,
    } = worker;
    Wire {
        id: id.to_string(),
        name,
        slots,
        agents,
        isolation,
        labels,
        online: now.since(seen_at) <= lease,
        seen_at: seen_at.into(),
        attempts: attempts
            .into_iter()
            .map(|attempt| attempt.to_string())
            .collect(),
    }
}
