//! One request: checked, forwarded, answered.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request, Response};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, timeout_at};

use super::Shared;
use super::answer::{Asked, pass_on};
use super::body::{BodyError, Kept};
use super::chat;
use super::endpoint::{Endpoint, Protocol};
use super::estimate::TextSize;
use super::event::{Ending, Tokens};
use super::headers;
use super::ledger::InFlight;
use super::own_error::OwnError;
use super::refusal::Refusal;
use super::retry::{Failed, Retries, RetryReason};
use super::upstream::{Upstream, UpstreamErrorKind};

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
    let endpoint = Endpoint::of(request.method(), request.uri());
    let protocol = endpoint.map_or(Protocol::Responses, Endpoint::protocol);
    match endpoint.and_then(|endpoint| admit(shared, endpoint, &request)) {
        Ok(admitted) => forward(shared, admitted, request).await,
        Err(refusal) => {
            shared.ledger.refused(refusal);
            refusal.response(protocol)
        }
    }
}

fn admit(
    shared: &Shared,
    endpoint: Endpoint,
    request: &Request<Incoming>,
) -> Result<Admitted, Refusal> {
    shared.bodies.check_announced(request.body())?;
    if endpoint.uses_tokens() && shared.ledger.is_budget_used_up() {
        return Err(Refusal::OverBudget);
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
    let deadline = Instant::now() + shared.upstream.config().call_timeout;
    let mut in_flight = shared.ledger.begin(endpoint, permit, shared.stop.clone());
    let (parts, body) = request.into_parts();
    let kept = match shared.bodies.read(body).await {
        Ok(kept) => kept,
        Err(BodyError::Refused(refusal)) => return refuse(endpoint, in_flight, refusal),
        // Nobody reads it; dropping `in_flight` records why.
        Err(BodyError::AgentGone) => return whole_error(endpoint),
    };
    let size = TextSize::of_request(&kept.bytes);
    if endpoint.uses_tokens() {
        let too_much = in_flight.room().is_some_and(|room| size.at_least() > room);
        if too_much {
            return refuse(endpoint, in_flight, Refusal::OverBudget);
        }
        // From here on the endpoint may do work that it never gets to report.
        in_flight.tokens = Tokens::Unknown;
        in_flight.uses(size.at_least(), size.likely());
    }
    let call = Call::new(shared, endpoint, &parts, kept, deadline);
    match call.send(&in_flight).await {
        Ok((answer, hide_usage)) => {
            let asked = Asked {
                endpoint,
                size,
                hide_usage,
                deadline,
            };
            pass_on(&shared.upstream, &asked, in_flight, answer)
        }
        Err(kind) => answer_failure(&shared.upstream, endpoint, in_flight, kind),
    }
}

/// A request that was read, or begun to be, before it was refused.
fn refuse(endpoint: Endpoint, mut in_flight: InFlight, refusal: Refusal) -> Response<Body> {
    in_flight.refused(refusal);
    in_flight.status = Some(refusal.status());
    in_flight.ending = Some(Ending::Complete);
    refusal.response(endpoint.protocol())
}

fn whole_error(endpoint: Endpoint) -> Response<Body> {
    let error = OwnError {
        status: 400,
        code: "request_broken_off",
        message: "The request was not complete.".to_owned(),
    };
    error.response(endpoint.protocol())
}

fn answer_failure(
    upstream: &Upstream,
    endpoint: Endpoint,
    mut in_flight: InFlight,
    kind: UpstreamErrorKind,
) -> Response<Body> {
    in_flight.upstream_error(kind);
    if !kind.may_have_worked() {
        in_flight.tokens = Tokens::None;
    }
    in_flight.status = Some(kind.own_status());
    in_flight.ending = Some(Ending::Complete);
    let error = OwnError {
        status: kind.own_status(),
        code: kind.code(),
        message: kind.message(&upstream.host()),
    };
    error.response(endpoint.protocol())
}

/// What is sent to the endpoint, perhaps more than once.
struct Call<'a> {
    upstream: &'a Upstream,
    endpoint: Endpoint,
    query: Option<&'a str>,
    headers: HeaderMap,
    kept: Kept,
    /// With the wish for a count, if the agent had none.
    counted: Option<Bytes>,
    retries: Retries,
    deadline: Instant,
}

impl<'a> Call<'a> {
    fn new(
        shared: &'a Shared,
        endpoint: Endpoint,
        parts: &'a Parts,
        kept: Kept,
        deadline: Instant,
    ) -> Self {
        let upstream = &shared.upstream;
        let is_counted_if_asked =
            endpoint == Endpoint::ChatCompletions && upstream.knows_stream_options();
        let counted = match is_counted_if_asked {
            true => chat::asking_for_usage(&kept.bytes),
            false => None,
        };
        Self {
            upstream,
            endpoint,
            query: parts.uri.query(),
            headers: headers::to_upstream(endpoint, &parts.headers, upstream.key()),
            kept,
            counted,
            retries: Retries::new(upstream.config(), shared.next_seed()),
            deadline,
        }
    }

    /// Returns when the head of the answer is there, and whether its count was the
    /// gateway's wish. The request's memory is free after that.
    async fn send(
        mut self,
        in_flight: &InFlight,
    ) -> Result<(reqwest::Response, bool), UpstreamErrorKind> {
        let mut was_refused_with_wish = false;
        loop {
            let sent = self.try_once().await;
            let failed = match &sent {
                Ok(answer) => Failed::of_answer(answer.status().as_u16(), answer.headers()),
                Err(kind) => Failed::of_error(*kind),
            };
            let may_be_the_wish =
                |answer: &reqwest::Response| matches!(answer.status().as_u16(), 400 | 422);
            if self.counted.is_some() && sent.as_ref().is_ok_and(may_be_the_wish) {
                self.counted = None;
                was_refused_with_wish = true;
                in_flight.retried(RetryReason::StreamOptions, std::time::Duration::ZERO);
                continue;
            }
            let wait = failed.and_then(|failed| Some((failed, self.retries.next(failed)?)));
            match wait {
                Some((failed, wait)) if Instant::now() + wait < self.deadline => {
                    in_flight.retried(failed.reason, wait);
                    drop(sent);
                    sleep(wait).await;
                }
                Some(_) | None => {
                    let answer = sent?;
                    if was_refused_with_wish && answer.status().is_success() {
                        self.upstream.forget_stream_options();
                    }
                    return Ok((answer, self.counted.is_some()));
                }
            }
        }
    }

    async fn try_once(&self) -> Result<reqwest::Response, UpstreamErrorKind> {
        let body = self.counted.as_ref().unwrap_or(&self.kept.bytes).clone();
        let headers = self.headers.clone();
        let first_byte_at = Instant::now() + self.upstream.config().first_byte_timeout;
        let (until, late) = match self.deadline < first_byte_at {
            true => (self.deadline, UpstreamErrorKind::CallTimeout),
            false => (first_byte_at, UpstreamErrorKind::FirstByteTimeout),
        };
        let sent = self.upstream.send(self.endpoint, self.query, headers, body);
        timeout_at(until, sent).await.map_err(|_| late)?
    }
}
