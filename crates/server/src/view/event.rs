//! Events.

use outwork_api::event::{Event, EventBody};
use outwork_store::{EventRow, StoreError};

pub(crate) fn wire(row: EventRow) -> Result<Event, StoreError> {
    let EventRow {
        seq,
        at,
        epoch,
        json,
    } = row;
    let body = serde_json::from_str(&json).map_err(|_| StoreError::Corrupt {
        what: format!("event number {seq}"),
    })?;
    Ok(Event {
        seq,
        at: at.into(),
        epoch: epoch.get(),
        body,
    })
}

/// The `type` of a body: the name in the log and of the SSE event.
pub(crate) fn kind(body: &EventBody) -> &'static str {
    match body {
        EventBody::State { .. } => "state",
        EventBody::CancelRequested {} => "cancel_requested",
        EventBody::Answered { .. } => "answered",
        EventBody::Steered { .. } => "steered",
        EventBody::SteerTaken { .. } => "steer_taken",
        EventBody::InterruptRequested {} => "interrupt_requested",
        EventBody::Checkpoint { .. } => "checkpoint",
        EventBody::WorkerLost { .. } => "worker_lost",
        EventBody::StepStarted { .. } => "step_started",
        EventBody::StepFinished { .. } => "step_finished",
        EventBody::Snapshot { .. } => "snapshot",
        EventBody::NetworkRequest { .. } => "network_request",
        EventBody::LimitHit { .. } => "limit_hit",
        EventBody::Output { .. } => "output",
        EventBody::MessageDelta { .. } => "message_delta",
        EventBody::Message { .. } => "message",
        EventBody::Reasoning { .. } => "reasoning",
        EventBody::CommandStarted { .. } => "command_started",
        EventBody::CommandOutput { .. } => "command_output",
        EventBody::CommandFinished { .. } => "command_finished",
        EventBody::FileChanged { .. } => "file_changed",
        EventBody::Plan { .. } => "plan",
        EventBody::ModelCallStarted { .. } => "model_call_started",
        EventBody::ModelCallFinished { .. } => "model_call_finished",
        EventBody::Session { .. } => "session",
        EventBody::Retrying { .. } => "retrying",
        EventBody::Warning { .. } => "warning",
        EventBody::DiffReady { .. } => "diff_ready",
        EventBody::Publication { .. } => "publication",
        EventBody::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_the_type_on_the_wire() {
        let bodies = [
            EventBody::CancelRequested {},
            EventBody::Message {
                text: String::new(),
            },
            EventBody::ModelCallStarted { number: 1 },
            EventBody::StepStarted {
                step: "agent".into(),
            },
            EventBody::LimitHit {
                limit: "memory".into(),
                message: String::new(),
            },
        ];
        for body in bodies {
            let json = serde_json::to_value(&body).expect("an event is plain data");
            assert_eq!(json["type"], kind(&body));
        }
    }
}
