//! Events of an attempt.

use outwork_api::event::EventBody;
use outwork_api::problem::Code;
use outwork_api::worker::{Append, AppendAnswer, NewEvent};
use outwork_domain::Epoch;
use outwork_domain::limits::{EVENT_BYTES, EVENTS_PER_APPEND};
use outwork_failpoint as failpoint;
use outwork_store::NewEventRow;
use serde_json::Value;

use super::{WorkerService, desired, wrong};
use crate::refusal::Refusal;
use crate::view::event::kind;

impl WorkerService {
    pub(super) async fn do_append(
        &self,
        attempt: String,
        request: Append,
    ) -> Result<AppendAnswer, Refusal> {
        let Append {
            epoch,
            first_seq,
            events,
        } = request;
        let epoch = Epoch::new(epoch);
        let attempt = self.spoken_of(&attempt, epoch).await?;
        self.plane.need_space()?;
        if first_seq < 1 {
            return Err(wrong("/first_seq", "must be 1 or more"));
        }
        if events.len() > EVENTS_PER_APPEND {
            let detail = format!(
                "{} events were sent at once; at most {EVENTS_PER_APPEND} are taken.",
                events.len()
            );
            return Err(
                Refusal::new(Code::TooLarge, detail).with_hint("Send them in smaller parts.")
            );
        }
        let rows = events
            .into_iter()
            .enumerate()
            .map(|(index, event)| row(index, event))
            .collect::<Result<Vec<_>, _>>()?;
        failpoint::pass("server.append.before");
        let (wanted, acknowledged_seq) = self
            .plane
            .store
            .append(
                self.workspace,
                attempt,
                epoch,
                first_seq,
                rows,
                self.plane.now(),
            )
            .await?;
        failpoint::pass("server.append.after");
        Ok(AppendAnswer {
            acknowledged_seq,
            desired: desired(wanted),
        })
    }
}

fn row(index: usize, event: NewEvent) -> Result<NewEventRow, Refusal> {
    let NewEvent { at, body } = event;
    let pointer = format!("/events/{index}");
    match &body {
        EventBody::State { .. }
        | EventBody::CancelRequested {}
        | EventBody::Answered { .. }
        | EventBody::Steered { .. }
        | EventBody::InterruptRequested {}
        | EventBody::Publication { .. }
        | EventBody::WorkerLost { .. } => {
            return Err(wrong(
                &pointer,
                format!("`{}` is written by the server only", kind(&body)),
            ));
        }
        EventBody::Unknown => {
            return Err(wrong(
                &pointer,
                "is of a kind that this version of the protocol does not have",
            ));
        }
        EventBody::SteerTaken { .. }
        | EventBody::Checkpoint { .. }
        | EventBody::StepStarted { .. }
        | EventBody::StepFinished { .. }
        | EventBody::Snapshot { .. }
        | EventBody::NetworkRequest { .. }
        | EventBody::LimitHit { .. }
        | EventBody::Output { .. }
        | EventBody::MessageDelta { .. }
        | EventBody::Message { .. }
        | EventBody::Reasoning { .. }
        | EventBody::CommandStarted { .. }
        | EventBody::CommandOutput { .. }
        | EventBody::CommandFinished { .. }
        | EventBody::FileChanged { .. }
        | EventBody::Plan { .. }
        | EventBody::ModelCallStarted { .. }
        | EventBody::ModelCallFinished { .. }
        | EventBody::Session { .. }
        | EventBody::Retrying { .. }
        | EventBody::Warning { .. }
        | EventBody::DiffReady { .. } => {}
    }
    let json = json(&body);
    if json.len() > EVENT_BYTES {
        let detail = format!(
            "Event {index} has {} bytes; at most {EVENT_BYTES} are taken.",
            json.len()
        );
        return Err(Refusal::new(Code::TooLarge, detail)
            .with_field(pointer, "is too large")
            .with_hint("Cut its text into several events."));
    }
    Ok(NewEventRow {
        at: at.timestamp(),
        kind: kind(&body).to_owned(),
        json,
    })
}

/// The body as JSON, without NUL: PostgreSQL takes none, and programs print some.
fn json(body: &EventBody) -> String {
    let json = serde_json::to_string(body).expect("an event is plain data");
    if !json.contains("\\u0000") {
        return json;
    }
    let mut value: Value = serde_json::from_str(&json).expect("it was written as JSON just now");
    clean(&mut value);
    value.to_string()
}

fn clean(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(items) => items.iter_mut().for_each(clean),
        Value::Object(fields) => fields.values_mut().for_each(clean),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_is_replaced_and_nothing_else() {
        let text = "a\0b \\u0000 c".to_owned();
        let json = json(&EventBody::Message { text });
        assert_eq!(
            serde_json::from_str::<Value>(&json).expect("JSON")["text"],
            "a\u{fffd}b \\u0000 c"
        );
    }
}
