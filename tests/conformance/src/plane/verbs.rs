//! From a request to the verb that it is, with whatever is to go wrong.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::{Method, Request, Response, header};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Fault, Seen, Shared, TOKEN};
use crate::http::{Answer, Body, Dropped, Handler, json as respond_json, problem, respond};

/// A request of the protocol.
pub(super) struct Call {
    pub(super) verb: &'static str,
    pub(super) attempt: Option<String>,
    /// `diff`, `session`, …
    pub(super) kind: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) json: Value,
    pub(super) bytes: Bytes,
    /// Where the server is, as the worker knows it.
    pub(super) host: String,
}

impl Call {
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn epoch(&self) -> Option<i64> {
        let of_query = self.query("epoch").and_then(|text| text.parse().ok());
        of_query.or_else(|| self.json["epoch"].as_i64())
    }

    fn read(request: Request<Bytes>) -> Self {
        let (parts, bytes) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (verb, attempt, kind) = match (&parts.method, &segments[..]) {
            (&Method::POST, ["api", "worker", "v1", verb]) => (life(verb), None, ""),
            (&Method::GET, ["api", "worker", "v1", "commands"]) => ("commands", None, ""),
            (&Method::PUT, ["api", "worker", "v1", "snapshots"]) => ("snapshots", None, ""),
            (&Method::POST, ["api", "worker", "v1", "attempts", id, verb]) => {
                (of_attempt(verb), Some(*id), "")
            }
            (&Method::GET, ["api", "worker", "v1", "attempts", id, "objects", kind]) => {
                ("download", Some(*id), *kind)
            }
            (&Method::PUT, ["api", "worker", "v1", "attempts", id, "objects", kind]) => {
                ("upload", Some(*id), *kind)
            }
            (_, _) => ("unknown", None, ""),
        };
        let host = parts.headers.get(header::HOST);
        Self {
            verb,
            attempt: attempt.map(str::to_owned),
            kind: kind.to_owned(),
            query: pairs(parts.uri.query().unwrap_or_default()),
            json: match verb {
                "upload" => json!({"kind": kind, "size": bytes.len()}),
                "unknown" => json!({"path": path}),
                _ => serde_json::from_slice(&bytes).unwrap_or_default(),
            },
            bytes,
            host: host
                .and_then(|host| host.to_str().ok())
                .unwrap_or_default()
                .to_owned(),
        }
    }
}

fn life(verb: &str) -> &'static str {
    let known = ["register", "acquire", "heartbeat", "deregister"];
    known
        .into_iter()
        .find(|known| *known == verb)
        .unwrap_or("unknown")
}

fn of_attempt(verb: &str) -> &'static str {
    match verb {
        "step" => "advance",
        "events" => "append",
        "checkpoint" => "checkpoint",
        "finish" => "finish",
        "release" => "release",
        _ => "unknown",
    }
}

/// Names and ids need no escapes; what has one is kept as it is, and so is no known name.
fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

pub(super) fn handler(shared: &Arc<Shared>) -> Handler {
    let shared = Arc::clone(shared);
    Arc::new(move |request| {
        let shared = Arc::clone(&shared);
        Box::pin(async move { handle(&shared, request).await })
    })
}

async fn handle(shared: &Arc<Shared>, request: Request<Bytes>) -> Answer {
    if request.uri().path().starts_with("/git/") {
        let served = shared.repository.serve(request).await;
        return served.map_err(|_| Dropped);
    }
    let authorization = request.headers().get(header::AUTHORIZATION);
    let is_ours = authorization.is_some_and(|value| *value == *format!("Bearer {TOKEN}"));
    let call = Call::read(request);
    let at = Instant::now();
    let fault = shared.lock().fault(call.verb);
    let answer = match fault {
        _ if !is_ours => Ok(problem(401, "unauthorized", None)),
        Some(Fault::Problem(status, code)) => Ok(problem(status, code, None)),
        Some(Fault::NoAnswer) => Err(Dropped),
        Some(Fault::LostAnswer) => {
            answer(shared, &call).await;
            Err(Dropped)
        }
        None => Ok(answer(shared, &call).await),
    };
    let seen = Seen {
        at,
        answered_at: Instant::now(),
        verb: call.verb,
        attempt: call.attempt.clone(),
        body: call.json,
        status: answer
            .as_ref()
            .map_or(0, |response| response.status().as_u16()),
    };
    shared.lock().seen.push(seen);
    shared.changed.notify_waiters();
    answer
}

async fn answer(shared: &Shared, call: &Call) -> Response<Body> {
    match call.verb {
        "acquire" => acquire(shared, call).await,
        "commands" => commands(shared),
        _ => {
            let mut state = shared.lock();
            state.reap(shared.lease);
            state.answer(shared, call)
        }
    }
}

/// A poll that waits. Whoever asked may hang up.
struct Poll<'a>(&'a Shared);

impl<'a> Poll<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.lock().polls += 1;
        Self(shared)
    }
}

impl Drop for Poll<'_> {
    fn drop(&mut self) {
        self.0.lock().polls -= 1;
    }
}

/// The long poll.
async fn acquire(shared: &Shared, call: &Call) -> Response<Body> {
    let _poll = Poll::begin(shared);
    let wait = call.json["wait_ms"].as_u64().unwrap_or(0).min(30_000);
    let until = tokio::time::Instant::now() + Duration::from_millis(wait);
    loop {
        let changed = shared.changed.notified();
        {
            let mut state = shared.lock();
            state.reap(shared.lease);
            let assignments = state.claim(shared, call);
            if !assignments.is_empty() || tokio::time::Instant::now() >= until {
                let answer = state.dressed(json!({"assignments": assignments}));
                return respond_json(200, &answer);
            }
        }
        // What waits for a lease to run out tells nobody.
        let soon = tokio::time::Instant::now() + Duration::from_millis(100);
        tokio::select! {
            () = changed => {}
            () = tokio::time::sleep_until(until.min(soon)) => {}
        }
    }
}

fn commands(shared: &Shared) -> Response<Body> {
    let (sender, receiver) = mpsc::unbounded_channel::<Bytes>();
    let mut state = shared.lock();
    // The first thing that a server says is when to come back; a worker passes over what it does not know.
    let _ = sender.send(Bytes::from_static(
        b"retry: 500\n\n: a comment\n\nevent: of_a_later_version\ndata: {}\n\n",
    ));
    state.streams.push(sender);
    state.streams_opened += 1;
    state.repeat_commands();
    let frames = stream::unfold(receiver, |mut receiver| async {
        let bytes = receiver.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(bytes)), receiver))
    });
    let mut response = respond(200, "text/event-stream", Bytes::new());
    *response.body_mut() = BodyExt::boxed(StreamBody::new(frames));
    response
}
