//! The entries of the log.

use std::collections::BTreeMap;

use outwork_api::event::{EventBody, PlanEntry};
use outwork_api::task::Failure;

use super::{MaskStream, Masker};

/// Streams that may be in the middle of a value at once; an agent can begin any number of commands.
const STREAMS: usize = 64;

/// Masks the entries of one attempt's log, in their order.
#[derive(Debug)]
pub(crate) struct EventMasker {
    masker: Masker,
    streams: BTreeMap<Stream, MaskStream>,
}

/// Texts that come in pieces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stream {
    Output(String),
    Message,
    Command(String),
}

impl EventMasker {
    pub(crate) fn new(masker: Masker) -> Self {
        Self {
            masker,
            streams: BTreeMap::new(),
        }
    }

    /// What to log for `body`: usually one entry. There is none if it says nothing yet, and one more before it if another
    /// stream had something kept back.
    pub(crate) fn mask_event(&mut self, body: EventBody) -> Vec<EventBody> {
        if self.masker.is_empty() {
            return vec![body];
        }
        let (stream, text) = match body {
            EventBody::Output { stream, text } => (Stream::Output(stream), text),
            EventBody::MessageDelta { text } => (Stream::Message, text),
            EventBody::CommandOutput { id, text } => (Stream::Command(id), text),
            whole => return self.whole(whole),
        };
        let mut bodies = self.interrupt(Some(&stream));
        let pieces = self.streams.entry(stream.clone()).or_default();
        let said = pieces.push(&self.masker, &text);
        let is_amid = pieces.is_amid();
        if !said.is_empty() {
            bodies.push(self.piece(&stream, said));
        }
        if !is_amid {
            self.streams.remove(&stream);
        } else if self.streams.len() > STREAMS {
            // The others have nothing to say any more, they only remember.
            self.streams.retain(|known, _| *known == stream);
        }
        bodies
    }

    /// What is still kept back, at the end of the log.
    pub(crate) fn finish(&mut self) -> Vec<EventBody> {
        let streams = std::mem::take(&mut self.streams);
        let mut bodies = Vec::new();
        for (stream, mut pieces) in streams {
            let said = pieces.finish(&self.masker);
            if !said.is_empty() {
                bodies.push(self.piece(&stream, said));
            }
        }
        bodies
    }

    /// What other streams than `but` keep back has to be said before anything else is.
    fn interrupt(&mut self, but: Option<&Stream>) -> Vec<EventBody> {
        let mut said = Vec::new();
        for (stream, pieces) in &mut self.streams {
            if Some(stream) != but && pieces.is_waiting() {
                said.push((stream.clone(), pieces.interrupt(&self.masker)));
            }
        }
        said.retain(|(_, text)| !text.is_empty());
        said.into_iter()
            .map(|(stream, text)| self.piece(&stream, text))
            .collect()
    }

    fn whole(&mut self, body: EventBody) -> Vec<EventBody> {
        let mut bodies = match &body {
            // Nothing of what ran in the step goes on.
            EventBody::StepFinished { .. } | EventBody::State { .. } => self.finish(),
            EventBody::Message { .. } => self.end(&Stream::Message),
            EventBody::CommandFinished { id, .. } => self.end(&Stream::Command(id.clone())),
            EventBody::CancelRequested {}
            | EventBody::Answered { .. }
            | EventBody::Steered { .. }
            | EventBody::SteerTaken { .. }
            | EventBody::InterruptRequested {}
            | EventBody::Checkpoint { .. }
            | EventBody::WorkerLost { .. }
            | EventBody::StepStarted { .. }
            | EventBody::Snapshot { .. }
            | EventBody::NetworkRequest { .. }
            | EventBody::LimitHit { .. }
            | EventBody::Output { .. }
            | EventBody::MessageDelta { .. }
            | EventBody::Reasoning { .. }
            | EventBody::CommandStarted { .. }
            | EventBody::CommandOutput { .. }
            | EventBody::FileChanged { .. }
            | EventBody::Plan { .. }
            | EventBody::ModelCallStarted { .. }
            | EventBody::ModelCallFinished { .. }
            | EventBody::Session { .. }
            | EventBody::Retrying { .. }
            | EventBody::Warning { .. }
            | EventBody::DiffReady { .. }
            | EventBody::Publication { .. }
            | EventBody::Unknown => self.interrupt(None),
        };
        bodies.push(masked(&self.masker, body));
        bodies
    }

    fn end(&mut self, stream: &Stream) -> Vec<EventBody> {
        let mut bodies = self.interrupt(Some(stream));
        let said = match self.streams.remove(stream) {
            Some(mut pieces) => pieces.finish(&self.masker),
            None => String::new(),
        };
        if !said.is_empty() {
            bodies.push(self.piece(stream, said));
        }
        bodies
    }

