//! One request: checked, forwarded, answered.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Request, Response};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::Shared;
use super::endpoint::Endpoint;
use super::headers;
use super::ledger::{Ending, InFlight, Tokens};
use super::mask::Mask;
use super::refusal::{Refusal, error_response};
use super::upstream::{SendError, Upstream, UpstreamErrorKind, chunks, kind_of};
use super::usage::UsageCounter;

pub(super) type Body = UnsyncBoxBody<Bytes, BrokenOff>;

/// Makes hyper close the connection, so the agent sees that the answer is not whole.
#[derive(Debug, thiserror::Error)]
#[error("the answer of the model endpoint broke off")]
pub(super) struct BrokenOff;

pub(super) fn whole(bytes: Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// The right to forward one request; only [`admit`] makes it.
struct Admitted {
    endpoint: Endpoint,
    permit: OwnedSemaphorePermit,
}

pub(super) async fn handle(shared: &Shared, request: Request<Incoming>) -> Response<Body> {
    match admit(shared, &request) {
        Ok(admitted) => forward(shared, admitted, request).await,
        Err(refusal) => {
            shared.ledger.refused(refusal);
            refusal.response()
        }
    }
}

fn admit(shared: &Shared, request: &Request<Incoming>) -> Result<Admitted, Refusal> {
    let endpoint = Endpoint::of(request.method(), request.uri())?;
    // A body without a length is measured as it passes.
    let announced = hyper::body::Body::size_hint(request.body()).lower();
    if announced > shared.upstream.config().max_request_body_bytes as u64 {
        return Err(Refusal::BodyTooLarge);
    }
    let permit = shared.permits.clone().try_acquire_owned();
    let permit = permit.map_err(|_| Refusal::TooManyRequests)?;
    Ok(Admitted { endpoint, permit })
}

async fn forward(
    shared: &Shared,
    admitted: Admitted,
    request: Request<Incoming>,
) -> Response<Body> {
    let Admitted { endpoint, permit } = admitted;
    let upstream = &shared.upstream;
    let mut in_flight = shared.ledger.begin(endpoint, permit, shared.stop.clone());
    let (parts, body) = request.into_parts();
    if endpoint.uses_tokens() {
        // From here on the endpoint may do work that it never gets to report.
        in_flight.tokens = Tokens::Unknown;
    }
    let sent = upstream.send(endpoint, parts.uri.query(), &parts.headers, body);
    match sent.await {
        Ok(answer) => pass_on(upstream, endpoint, in_flight, answer),
        Err(failure) => answer_failure(upstream, in_flight, failure),
    }
}

fn answer_failure(
    upstream: &Upstream,
    mut in_flight: InFlight,
    failure: SendError,
) -> Response<Body> {
    let response = match failure {
        SendError::BodyTooLarge => {
            in_flight.refused(Refusal::BodyTooLarge);
            in_flight.tokens = Tokens::None;
            Refusal::BodyTooLarge.response()
        }
        SendError::AgentGone => {
            in_flight.tokens = Tokens::None;
            // Nobody reads it; dropping `in_flight` records why.
            return error_response(400, "request_broken_off", "The request was not complete.");
        }
        SendError::Upstream(kind) => {
            in_flight.upstream_error(kind);
            let status = match kind {
                UpstreamErrorKind::Timeout => 504,
                UpstreamErrorKind::Unreachable
                | UpstreamErrorKind::Tls
                | UpstreamErrorKind::Status(_)
                | UpstreamErrorKind::Redirect
                | UpstreamErrorKind::Broken => 502,
            };
            let may_have_worked = match kind {
                UpstreamErrorKind::Timeout | UpstreamErrorKind::Broken => true,
                UpstreamErrorKind::Unreachable
                | UpstreamErrorKind::Tls
                | UpstreamErrorKind::Status(_)
                | UpstreamErrorKind::Redirect => false,
            };
            if !may_have_worked {
                in_flight.tokens = Tokens::None;
            }
            error_response(status, kind.code(), &kind.message(&upstream.host()))
        }
    };
    in_flight.status = Some(response.status().as_u16());
    in_flight.ending = Some(Ending::Complete);
    response
}

fn pass_on(
    upstream: &Upstream,
    endpoint: Endpoint,
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
    let headers = headers::to_agent(answer.headers(), upstream.key());
    let counts = endpoint.uses_tokens() && status.is_success();
    let mut passing = Passing {
        counter: counts.then(|| UsageCounter::new(endpoint, answer.headers())),
        mask: Mask::new(upstream.key().cloned()),
        left_bytes: answer.content_length(),
        chunks: Box::pin(chunks(answer)),
        idle_timeout: upstream.config().idle_timeout,
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

/// An answer on its way from the endpoint to the agent.
struct Passing {
    chunks: Pin<Box<dyn Stream<Item = Result<Bytes, reqwest::Error>> + Send>>,
    counter: Option<UsageCounter>,
    mask: Mask,
    idle_timeout: std::time::Duration,
    /// Of the announced length: when it is reached, hyper drops the body without
    /// asking for its end.
    left_bytes: Option<u64>,
    in_flight: InFlight,
    is_over: bool,
}

impl Passing {
    async fn next(mut self) -> Option<(Result<Frame<Bytes>, BrokenOff>, Self)> {
        while !self.is_over {
            let kind = match timeout(self.idle_timeout, self.chunks.next()).await {
                Ok(Some(Ok(chunk))) => {
                    let clean = self.take(chunk);
                    if clean.is_empty() {
                        continue;
                    }
                    return Some((Ok(Frame::data(clean)), self));
                }
                Ok(None) => {
                    let rest = self.complete();
                    if rest.is_empty() {
                        continue;
                    }
                    return Some((Ok(Frame::data(rest)), self));
                }
                Ok(Some(Err(error))) => kind_of(&error),
                Err(_) => UpstreamErrorKind::Timeout,
            };
            self.is_over = true;
            self.in_flight.upstream_error(kind);
            self.in_flight.ending = Some(Ending::Broken(kind));
            return Some((Err(BrokenOff), self));
        }
        None
    }

    fn take(&mut self, chunk: Bytes) -> Bytes {
        if let Some(counter) = &mut self.counter {
            counter.feed(&chunk);
            // Agents may leave after the last event, before the end of the body.
            if let Some(usage) = counter.final_usage() {
                self.in_flight.tokens = Tokens::Counted(usage);
            }
        }
        self.left_bytes = self
            .left_bytes
            .map(|left| left.saturating_sub(chunk.len() as u64));
        let clean = self.mask.feed(chunk);
        if self.left_bytes != Some(0) {
            return clean;
        }
        let held = self.complete();
        match held.is_empty() {
            true => clean,
            false => [clean, held].concat().into(),
        }
    }

    fn complete(&mut self) -> Bytes {
        self.is_over = true;
        self.in_flight.ending = Some(Ending::Complete);
        if let Some(usage) = self.counter.take().and_then(UsageCounter::finish) {
            self.in_flight.tokens = Tokens::Counted(usage);
        }
        self.mask.finish()
    }
}
