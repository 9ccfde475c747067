//! A control plane that breaks one rule: a relay in front of one that keeps them all. The suite's own tests see by it that each check
//! can fail.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::{Method, Request, Response, header};
use serde_json::{Value, json};

use crate::http::{Body, Dropped, Server, respond};

/// A rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A worker that registers again is another.
    ForgetsIds,
    /// Every registration is answered with version 4.
    KnowsOneVersion,
    /// Any token will do.
    ReadsNoTokens,
    /// Fields that there are not are passed over.
    TakesUnknownFields,
    /// Problems are marked as plain JSON.
    NamesNoProblems,
    /// A poll is answered at once.
    AnswersPollsEarly,
    /// One attempt more than was asked for is given out.
    GivesMore,
    /// Whatever epoch a verb names, it is taken for the newest claim's.
    ReadsNoEpochs,
    /// Events that leave a gap are acknowledged.
    TakesGaps,
    /// Events that come again are kept again.
    KeepsRepeats,
    /// `finish` does not wait for the last event.
    FinishesEarly,
    /// A second end is taken.
    EndsTwice,
    /// Uploads are taken after the end.
    TakesLateUploads,
    /// Heartbeats do not renew.
    RenewsNothing,
    /// A claim that is lost is told to go on.
    HidesAbandon,
    /// Heartbeats do not tell of a cancel.
    HidesCancel,
    /// Nothing comes by the stream of commands.
    StreamsNothing,
    /// Messages come again after they were acknowledged.
    ForgetsAcknowledgements,
    /// A released attempt is held on.
    ReleasesNothing,
    /// A checkpoint's diffs are not kept.
    LosesCheckpoints,
    /// Inputs lack their last byte.
    CutsInputs,
}

impl Fault {
    /// Every fault, and the check that is there to find it.
    pub const ALL: [(Self, &'static str); 21] = [
        (Self::ForgetsIds, "keeps_the_id"),
        (Self::KnowsOneVersion, "speaks_version_3"),
        (Self::ReadsNoTokens, "wants_a_token"),
        (Self::TakesUnknownFields, "refuses_unknown_fields"),
        (Self::NamesNoProblems, "names_each_problem"),
        (Self::AnswersPollsEarly, "keeps_a_long_poll_open"),
        (Self::GivesMore, "gives_no_more_than_asked_for"),
        (Self::ReadsNoEpochs, "refuses_other_epochs"),
        (Self::TakesGaps, "refuses_gaps"),
        (Self::KeepsRepeats, "passes_over_repeats"),
        (Self::FinishesEarly, "waits_for_the_last_event"),
        (Self::EndsTwice, "ends_once"),
        (Self::TakesLateUploads, "hears_nothing_after_the_end"),
        (Self::RenewsNothing, "renews_by_heartbeat"),
        (Self::HidesAbandon, "keeps_claims_apart"),
        (Self::HidesCancel, "tells_a_cancel_by_heartbeat"),
        (Self::StreamsNothing, "tells_a_cancel_by_stream"),
        (Self::ForgetsAcknowledgements, "numbers_messages"),
        (Self::ReleasesNothing, "takes_attempts_back"),
        (Self::LosesCheckpoints, "keeps_the_last_whole_checkpoint"),
        (Self::CutsInputs, "gives_the_starting_diff"),
    ];
}

/// The relay; it ends when it is dropped.
pub struct Relay {
    server: Server,
}

struct Shared {
    http: reqwest::Client,
    upstream: String,
    worker_token: String,
    fault: Option<Fault>,
    /// The newest epoch of each attempt, and how many of its events were taken.
    known: Mutex<HashMap<String, (i64, i64)>>,
}

/// A request on its way.
struct Call {
    method: Method,
    target: String,
    /// The path's last part.
    verb: String,
    attempt: String,
    authorization: Option<String>,
    content_type: String,
    json: Value,
    bytes: Bytes,
}

impl Relay {
    /// In front of the control plane at `upstream`; without a fault it only passes on.
    ///
    /// # Errors
    /// It cannot listen.
    pub async fn start(upstream: &str, worker_token: &str, fault: Option<Fault>) -> Result<Self> {
        let http = reqwest::Client::builder()
            .tls_certs_only([])
            .no_proxy()
            .build()
            .context("the HTTP client cannot be set up")?;
        let shared = Arc::new(Shared {
            http,
            upstream: upstream.to_owned(),
            worker_token: worker_token.to_owned(),
            fault,
            known: Mutex::default(),
        });
        let handler = Arc::new(move |request| {
            let shared = Arc::clone(&shared);
            let answer: futures_util::future::BoxFuture<'static, _> =
                Box::pin(async move { shared.relay(request).await.map_err(|_| Dropped) });
            answer
        });
        let server = Server::start(([127, 0, 0, 1], 0).into(), handler).await?;
        Ok(Self { server })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.server.url()
    }
}

impl Shared {
    async fn relay(&self, request: Request<Bytes>) -> Result<Response<Body>> {
        let mut call = Call::read(request);
        let was_asked = call.json.clone();
        if let Some(instead) = self.before(&mut call) {
            return Ok(instead);
        }
        let mut sent = self
            .http
            .request(
                call.method.clone(),
                format!("{}{}", self.upstream, call.target),
            )
            .header(header::CONTENT_TYPE, &call.content_type);
        if let Some(authorization) = &call.authorization {
            sent = sent.header(header::AUTHORIZATION, authorization);
        }
        let answer = sent.body(call.bytes.clone()).send().await?;
        let status = answer.status().as_u16();
        let content_type = answer.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        if content_type.starts_with("text/event-stream") {
            return Ok(flow(answer, self.fault == Some(Fault::StreamsNothing)));
        }
        let bytes = answer.bytes().await?;
        Ok(self.after(&call, &was_asked, status, &content_type, bytes))
    }

