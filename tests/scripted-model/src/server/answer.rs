//! A request for a model's answer: from the request to the answer, with its failures.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header, request};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use serde_json::{Value, json};

use super::{CloseInstead, Model};
use crate::board::{InFlight, Outcome, RequestRecord};
use crate::conversation::Conversation;
use crate::reply::{Reply, unmet};
use crate::scenario::{Failure, Step};
use crate::stream::{self, Event};

/// Which of the three, as its path says.
#[derive(Clone, Copy)]
enum Api {
    Responses,
    ChatCompletions,
    Messages,
}

type Shared = State<Arc<Model>>;
type Answer = Result<Response, Response>;

pub(super) async fn responses(model: Shared, request: axum::extract::Request) -> Answer {
    answer(model, request, Api::Responses).await
}

pub(super) async fn chat_completions(model: Shared, request: axum::extract::Request) -> Answer {
    answer(model, request, Api::ChatCompletions).await
}

pub(super) async fn messages(model: Shared, request: axum::extract::Request) -> Answer {
    answer(model, request, Api::Messages).await
}

async fn answer(
    State(model): Shared,
    request: axum::extract::Request,
    api: Api,
) -> Result<Response, Response> {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX)
        .await
        .map_err(|_| StatusCode::BAD_REQUEST.into_response())?;
    let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let in_flight = admit(&model, &parts, body.clone()).map_err(|refusal| *refusal)?;
    if !body.is_object() {
        return Err(refuse(
            &in_flight,
            "invalid_json",
            "the body is not a JSON object",
        ));
    }
    if body["previous_response_id"].is_string() {
        let why = "previous_response_id: the history must be in the request";
        return Err(refuse(&in_flight, "unsupported", why));
    }

    let conversation = Conversation::parse(&body);
    let Some(position) = conversation.position(&model.scenario) else {
        let why = format!("no script for {:?}", conversation.last_prompt());
        return Err(refuse(&in_flight, "no_script", &why));
    };
    let (script, step) = (position.script.name.clone(), position.step);
    let session = session(&parts.headers, &body);
    let mut attempt = 0;
    model.board.send_modify(|board| {
        attempt = board.next_attempt(format!("{session}/{script}/{}/{step}", position.nth));
    });
    in_flight.note(|record| {
        record.script = Some(script.clone());
        record.step = Some(step);
        record.attempt = attempt;
    });
    let Some(step) = position.script.steps.get(step) else {
        let why = format!("script {script:?} has no step {step}");
        return Err(refuse(&in_flight, "script_overrun", &why));
    };
    let unmet = unmet(&step.expect, &conversation);
    if !unmet.is_empty() {
        let why = format!(
            "script {script:?}, step {}: {}",
            position.step,
            unmet.join("; ")
        );
        return Err(refuse(&in_flight, "expectation_failed", &why));
    }
    let reply = Reply::new(&position, &conversation, &session, &body)
        .map_err(|why| refuse(&in_flight, "no_tool", &why))?;
    tokio::time::sleep(Duration::from_millis(step.delay_ms)).await;
    let wire = Wire {
        api,
        streamed: body["stream"].as_bool().unwrap_or(false),
        with_usage: body["stream_options"]["include_usage"] == true,
    };
    Ok(respond(in_flight, step, step.failure(attempt), &reply, wire).await)
}

/// Records the request and checks its key.
pub(super) fn admit(
    model: &Model,
    parts: &request::Parts,
    body: Value,
) -> Result<InFlight, Box<Response>> {
    let text = |value: &header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = parts.headers.iter();
    let record = RequestRecord {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        headers: headers.map(|(n, v)| (n.to_string(), text(v))).collect(),
        conversation: session(&parts.headers, &body),
        body,
        script: None,
        step: None,
        attempt: 0,
        outcome: Outcome::InFlight,
        problem: None,
    };
    let expected = format!("Bearer {}", model.api_key);
    let authorized = match record.path.as_str() {
        "/v1/messages" => {
            record.header("x-api-key") == Some(model.api_key.as_str())
                && record.header("anthropic-version").is_some()
        }
        _ => record.header("authorization") == Some(expected.as_str()),
    };
    let in_flight = InFlight::new(model.board.clone(), record);
    if authorized {
        return Ok(in_flight);
    }
    let why = "Incorrect API key provided";
    in_flight.note(|record| record.problem = Some(why.into()));
    let unauthorized = StatusCode::UNAUTHORIZED;
    let refusal = error(&in_flight, unauthorized, "invalid_api_key", why);
    Err(Box::new(refusal))
}

/// How the agent names its session. Needed only to tell retries apart.
fn session(headers: &HeaderMap, body: &Value) -> String {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    header("thread-id")
        .or(header("session-id"))
        .or(body["prompt_cache_key"].as_str())
        .unwrap_or("-")
        .to_owned()
}

/// How the answer is to be written.
#[derive(Clone, Copy)]
struct Wire {
    api: Api,
    streamed: bool,
    /// Chat Completions counts a stream only when asked to.
    with_usage: bool,
}

impl Wire {
    fn events(self, reply: &Reply) -> Vec<Event> {
        match self.api {
            Api::Responses => stream::events(reply),
            Api::ChatCompletions => stream::chat::events(reply, self.with_usage),
            Api::Messages => stream::messages::events(reply),
        }
    }

    fn document(self, reply: &Reply) -> Value {
        match self.api {
            Api::Responses => stream::response(reply),
            Api::ChatCompletions => stream::chat::document(reply),
            Api::Messages => stream::messages::document(reply),
        }
    }

