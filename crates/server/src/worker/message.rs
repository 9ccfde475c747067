//! What people told an attempt, for its worker.

use outwork_api::worker as wire;
use outwork_store::{Message, MessageBody};

/// What came after the last answer, and after message `after`: what was said before is in the session that the answer goes on from.
pub(super) fn since(messages: Vec<Message>, after: u32) -> Vec<wire::AttemptMessage> {
    let is_answer = |message: &Message| matches!(message.body, MessageBody::Answer { .. });
    let answered = messages.iter().rposition(is_answer);
    let later = messages.into_iter().skip(answered.map_or(0, |at| at + 1));
    later
        .filter(|message| message.number > after)
        .filter_map(wire)
        .collect()
}

fn wire(message: Message) -> Option<wire::AttemptMessage> {
    let Message { number, body } = message;
    let body = match body {
        MessageBody::Steer(text) => wire::MessageBody::Steer { text },
        MessageBody::Interrupt => wire::MessageBody::Interrupt {},
        MessageBody::Answer { .. } => return None,
    };
    Some(wire::AttemptMessage { number, body })
}
