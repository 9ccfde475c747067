//! Events that come in pieces, and how much text an event has.

use outwork_api::event::EventBody;

/// Pieces of output are joined up to this size; six times that (the worst that JSON escapes do) is below [`EVENT_BYTES`].
pub(super) const JOINED_BYTES: usize = 32 * 1024;

/// Joins `next` to `open` if both are pieces of the same stream.
pub(super) fn joins(open: &mut EventBody, next: &EventBody) -> bool {
    let (text, more) = match (open, next) {
        (
            EventBody::Output { stream, text },
            EventBody::Output {
                stream: other,
                text: more,
            },
        ) if stream == other => (text, more),
        (EventBody::MessageDelta { text }, EventBody::MessageDelta { text: more }) => (text, more),
        (
            EventBody::CommandOutput { id, text },
            EventBody::CommandOutput {
                id: other,
                text: more,
            },
        ) if id == other => (text, more),
        // Everything else stands for itself.
        _ => return false,
    };
    let fits = text.len() + more.len() <= JOINED_BYTES;
    if fits {
        text.push_str(more);
    }
    fits
}

/// The bytes of text in an event.
pub(super) fn size_of(body: &EventBody) -> u64 {
    let bytes = match body {
        EventBody::Output { stream: _, text }
        | EventBody::MessageDelta { text }
        | EventBody::Message { text }
        | EventBody::Answered { text }
        | EventBody::Steered { number: _, text }
        | EventBody::Reasoning { text } => text.len(),
        EventBody::CommandStarted { id, command: text }
        | EventBody::CommandOutput { id, text }
        | EventBody::FileChanged {
            path: id,
            kind: text,
        } => id.len() + text.len(),
        EventBody::Plan { entries } => entries
            .iter()
            .map(|entry| entry.text.len() + entry.status.len())
            .sum(),
        EventBody::Retrying { message }
        | EventBody::Warning { message }
        | EventBody::LimitHit { limit: _, message } => message.len(),
        EventBody::Session {
            thread_id,
            resumed: _,
        } => thread_id.len(),
        EventBody::NetworkRequest {
            host,
            port: _,
            method: _,
            path,
            verdict: _,
            code: _,
            reason,
            rule,
            hint,
        } => {
            let texts = [path, reason, rule, hint];
            let bytes = texts.map(|text| text.as_ref().map_or(0, String::len));
            host.len() + bytes.iter().sum::<usize>()
        }
        EventBody::State { .. }
        | EventBody::CancelRequested {}
        | EventBody::SteerTaken { .. }
        | EventBody::InterruptRequested {}
        | EventBody::Checkpoint { .. }
        | EventBody::WorkerLost { .. }
        | EventBody::Snapshot { .. }
        | EventBody::StepStarted { .. }
        | EventBody::StepFinished { .. }
        | EventBody::CommandFinished { .. }
        | EventBody::ModelCallStarted { .. }
        | EventBody::ModelCallFinished { .. }
        | EventBody::DiffReady { .. }
        | EventBody::Publication { .. }
        | EventBody::Unknown => 0,
    };
    bytes as u64
}
