//! The HTTP server and the handle that a test holds.

mod answer;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::board::{Board, RequestRecord, SharedBoard};
use crate::scenario::Scenario;

pub const DEFAULT_API_KEY: &str = "scripted-key";

/// How long a test waits for a condition before it panics with the state.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub struct Options {
    pub listen: SocketAddr,
    pub api_key: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            api_key: DEFAULT_API_KEY.into(),
        }
    }
}

/// A running server. Dropping it closes the port and every connection.
pub struct ScriptedModel {
    address: SocketAddr,
    api_key: String,
    board: SharedBoard,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl ScriptedModel {
    /// Listens on a free port of 127.0.0.1. The server has a thread and a runtime
    /// of its own, so a test may block.
    pub fn start(scenario: Scenario) -> io::Result<Self> {
        Self::start_with(scenario, Options::default())
    }

    pub fn start_with(scenario: Scenario, options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let board = SharedBoard::new(watch::Sender::new(Board::default()));
        let model = Arc::new(Model {
            scenario,
            api_key: options.api_key.clone(),
            board: board.clone(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("scripted-model".into())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        served = serve(listener, routes(model)) => served.expect("the listener works"),
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Self {
            address,
            api_key: options.api_key,
            board,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Without `/v1` and without a final slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// All requests so far, in the order of arrival.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.board.borrow().requests.clone()
    }

    /// What went against the scenario: prompts and steps that it lacks, unmet
    /// expectations, wrong keys. Empty after a run as scripted.
    pub fn problems(&self) -> Vec<String> {
        let board = self.board.borrow();
        let problems = board.requests.iter().filter_map(|r| r.problem.clone());
        problems.collect()
    }

    /// It stays open.
    pub fn open_gate(&self, gate: &str) {
        self.board.send_modify(|board| {
            board.open_gates.insert(gate.to_owned());
        });
    }

    /// Returns when a request waits at the gate.
    ///
    /// # Panics
    /// After 60 s, with the state of the server.
    pub async fn waiting_at(&self, gate: &str) {
        self.waiting_at_least(gate, 1).await;
    }

    /// Returns when so many requests wait at the gate; panics as [`Self::waiting_at`].
    pub async fn waiting_at_least(&self, gate: &str, count: usize) {
        let what = format!("{count} request(s) at gate {gate:?}");
        self.wait(&what, |board| board.waiting.get(gate) >= Some(&count))
            .await;
    }

    /// Returns when the requests so far satisfy the condition; panics as
    /// [`Self::waiting_at`], naming `what`.
    pub async fn until(&self, what: &str, condition: impl Fn(&[RequestRecord]) -> bool) {
        self.wait(what, |board| condition(&board.requests)).await;
    }

    async fn wait(&self, what: &str, condition: impl Fn(&Board) -> bool) {
        let mut changes = self.board.subscribe();
        let met = tokio::time::timeout(PATIENCE, changes.wait_for(|board| condition(board)))
            .await
            .is_ok();
        assert!(
            met,
            "no {what} within {PATIENCE:?}: {:#?}",
            self.board.borrow()
        );
    }
}

impl Drop for ScriptedModel {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            // A second panic while unwinding would abort the test run.
            assert!(
                ended.is_ok() || thread::panicking(),
                "the scripted model panicked"
            );
        }
    }
}

struct Model {
    scenario: Scenario,
    api_key: String,
    board: SharedBoard,
}

/// Put on a response that must not be sent: the connection is closed instead.
#[derive(Clone, Copy)]
struct CloseInstead;

fn routes(model: Arc<Model>) -> Router {
    Router::new()
        .route("/v1/responses", post(answer::responses))
        .route("/v1/chat/completions", post(answer::chat_completions))
        .route("/v1/messages", post(answer::messages))
        .route("/v1/models", get(models))
        .route("/_script/requests", get(requests))
        .route("/_script/gates/{gate}", post(open_gate))
        .layer(DefaultBodyLimit::disable())
        .with_state(model)
}

/// The connections belong to this future, so they end with it.
async fn serve(listener: TcpListener, routes: Router) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let (stream, _) = accepted?;
        stream.set_nodelay(true)?;
        let routes = routes.clone();
        let service = service_fn(move |request| {
            let routes = routes.clone();
            async move {
                let response = match routes.oneshot(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                };
                match response.extensions().get::<CloseInstead>() {
                    Some(CloseInstead) => Err(io::Error::other("the scenario refuses")),
                    None => Ok(response),
                }
            }
        });
        connections.spawn(async move {
            // How a client leaves is recorded per request.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn models(
    State(model): State<Arc<Model>>,
    request: axum::extract::Request,
) -> Result<Response, Response> {
    let (parts, _) = request.into_parts();
    let in_flight =
        answer::admit(&model, &parts, serde_json::Value::Null).map_err(|refusal| *refusal)?;
    let entry =
        |id| json!({ "id": id, "object": "model", "created": 1_700_000_000, "owned_by": "test" });
    let data: Vec<_> = model.scenario.models.iter().map(entry).collect();
    let list = json!({ "object": "list", "data": data });
    in_flight.end(crate::Outcome::Answered { status: 200 });
    Ok(axum::Json(list).into_response())
}

async fn requests(State(model): State<Arc<Model>>) -> Response {
    axum::Json(&model.board.borrow().requests).into_response()
}

async fn open_gate(State(model): State<Arc<Model>>, Path(gate): Path<String>) -> StatusCode {
    model.board.send_modify(|board| {
        board.open_gates.insert(gate);
    });
    StatusCode::NO_CONTENT
}
