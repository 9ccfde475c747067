//! An answer on its way from the endpoint to the agent: passed on as it comes,
//! counted, and cut where a limit is reached.

use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::{Response, header};
use tokio::time::{Instant, timeout_at};

use super::chat::HideUsage;
use super::endpoint::{Endpoint, Protocol};
use super::estimate::TextSize;
use super::event::{Ending, Tokens};
use super::headers;
use super::ledger::InFlight;
use super::mask::Mask;
use super::own_error::OwnError;
use super::refusal::Refusal;
use super::request::{Body, BrokenOff};
use super::upstream::{Upstream, UpstreamErrorKind, chunks, kind_of};
use super::usage::UsageCounter;

/// What is known of the request when its answer comes.
pub(super) struct Asked {
    pub endpoint: Endpoint,
    pub size: TextSize,
    /// The gateway asked for the count, the agent did not.
    pub hide_usage: bool,
    /// When the whole call has to be over.
    pub deadline: Instant,
}

/// Begins to pass it on.
pub(super) fn pass_on(
    upstream: &Upstream,
    asked: &Asked,
    mut in_flight: InFlight,
    answer: reqwest::Response,
) -> Response<Body> {
    let status = answer.status();
    in_flight.status = Some(status.as_u16());
    in_flight.first_byte(status.as_u16());
    if !status.is_success() {
        in_flight.upstream_error(UpstreamErrorKind::Status(status.as_u16()));
        in_flight.tokens = Tokens::None;
    }
    let mut headers = headers::to_agent(answer.headers(), upstream.key());
    let counts = asked.endpoint.uses_tokens() && status.is_success();
    let counter = counts.then(|| UsageCounter::new(asked.endpoint, answer.headers(), asked.size));
    let mut left_bytes = answer.content_length();
    if counter.as_ref().is_some_and(UsageCounter::is_stream) {
        // It may be cut, or become shorter by the hidden count.
        headers.remove(header::CONTENT_LENGTH);
        left_bytes = None;
    }
    let config = upstream.config();
    let mut passing = Passing {
        protocol: asked.endpoint.protocol(),
        host: upstream.host(),
        hide: (asked.hide_usage && counter.as_ref().is_some_and(UsageCounter::is_stream))
            .then(HideUsage::new),
        counter,
        mask: Mask::new(upstream.key().cloned()),
        left_bytes,
        chunks: Box::pin(chunks(answer)),
        idle_timeout: config.idle_timeout,
        deadline: asked.deadline,
        allowed_bytes: config.max_answer_bytes,
        in_flight,
        is_over: false,
    };
    if passing.left_bytes == Some(0) {
        passing.complete();
    }
    let frames = futures_util::stream::unfold(passing, Passing::next);
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

struct Passing {
    protocol: Protocol,
    host: String,
    chunks: Pin<Box<dyn Stream<Item = Result<Bytes, reqwest::Error>> + Send>>,
    counter: Option<UsageCounter>,
    hide: Option<HideUsage>,
    mask: Mask,
    idle_timeout: Duration,
    deadline: Instant,
    allowed_bytes: usize,
    /// Of the announced length: when it is reached, hyper drops the body without
    /// asking for its end.
    left_bytes: Option<u64>,
    in_flight: InFlight,
    is_over: bool,
}

impl Passing {
    async fn next(mut self) -> Option<(Result<Frame<Bytes>, BrokenOff>, Self)> {
        while !self.is_over {
            let passed = match self.receive().await {
                Ok(Some(chunk)) => self.take(chunk),
                Ok(None) => self.complete(),
                Err(kind) => match self.fail(kind) {
                    Some(last) => last,
                    None => return Some((Err(BrokenOff), self)),
                },
            };
            if !passed.is_empty() {
                return Some((Ok(Frame::data(passed)), self));
            }
        }
        None
    }

    /// The next piece; `None` at the proper end.
    async fn receive(&mut self) -> Result<Option<Bytes>, UpstreamErrorKind> {
        let silent_at = Instant::now() + self.idle_timeout;
        let (until, late) = match self.deadline < silent_at {
            true => (self.deadline, UpstreamErrorKind::CallTimeout),
            false => (silent_at, UpstreamErrorKind::IdleTimeout),
        };
        let received = timeout_at(until, self.chunks.next()).await;
        let Some(received) = received.map_err(|_| late)? else {
            return Ok(None);
        };
        let chunk = received.map_err(|error| kind_of(&error))?;
        let left = self.allowed_bytes.checked_sub(chunk.len());
        self.allowed_bytes = left.ok_or(UpstreamErrorKind::AnswerTooLarge)?;
        Ok(Some(chunk))
    }

    fn take(&mut self, chunk: Bytes) -> Bytes {
        if let Some(counter) = &mut self.counter {
            let cut_at = counter.feed(&chunk, self.in_flight.room());
            self.in_flight.uses(counter.at_least(), counter.likely());
            // Agents may leave after the last event, before the end of the body.
            if let Some(usage) = counter.final_usage() {
                self.in_flight.tokens = Tokens::Counted(usage);
            }
            if let Some(end) = cut_at {
                return self.cut(&chunk.slice(..end));
            }
        }
        self.left_bytes = self
            .left_bytes
            .map(|left| left.saturating_sub(chunk.len() as u64));
        let clean = self.clean(chunk);
        if self.left_bytes != Some(0) {
            return clean;
        }
        joined(clean, &self.complete())
    }

    fn clean(&mut self, chunk: Bytes) -> Bytes {
        let shown = match &mut self.hide {
            Some(hide) => hide.feed(&chunk),
            None => chunk,
        };
        self.mask.feed(shown)
    }

    /// What filters held back.
    fn held(&mut self) -> Bytes {
        let shown = self.hide.as_mut().map(HideUsage::finish);
        let clean = shown.map_or_else(Bytes::new, |shown| self.mask.feed(shown));
        joined(clean, &self.mask.finish())
    }

    fn complete(&mut self) -> Bytes {
        self.is_over = true;
        self.in_flight.ending = Some(Ending::Complete);
        if let Some(usage) = self.counter.take().and_then(UsageCounter::finish) {
            self.in_flight.tokens = Tokens::Counted(usage);
        }
        self.held()
    }

    /// `last` ends with an event; what came after it is not passed on.
    fn cut(&mut self, last: &Bytes) -> Bytes {
        self.is_over = true;
        self.in_flight.over_budget();
        let clean = self.clean(last.clone());
        let rest = joined(clean, &self.held());
        joined(rest, &Refusal::OverBudget.error().event(self.protocol))
    }

    /// The last event of a stream that can still tell what happened; else the
    /// connection has to show it.
    fn fail(&mut self, kind: UpstreamErrorKind) -> Option<Bytes> {
        self.is_over = true;
        self.in_flight.upstream_error(kind);
        self.in_flight.ending = Some(Ending::Broken(kind));
        // An endpoint that broke off says nothing of ours: agents know what to do.
        let is_ours = kind.is_limit();
        let counter = self.counter.as_ref()?;
        if !is_ours || !counter.is_between_events() {
            return None;
        }
        let error = OwnError {
            status: kind.own_status(),
            code: kind.code(),
            message: kind.message(&self.host),
        };
        let event = error.event(self.protocol);
        Some(joined(self.held(), &event))
    }
}

fn joined(first: Bytes, second: &Bytes) -> Bytes {
    if second.is_empty() {
        return first;
    }
    let mut bytes = BytesMut::from(first);
    bytes.extend_from_slice(second);
    bytes.freeze()
}