    fn piece(&self, stream: &Stream, text: String) -> EventBody {
        match stream {
            Stream::Output(stream) => EventBody::Output {
                stream: stream.clone(),
                text,
            },
            Stream::Message => EventBody::MessageDelta { text },
            Stream::Command(id) => EventBody::CommandOutput {
                id: self.masker.mask(id).into_owned(),
                text,
            },
        }
    }
}

/// Masks every text that somebody else chose. Words of our own (states, steps, codes) stay, even if a secret is such a word:
/// programs read them.
fn masked(masker: &Masker, body: EventBody) -> EventBody {
    let text = |text: String| masker.mask(&text).into_owned();
    let optional = |text: Option<String>| text.map(|text| masker.mask(&text).into_owned());
    match body {
        EventBody::State {
            state,
            worker,
            failure,
            question,
        } => EventBody::State {
            state,
            worker,
            question: optional(question),
            failure: failure.map(|failure| {
                let Failure {
                    code,
                    message,
                    hint,
                } = failure;
                Failure {
                    code,
                    message: text(message),
                    hint: optional(hint),
                }
            }),
        },
        EventBody::CancelRequested {} => EventBody::CancelRequested {},
        EventBody::Publication {
            publication,
            state,
            branch,
            url,
            message,
        } => EventBody::Publication {
            publication,
            state,
            branch: text(branch),
            url: optional(url),
            message: optional(message),
        },
        EventBody::Answered { text: said } => EventBody::Answered { text: text(said) },
        EventBody::Steered { number, text: said } => EventBody::Steered {
            number,
            text: text(said),
        },
        EventBody::SteerTaken { number, accepted } => EventBody::SteerTaken { number, accepted },
        EventBody::InterruptRequested {} => EventBody::InterruptRequested {},
        EventBody::Checkpoint { summary } => EventBody::Checkpoint { summary },
        EventBody::WorkerLost { worker, tries } => EventBody::WorkerLost { worker, tries },
        EventBody::StepStarted { step } => EventBody::StepStarted { step },
        EventBody::StepFinished {
            step,
            duration_ms,
            detail,
        } => EventBody::StepFinished {
            step,
            duration_ms,
            detail: optional(detail),
        },
        EventBody::Snapshot {
            key,
            state,
            reason,
            age_seconds,
            size_bytes,
        } => EventBody::Snapshot {
            key,
            state,
            reason: optional(reason),
            age_seconds,
            size_bytes,
        },
        EventBody::NetworkRequest {
            host,
            port,
            method,
            path,
            verdict,
            code,
            reason,
            rule,
            hint,
        } => EventBody::NetworkRequest {
            host: text(host),
            port,
            method: optional(method),
            path: optional(path),
            verdict,
            code,
            reason: optional(reason),
            rule: optional(rule),
            hint: optional(hint),
        },
        EventBody::LimitHit { limit, message } => EventBody::LimitHit {
            limit,
            message: text(message),
        },
        EventBody::Output { stream, text: said } => EventBody::Output {
            stream,
            text: text(said),
        },
        EventBody::MessageDelta { text: said } => EventBody::MessageDelta { text: text(said) },
        EventBody::Message { text: said } => EventBody::Message { text: text(said) },
        EventBody::Reasoning { text: said } => EventBody::Reasoning { text: text(said) },
        EventBody::CommandStarted { id, command } => EventBody::CommandStarted {
            id: text(id),
            command: text(command),
        },
        EventBody::CommandOutput { id, text: said } => EventBody::CommandOutput {
            id: text(id),
            text: text(said),
        },
        EventBody::CommandFinished {
            id,
            exit_code,
            duration_ms,
        } => EventBody::CommandFinished {
            id: text(id),
            exit_code,
            duration_ms,
        },
        EventBody::FileChanged { path, kind } => EventBody::FileChanged {
            path: text(path),
            kind,
        },
        EventBody::Plan { entries } => EventBody::Plan {
            entries: entries
                .into_iter()
                .map(|PlanEntry { text: said, status }| PlanEntry {
                    text: text(said),
                    status,
                })
                .collect(),
        },
        EventBody::ModelCallStarted { number } => EventBody::ModelCallStarted { number },
        EventBody::ModelCallFinished {
            number,
            status,
            duration_ms,
            tokens,
        } => EventBody::ModelCallFinished {
            number,
            status,
            duration_ms,
            tokens,
        },
        EventBody::Session { thread_id, resumed } => EventBody::Session {
            thread_id: text(thread_id),
            resumed,
        },
        EventBody::Retrying { message } => EventBody::Retrying {
            message: text(message),
        },
        EventBody::Warning { message } => EventBody::Warning {
            message: text(message),
        },
        EventBody::DiffReady {
            repository,
            summary,
            size_bytes,
        } => EventBody::DiffReady {
            repository,
            summary,
            size_bytes,
        },
        EventBody::Unknown => EventBody::Unknown,
    }
}

#[cfg(test)]
mod tests;
