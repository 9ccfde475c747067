//! An attempt's limits as the JSON text of one column, in milliseconds.

use std::time::Duration;

use outwork_domain::limits::AttemptLimits;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;

#[derive(Serialize, Deserialize)]
struct Limits {
    queued_ms: u64,
    lease_ms: u64,
    preparing_ms: u64,
    setting_up_ms: u64,
    running_ms: u64,
    collecting_ms: u64,
    awaiting_input_ms: u64,
    cancelling_ms: u64,
    grace_ms: u64,
    tries: u32,
}

pub(crate) fn to_json(limits: &AttemptLimits) -> String {
    let AttemptLimits {
        queued,
        lease,
        preparing,
        setting_up,
        running,
        collecting,
        awaiting_input,
        cancelling,
        grace,
        tries,
    } = *limits;
    let limits = Limits {
        queued_ms: millis(queued),
        lease_ms: millis(lease),
        preparing_ms: millis(preparing),
        setting_up_ms: millis(setting_up),
        running_ms: millis(running),
        collecting_ms: millis(collecting),
        awaiting_input_ms: millis(awaiting_input),
        cancelling_ms: millis(cancelling),
        grace_ms: millis(grace),
        tries,
    };
    serde_json::to_string(&limits).expect("numbers are JSON")
}

pub(crate) fn from_json(text: &str) -> Result<AttemptLimits, StoreError> {
    let Limits {
        queued_ms,
        lease_ms,
        preparing_ms,
        setting_up_ms,
        running_ms,
        collecting_ms,
        awaiting_input_ms,
        cancelling_ms,
        grace_ms,
        tries,
    } = serde_json::from_str(text).map_err(|_| StoreError::corrupt("limits"))?;
    Ok(AttemptLimits {
        queued: Duration::from_millis(queued_ms),
        lease: Duration::from_millis(lease_ms),
        preparing: Duration::from_millis(preparing_ms),
        setting_up: Duration::from_millis(setting_up_ms),
        running: Duration::from_millis(running_ms),
        collecting: Duration::from_millis(collecting_ms),
        awaiting_input: Duration::from_millis(awaiting_input_ms),
        cancelling: Duration::from_millis(cancelling_ms),
        grace: Duration::from_millis(grace_ms),
        tries,
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