    /// Changes the request, or answers it instead.
    fn before(&self, call: &mut Call) -> Option<Response<Body>> {
        let fault = self.fault?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (epoch, taken) = known.get(&call.attempt).copied().unwrap_or_default();
        let body = &mut call.json;
        match (fault, call.verb.as_str()) {
            (Fault::ForgetsIds, "register") => {
                body.as_object_mut()?.remove("worker");
            }
            (Fault::ReadsNoTokens, _) if call.target.starts_with("/api/worker/") => {
                call.authorization = Some(format!("Bearer {}", self.worker_token));
            }
            (Fault::TakesUnknownFields, _) => {
                body.as_object_mut()?.remove("colour");
            }
            (Fault::AnswersPollsEarly, "acquire") => body["wait_ms"] = json!(0),
            (Fault::GivesMore, "acquire") => body["max"] = json!(body["max"].as_u64()? + 1),
            (Fault::ReadsNoEpochs, _) if epoch > 0 && body["epoch"].is_i64() => {
                body["epoch"] = json!(epoch);
            }
            (Fault::KeepsRepeats, "events") => {
                body["first_seq"] = json!(taken + 1);
                let count = i64::try_from(body["events"].as_array()?.len()).ok()?;
                known.insert(call.attempt.clone(), (epoch, taken + count));
            }
            (Fault::FinishesEarly, "finish") => body["last_seq"] = json!(0),
            (Fault::RenewsNothing, "heartbeat") => {
                let claims = body["leases"].as_array()?.iter();
                let answers = claims.map(|claim| {
                    json!({"attempt": claim["attempt"], "epoch": claim["epoch"], "desired": "run"})
                });
                let answer = json!({"leases": answers.collect::<Vec<_>>()});
                return Some(crate::http::json(200, &answer));
            }
            (Fault::ForgetsAcknowledgements, "heartbeat") => {
                for claim in body["leases"].as_array_mut()? {
                    claim["message_seq"] = json!(0);
                }
            }
            (Fault::ReleasesNothing, "release") => return Some(respond(204, "", "")),
            (Fault::LosesCheckpoints, "checkpoint") => body["diffs"] = json!([]),
            (_, _) => {}
        }
        if call.content_type == "application/json" && call.json.is_object() {
            call.bytes = call.json.to_string().into();
        }
        None
    }

