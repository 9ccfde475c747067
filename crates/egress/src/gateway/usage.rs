//! Tokens, read from answers as they pass.
//!
//! Nothing is delayed: the counter sees each chunk and keeps at most one event
//! or, if the answer is not streamed, one document.

mod protocols;
mod sse;

use hyper::HeaderMap;
use hyper::header;

use super::endpoint::Endpoint;
use protocols::{Protocol, Reading};
use sse::SseData;

/// More than an answer with a full context can hold. What is longer is passed
/// on but not counted.
const MAX_KEPT_BYTES: usize = 16 << 20;

/// Tokens of one or many requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All that was read, `cached_input` included.
    pub input: u64,
    pub cached_input: u64,
    /// All that was written, `reasoning` included.
    pub output: u64,
    /// 0 where the API does not tell it apart (Anthropic).
    pub reasoning: u64,
}

impl Usage {
    pub fn add(&mut self, other: Self) {
        let Self {
            input,
            cached_input,
            output,
            reasoning,
        } = other;
        self.input = self.input.saturating_add(input);
        self.cached_input = self.cached_input.saturating_add(cached_input);
        self.output = self.output.saturating_add(output);
        self.reasoning = self.reasoning.saturating_add(reasoning);
    }
}

pub(super) struct UsageCounter {
    protocol: Protocol,
    format: Format,
    reading: Reading,
}

enum Format {
    Events(SseData),
    Document(Vec<u8>),
    /// Compressed, too long, or not a known type.
    Unreadable,
}

impl UsageCounter {
    pub(super) fn new(endpoint: Endpoint, headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let media_type = text(header::CONTENT_TYPE).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        let is_plain = matches!(text(header::CONTENT_ENCODING), None | Some("identity"));
        let format = if !is_plain {
            Format::Unreadable
        } else if media_type.eq_ignore_ascii_case("text/event-stream") {
            Format::Events(SseData::new(MAX_KEPT_BYTES))
        } else if media_type.eq_ignore_ascii_case("application/json") {
            Format::Document(Vec::new())
        } else {
            Format::Unreadable
        };
        Self {
            protocol: Protocol::of(endpoint),
            format,
            reading: Reading::default(),
        }
    }

    pub(super) fn feed(&mut self, chunk: &[u8]) {
        match &mut self.format {
            Format::Events(events) => {
                events.feed(chunk, |data| self.reading.event(self.protocol, data));
            }
            Format::Document(document) if document.len() + chunk.len() <= MAX_KEPT_BYTES => {
                document.extend_from_slice(chunk);
            }
            Format::Document(_) => self.format = Format::Unreadable,
            Format::Unreadable => {}
        }
    }

    /// The usage, once an event said that it is final.
    pub(super) fn final_usage(&self) -> Option<Usage> {
        self.reading
            .is_final
            .then_some(self.reading.usage)
            .flatten()
    }

    /// The usage at the proper end of the answer.
    pub(super) fn finish(mut self) -> Option<Usage> {
        if let Format::Document(document) = &self.format {
            self.reading.document(self.protocol, document);
        }
        self.reading.at_end(self.protocol)
    }
}

#[cfg(test)]
mod tests;
