//! A gateway with an endpoint behind it and a client before it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use outwork_egress::gateway::{
    ApiKey, Endpoint, Gateway, GatewayConfig, GatewayEvent, Terms, Upstream,
};
use scripted_model::{Options, Scenario, Script, ScriptedModel, Step};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::mpsc;

/// The real key. It must never be seen before the gateway.
pub const CANARY: &str = "sk-canary-8c1f0e5d7b";

/// Longer than anything here takes; reached only by a failure.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Harness {
    pub gateway: Gateway,
    pub events: mpsc::Receiver<GatewayEvent>,
    pub upstream: Upstream,
    directory: TempDir,
}

pub fn harness(base_url: &str, config: GatewayConfig) -> Harness {
    harness_on(base_url, config, Terms::default())
}

pub fn harness_on(base_url: &str, config: GatewayConfig, terms: Terms) -> Harness {
    // An error means that another test of this process was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let key = ApiKey::new(CANARY).unwrap();
    let upstream = Upstream::new(base_url, Some(key), config).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("model.sock");
    let (gateway, events) = Gateway::start(&socket, upstream.clone(), terms).unwrap();
    Harness {
        gateway,
        events,
        upstream,
        directory,
    }
}

/// A gateway before a scripted model that wants the canary.
pub fn scripted(step: Step) -> (ScriptedModel, Harness) {
    scripted_with(step, GatewayConfig::default())
}

pub fn scripted_with(step: Step, config: GatewayConfig) -> (ScriptedModel, Harness) {
    scripted_on(step, config, Terms::default())
}

pub fn scripted_on(step: Step, config: GatewayConfig, terms: Terms) -> (ScriptedModel, Harness) {
    let options = Options {
        api_key: CANARY.into(),
        ..Options::default()
    };
    let scenario = Scenario::new().script(Script::when("hi").step(step));
    let model = ScriptedModel::start_with(scenario, options).unwrap();
    let harness = harness_on(&format!("{}/v1", model.url()), config, terms);
    (model, harness)
}

/// The three APIs.
#[derive(Clone, Copy, Debug)]
pub enum Api {
    Responses,
    ChatCompletions,
    Messages,
}

pub const APIS: [Api; 3] = [Api::Responses, Api::ChatCompletions, Api::Messages];

impl Api {
    pub fn endpoint(self) -> Endpoint {
        match self {
            Self::Responses => Endpoint::Responses,
            Self::ChatCompletions => Endpoint::ChatCompletions,
            Self::Messages => Endpoint::Messages,
        }
    }

    /// As an agent asks that brings no key and wishes for no count.
    pub fn request(self, streamed: bool) -> Request<Full<Bytes>> {
        let body = match self {
            Self::Responses => json!({ "model": "m", "input": "hi", "stream": streamed }),
            Self::ChatCompletions | Self::Messages => {
                let message = json!({ "role": "user", "content": "hi" });
                json!({ "model": "m", "messages": [message], "stream": streamed })
            }
        };
        let mut request = post(self.endpoint().path(), &body);
        request.headers_mut().remove("authorization");
        request
    }
}

impl Harness {
    pub async fn connect(&self) -> UnixStream {
        let socket = self.directory.path().join("model.sock");
        UnixStream::connect(socket).await.unwrap()
    }

    pub async fn send(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        let io = TokioIo::new(self.connect().await);
        let (mut sender, connection) = http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        within(sender.send_request(request)).await.unwrap()
    }

    /// Sends bytes as they are and reads to the end: the head and the body of the answer.
    pub async fn send_raw(&self, request: &str) -> (String, Value) {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer)).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), serde_json::from_str(body).unwrap())
    }

    /// The events up to and including the next `Finished`.
    pub async fn events_of_request(&mut self) -> Vec<GatewayEvent> {
        let mut events = Vec::new();
        loop {
            let event = within(self.events.recv()).await.expect("a Finished event");
            let is_last = matches!(event, GatewayEvent::Finished { .. });
            events.push(event);
            if is_last {
                return events;
            }
        }
    }
}

pub async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .expect("an end within 30 s")
}

/// A request for a streamed response, with credentials that the agent made up.
pub fn ask() -> Request<Full<Bytes>> {
    let body = json!({"model": "m", "input": "hi", "stream": true});
    post("/v1/responses", &body)
}

pub fn post(path: &str, body: &Value) -> Request<Full<Bytes>> {
    Request::post(path)
        .header("host", "gateway")
        .header("authorization", "Bearer agents-own-key")
        .header("content-type", "application/json")
        .header("thread-id", "thread-1")
        .body(Full::new(Bytes::from(body.to_string())))
        .unwrap()
}

pub fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path)
        .header("host", "gateway")
        .body(Full::default())
        .unwrap()
}

pub async fn body_of(response: Response<Incoming>) -> String {
    let body = within(response.into_body().collect()).await.unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

pub async fn json_of(response: Response<Incoming>) -> Value {
    serde_json::from_str(&body_of(response).await).unwrap()
}

/// An endpoint that answers in raw bytes, for what a proper server would not do.
pub struct RawEndpoint {
    pub base_url: String,
    /// The requests, head and body.
    pub requests: Arc<Mutex<Vec<String>>>,
    /// Ends when the gateway closes its connection.
    pub closed: mpsc::Receiver<()>,
}

#[derive(Clone, Copy)]
pub enum Then {
    Close,
    /// Closes with a TCP reset.
    Reset,
    StayOpen,
}

/// Gives the same answer on each connection. `{request}` in it stands for the request.
pub async fn raw_endpoint(answer: &'static str, then: Then) -> RawEndpoint {
    raw_endpoint_of(&[answer], then).await
}

/// Gives one answer after the other, and the last one from then on.
pub async fn raw_endpoint_of(answers: &[&str], then: Then) -> RawEndpoint {
    let mut answers: VecDeque<String> = answers.iter().map(|&answer| answer.into()).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let (closing, closed) = mpsc::channel(10);
    let log = requests.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = read_request(&mut stream).await;
            log.lock().unwrap().push(request.clone());
            let answer = match answers.len() {
                1 => answers[0].clone(),
                _ => answers.pop_front().unwrap(),
            };
            let answer = answer.replace("{request}", &request);
            stream.write_all(answer.as_bytes()).await.unwrap();
            match then {
                Then::Close => {}
                Then::Reset => stream.set_zero_linger().unwrap(),
                Then::StayOpen => {
                    let closing = closing.clone();
                    tokio::spawn(async move {
                        let mut rest = Vec::new();
                        let _ = stream.read_to_end(&mut rest).await;
                        closing.send(()).await.unwrap();
                    });
                }
            }
        }
    });
    RawEndpoint {
        base_url,
        requests,
        closed,
    }
}

pub async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await.unwrap();
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let head_and_body = text.split_once("\r\n\r\n");
        let is_whole = head_and_body.is_some_and(|(head, body)| {
            let mut lines = head.lines();
            let length = lines.find_map(|line| line.strip_prefix("content-length: "));
            body.len() >= length.map_or(0, |length| length.parse().unwrap())
        });
        let is_tls = request.first() == Some(&0x16);
        if is_whole || is_tls || read == 0 {
            return text;
        }
    }
}