    /// Changes the answer.
    fn after(
        &self,
        call: &Call,
        was_asked: &Value,
        status: u16,
        content_type: &str,
        bytes: Bytes,
    ) -> Response<Body> {
        let mut answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        self.note(&answer);
        let code = answer["code"].as_str().unwrap_or_default().to_owned();
        let Some(fault) = self.fault else {
            return respond(status, content_type, bytes);
        };
        match (fault, call.verb.as_str()) {
            (Fault::KnowsOneVersion, "register") if status == 200 => {
                answer["protocol_version"] = json!(4);
                return crate::http::json(200, &answer);
            }
            (Fault::NamesNoProblems, _) if status >= 400 => {
                return respond(status, "application/json", bytes);
            }
            (Fault::TakesGaps, "events") if code == "out_of_order" => {
                let first = was_asked["first_seq"].as_i64().unwrap_or(0);
                let acknowledged = json!({"acknowledged_seq": first, "desired": "run"});
                return crate::http::json(200, &acknowledged);
            }
            (Fault::EndsTwice, "finish") if code == "attempt_ended" => return respond(204, "", ""),
            (Fault::TakesLateUploads, "diff") if code == "attempt_ended" => {
                return respond(204, "", "");
            }
            (Fault::HidesAbandon | Fault::HidesCancel, "heartbeat") if status == 200 => {
                let hidden = match fault {
                    Fault::HidesAbandon => "abandon",
                    _ => "cancel",
                };
                for lease in answer["leases"].as_array_mut().into_iter().flatten() {
                    if lease["desired"] == hidden {
                        lease["desired"] = json!("run");
                    }
                }
                return crate::http::json(200, &answer);
            }
            (Fault::CutsInputs, "starting_diff") if status == 200 => {
                return respond(
                    200,
                    content_type,
                    bytes.slice(..bytes.len().saturating_sub(1)),
                );
            }
            (_, _) => {}
        }
        respond(status, content_type, bytes)
    }

    fn note(&self, answer: &Value) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for assignment in answer["assignments"].as_array().into_iter().flatten() {
            if let (Some(id), Some(epoch)) =
                (assignment["attempt"].as_str(), assignment["epoch"].as_i64())
            {
                known.insert(id.to_owned(), (epoch, 0));
            }
        }
    }
}

impl Call {
    fn read(request: Request<Bytes>) -> Self {
        let (parts, bytes) = request.into_parts();
        let text = |name| {
            let value = parts.headers.get(name);
            value
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let mut segments = parts.uri.path().split('/');
        let target = parts.uri.path_and_query();
        Self {
            authorization: text(header::AUTHORIZATION),
            content_type: text(header::CONTENT_TYPE).unwrap_or_default(),
            target: target.map(ToString::to_string).unwrap_or_default(),
            attempt: segments
                .clone()
                .find(|part| part.starts_with("att_"))
                .unwrap_or_default()
                .to_owned(),
            verb: segments.next_back().unwrap_or_default().to_owned(),
            json: serde_json::from_slice(&bytes).unwrap_or_default(),
            method: parts.method,
            bytes,
        }
    }
}

/// Passes on what flows, or nothing of it.
fn flow(answer: reqwest::Response, is_silent: bool) -> Response<Body> {
    let pieces = answer.bytes_stream().filter_map(async |piece| piece.ok());
    let pieces = match is_silent {
        true => stream::pending().left_stream(),
        false => pieces.right_stream(),
    };
    let frames = pieces.map(|bytes| Ok::<_, Infallible>(Frame::data(bytes)));
    let mut response = respond(200, "text/event-stream", Bytes::new());
    *response.body_mut() = BodyExt::boxed(StreamBody::new(frames));
    response
}
