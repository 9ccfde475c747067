//! Tokens, read from answers as they pass.
//!
//! Nothing is delayed: the counter sees each chunk and keeps at most one event
//! or, if the answer is not streamed, one document.

mod deltas;
mod protocols;
mod sse;

use hyper::HeaderMap;
use hyper::header;

use super::endpoint::{Endpoint, Protocol};
use super::estimate::TextSize;
use protocols::Reading;
pub(super) use sse::SseData;

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
    /// What a budget is charged with.
    pub fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }

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
    request: TextSize,
}

enum Format {
    Events(SseData),
    Document(Vec<u8>),
    /// Compressed, too long, or not a known type; with its size.
    Unreadable(TextSize),
}

impl UsageCounter {
    /// For the answer, with these headers, to a request of that size.
    pub(super) fn new(endpoint: Endpoint, headers: &HeaderMap, request: TextSize) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let media_type = text(header::CONTENT_TYPE).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        let is_plain = matches!(text(header::CONTENT_ENCODING), None | Some("identity"));
        let format = if !is_plain {
            Format::Unreadable(TextSize::default())
        } else if media_type.eq_ignore_ascii_case("text/event-stream") {
            Format::Events(SseData::new(MAX_KEPT_BYTES))
        } else if media_type.eq_ignore_ascii_case("application/json") {
            Format::Document(Vec::new())
        } else {
            Format::Unreadable(TextSize::default())
        };
        Self {
            protocol: endpoint.protocol(),
            format,
            reading: Reading::default(),
            request,
        }
    }

    /// Gives the place in `chunk` to cut the answer at: the end of the first event by
    /// which it has used more than `room` and after which more would come.
    pub(super) fn feed(&mut self, chunk: &[u8], room: Option<u64>) -> Option<usize> {
        let Self {
            protocol,
            format,
            reading,
            request,
        } = self;
        let mut cut_at = None;
        match format {
            Format::Events(events) => events.feed(chunk, |data, end| {
                reading.event(*protocol, data);
                let used = reading.at_least(*request);
                let is_over = room.is_some_and(|room| used > room);
                if is_over && !reading.is_ending && cut_at.is_none() {
                    cut_at = Some(end);
                }
            }),
            Format::Document(document) if document.len() + chunk.len() <= MAX_KEPT_BYTES => {
                document.extend_from_slice(chunk);
            }
            Format::Document(document) => {
                *format = Format::Unreadable(TextSize::of(document.len() + chunk.len()));
            }
            Format::Unreadable(size) => *size += TextSize::of(chunk.len()),
        }
        cut_at
    }

    pub(super) fn is_stream(&self) -> bool {
        matches!(self.format, Format::Events(_))
    }

    /// Whether what came so far are whole events of a stream.
    pub(super) fn is_between_events(&self) -> bool {
        matches!(&self.format, Format::Events(events) if events.is_between_events())
    }

    /// The tokens used so far: as counted, else the least that the sizes mean.
    pub(super) fn at_least(&self) -> u64 {
        self.reading.at_least(self.request)
    }

    /// The tokens used so far: as counted, else as the sizes suggest.
    pub(super) fn likely(&self) -> u64 {
        let unread = match &self.format {
            Format::Events(_) => TextSize::default(),
            Format::Document(document) => TextSize::of(document.len()),
            Format::Unreadable(size) => *size,
        };
        self.reading.likely(self.request, unread)
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