    /// A stream that ends with an error. Only Responses has two ways to say so.
    fn broken(self, reply: &Reply, failure: &Failing<'_>) -> Vec<Event> {
        let Failing {
            code,
            message,
            is_response,
        } = *failure;
        match self.api {
            Api::Responses if is_response => stream::failed(reply, code, message),
            Api::Responses => stream::broken(reply, code, message),
            Api::ChatCompletions => stream::chat::broken(reply, code, message),
            Api::Messages => stream::messages::broken(reply, code, message),
        }
    }
}

struct Failing<'a> {
    code: &'a str,
    message: &'a str,
    /// `response.failed`, not an `error` event.
    is_response: bool,
}

async fn respond(
    in_flight: InFlight,
    step: &Step,
    failure: Option<&Failure>,
    reply: &Reply,
    wire: Wire,
) -> Response {
    let full = || wire.events(reply);
    let (events, ending) = match failure {
        None if wire.streamed => (full(), Ending::Complete),
        None => {
            if let Some(gate) = &step.gate {
                in_flight.pass_gate(gate).await;
            }
            in_flight.end(Outcome::Answered { status: 200 });
            return axum::Json(wire.document(reply)).into_response();
        }
        Some(Failure::Status {
            status,
            code,
            message,
            retry_after_s,
        }) => {
            let status = StatusCode::from_u16(*status).expect("a status from 100 to 999");
            let code = code.as_deref().unwrap_or("scripted_failure");
            let message = message.as_deref().unwrap_or("a scripted failure");
            let mut response = error(&in_flight, status, code, message);
            if let Some(seconds) = retry_after_s {
                let headers = response.headers_mut();
                headers.insert(header::RETRY_AFTER, (*seconds).into());
            }
            return response;
        }
        Some(Failure::Refuse) => {
            in_flight.end(Outcome::Broken);
            let mut response = Response::default();
            response.extensions_mut().insert(CloseInstead);
            return response;
        }
        Some(Failure::Drop { after_events }) => (first(full(), *after_events), Ending::Break),
        Some(Failure::Hang { after_events }) => (first(full(), *after_events), Ending::Silence),
        Some(
            failure @ (Failure::ResponseFailed { code, message }
            | Failure::ErrorEvent { code, message }),
        ) => {
            let is_response = matches!(failure, Failure::ResponseFailed { .. });
            let failing = Failing {
                code,
                message,
                is_response,
            };
            (wire.broken(reply, &failing), Ending::Complete)
        }
    };
    let player = Player {
        in_flight,
        events: events.into_iter(),
        ending,
        gate: step.gate.clone(),
        begun: false,
        pause: Duration::ZERO,
        chunk_delay: Duration::from_millis(step.chunk_delay_ms),
    };
    let body = Body::from_stream(unfold(player, Player::next));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, body).into_response()
}

fn first(mut events: Vec<Event>, count: usize) -> Vec<Event> {
    events.truncate(count);
    events
}

enum Ending {
    Complete,
    Break,
    Silence,
}

/// Plays the events of one stream.
struct Player {
    in_flight: InFlight,
    events: std::vec::IntoIter<Event>,
    ending: Ending,
    gate: Option<String>,
    begun: bool,
    /// Before the next event.
    pause: Duration,
    chunk_delay: Duration,
}

impl Player {
    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        if self.begun
            && let Some(gate) = self.gate.take()
        {
            self.in_flight.pass_gate(&gate).await;
        }
        self.begun = true;
        if !self.pause.is_zero() {
            tokio::time::sleep(self.pause).await;
        }
        let Some(event) = self.events.next() else {
            return self.end().await;
        };
        self.pause = if event.is_delta() {
            self.chunk_delay
        } else {
            Duration::ZERO
        };
        let is_last = self.events.len() == 0;
        if is_last && matches!(self.ending, Ending::Complete) {
            // Clients may leave after the last event without reading to the end.
            self.in_flight.end(Outcome::Answered { status: 200 });
        }
        Some((Ok(Bytes::from(event.to_sse())), self))
    }

    async fn end(self) -> Option<(io::Result<Bytes>, Self)> {
        match self.ending {
            Ending::Complete => None,
            // An error in a body makes hyper close the connection. It sends what it
            // has when the body has to wait, hence the yield.
            Ending::Break => {
                tokio::task::yield_now().await;
                self.in_flight.end(Outcome::Broken);
                let error = io::Error::other("the scenario breaks the stream off");
                Some((Err(error), self))
            }
            Ending::Silence => std::future::pending().await,
        }
    }
}

/// The scenario has no answer: nothing a retry could change, so 400.
fn refuse(in_flight: &InFlight, code: &str, why: &str) -> Response {
    in_flight.note(|record| record.problem = Some(format!("{code}: {why}")));
    error(in_flight, StatusCode::BAD_REQUEST, code, why)
}

fn error(in_flight: &InFlight, status: StatusCode, code: &str, message: &str) -> Response {
    in_flight.end(Outcome::Answered {
        status: status.as_u16(),
    });
    let kind = match status.as_u16() {
        500.. => "server_error",
        429 => "rate_limit_error",
        _ => "invalid_request_error",
    };
    // Anthropic's errors have the outer type, and need not have the rest.
    let document = json!({ "type": "error", "error": { "message": message, "type": kind, "param": null, "code": code } });
    (status, axum::Json(document)).into_response()
}
