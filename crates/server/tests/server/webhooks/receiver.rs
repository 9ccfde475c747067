//! A receiver of webhooks that does what a test tells it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use outwork_api::webhook::signature::{self, Key};
use outwork_domain::Timestamp;
use outwork_server::WebhookConfig;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::rig::{Rig, Setting, until};

/// What it does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    Says(u16),
    SaysLater(u16, u64),
    Redirects,
    /// 200, and then a body that never ends.
    Endless,
    /// Nothing, for ever.
    Silent,
}

/// What it was sent.
#[derive(Clone, Debug)]
pub struct Got {
    pub path: String,
    pub id: String,
    pub at: String,
    pub signature: String,
    pub body: Bytes,
}

impl Got {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub fn kind(&self) -> String {
        self.json()["type"].as_str().expect("a type").to_owned()
    }

    pub fn verify(&self, secret: &str, now: Timestamp) -> Result<(), signature::Unverified> {
        let key = Key::parse(secret).expect("a secret");
        signature::verify(&key, &self.id, &self.at, &self.signature, &self.body, now)
    }
}

#[derive(Default)]
struct Shared {
    /// For the next ones; then `otherwise`.
    next: VecDeque<Answers>,
    otherwise: Option<Answers>,
    got: Vec<Got>,
    /// How many wait in silence, and how many did at most.
    silent: usize,
    most_silent: usize,
}

/// One that waits, until who asked goes away.
struct Silent(Arc<Mutex<Shared>>);

impl Silent {
    fn begin(shared: &Arc<Mutex<Shared>>) -> Self {
        let mut all = shared.lock().expect("no panic");
        all.silent += 1;
        all.most_silent = all.most_silent.max(all.silent);
        Self(Arc::clone(shared))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.0.lock().expect("no panic").silent -= 1;
    }
}

#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    shared: Arc<Mutex<Shared>>,
}

impl Receiver {
    pub async fn start() -> Self {
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let app = Router::new()
            .fallback(receive)
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            url: format!("http://{address}/hook"),
            shared,
        }
    }

    pub fn answers(&self, next: &[Answers], otherwise: Answers) {
        let mut shared = self.shared.lock().expect("no panic");
        shared.next = next.iter().copied().collect();
        shared.otherwise = Some(otherwise);
    }

    pub fn got(&self) -> Vec<Got> {
        self.shared.lock().expect("no panic").got.clone()
    }

    pub fn most_silent(&self) -> usize {
        self.shared.lock().expect("no panic").most_silent
    }

    /// Once there are so many.
    pub async fn got_at_least(&self, count: usize) -> Vec<Got> {
        until(async || self.got(), |got| got.len() >= count).await
    }
}

async fn receive(State(shared): State<Arc<Mutex<Shared>>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let headers = request.headers().clone();
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await;
    let text = |headers: &HeaderMap, name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let got = Got {
        path,
        id: text(&headers, "webhook-id"),
        at: text(&headers, "webhook-timestamp"),
        signature: text(&headers, "webhook-signature"),
        body: body.expect("a body"),
    };
    let answer = {
        let mut shared = shared.lock().expect("no panic");
        shared.got.push(got);
        shared.next.pop_front().or(shared.otherwise)
    };
    let status = |code| StatusCode::from_u16(code).expect("a status");
    match answer.unwrap_or(Answers::Says(204)) {
        Answers::Says(code) => (status(code), "told\0 ü").into_response(),
        Answers::SaysLater(code, seconds) => {
            let after = [(header::RETRY_AFTER, seconds.to_string())];
            (status(code), after).into_response()
        }
        Answers::Redirects => {
            let to = [(header::LOCATION, "/elsewhere")];
            (StatusCode::TEMPORARY_REDIRECT, to).into_response()
        }
        Answers::Endless => {
            let pieces = stream::repeat_with(|| Bytes::from_static(&[b'a'; 4096]));
            Body::from_stream(pieces.map(Ok::<_, std::io::Error>)).into_response()
        }
        Answers::Silent => {
            let _silent = Silent::begin(&shared);
            std::future::pending().await
        }
    }
}

/// A server that may tell this machine, and waits for half a second.
pub fn setting() -> Setting {
    Setting {
        webhooks: WebhookConfig {
            addresses: vec!["127.0.0.0/8".parse().expect("a network")],
            limit: Duration::from_millis(500),
        },
        ..Setting::default()
    }
}

/// A webhook at that address: the answer of the server that made it.
pub async fn webhook(rig: &Rig, url: &str, events: &[&str]) -> Value {
    let new = json!({"url": url, "events": events});
    rig.user().post("/api/v1/webhooks", &new).await.expect(201)
}

pub fn path(webhook: &Value) -> String {
    format!(
        "/api/v1/webhooks/{}",
        webhook["id"].as_str().expect("an id")
    )
}

pub async fn test(rig: &Rig, webhook: &Value) -> Value {
    let path = format!("{}/test", path(webhook));
    rig.user().bare(Method::POST, &path).await.expect(202)
}

pub async fn deliveries(rig: &Rig, webhook: &Value) -> Vec<Value> {
    let page = rig
        .get(&format!("{}/deliveries?limit=100", path(webhook)))
        .await;
    page["items"].as_array().expect("a list").clone()
}

/// The newest delivery, once it is in that state and was tried so often.
pub async fn newest(rig: &Rig, webhook: &Value, state: &str, tries: u64) -> Value {
    let reached = |delivery: &Value| delivery["state"] == state && delivery["tries"] == tries;
    until(
        async || deliveries(rig, webhook).await.remove(0),
        |delivery| reached(delivery),
    )
    .await
}
