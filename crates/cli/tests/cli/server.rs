//! A server that speaks the wire types over real HTTP. What it knows is set by each test.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use futures_util::{StreamExt, stream};
use outwork_api::problem::{CONTENT_TYPE, Code, Problem};
use serde_json::{Value, json};

pub const TASK: &str = "task_0192c3f0a1b27def8123456789abcdef";
pub const ATTEMPT: &str = "att_0192c3f0a1b27def8123456789abcd01";

/// What the server knows.
#[derive(Default)]
pub struct World {
    pub environments: Vec<Value>,
    pub tasks: Vec<Value>,
    /// By attempt.
    pub events: BTreeMap<String, Vec<Value>>,
    pub diff: Vec<u8>,
    /// Of further repositories, by name.
    pub further_diffs: BTreeMap<String, Vec<u8>>,
    pub model: Option<Value>,
    pub workers: Option<Value>,
    pub cache: Option<Value>,
    pub credentials: Vec<Value>,
    /// How a publication stands, at one look after the other.
    pub publications: Vec<Value>,
    /// How often an environment cannot be deleted yet.
    pub deletions_refused: u32,
    /// What is answered at further addresses, by method and path; nothing where it is `null`.
    pub answers: BTreeMap<String, Value>,
    /// Answers to everything but `/me`.
    pub refusal: Option<Problem>,
    /// Method, path with query, and body of each request.
    pub requests: Vec<(String, Value)>,
}

type Shared = Arc<Mutex<World>>;

pub struct Server {
    pub url: String,
    pub world: Shared,
}

impl Server {
    pub async fn start(world: World) -> Self {
        let world = Arc::new(Mutex::new(world));
        let app = Router::new()
            .route("/api/v1/me", get(me))
            .route(
                "/api/v1/environments",
                get(environments).post(create_environment),
            )
            .route(
                "/api/v1/environments/{id}",
                get(environment)
                    .patch(edit_environment)
                    .delete(delete_environment),
            )
            .route("/api/v1/tasks", get(tasks).post(submit))
            .route("/api/v1/tasks/{id}", get(task))
            .route("/api/v1/tasks/{id}/turns", post(submit))
            .route("/api/v1/tasks/{id}/cancel", post(submit))
            .route("/api/v1/tasks/{id}/choice", put(submit).delete(submit))
            .route("/api/v1/tasks/{id}/publications", post(publish))
            .route("/api/v1/publications/{id}", get(publication))
            .route("/api/v1/tasks/{id}/diff", get(diff))
            .route("/api/v1/attempts/{id}/events", get(events))
            .route("/api/v1/model", get(model).put(set_model).delete(delete))
            .route("/api/v1/workers", get(workers))
            .route("/api/v1/cache", get(cache))
            .route("/api/v1/cache/reset", post(reset_cache))
            .route("/api/v1/codex-logins", post(codex_login).delete(delete))
            .route("/oauth/revoke", post(revoke))
            .route("/api/v1/credentials", get(credentials).put(set_credential))
            .route("/api/v1/credentials/{id}", axum::routing::delete(delete))
            .fallback(further)
            .layer(middleware::from_fn_with_state(Arc::clone(&world), guard))
            .with_state(Arc::clone(&world));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, world }
    }

    pub fn requests(&self) -> Vec<(String, Value)> {
        self.world.lock().expect("no panic").requests.clone()
    }

    pub fn paths(&self) -> Vec<String> {
        self.requests().into_iter().map(|(line, _)| line).collect()
    }
}

/// The address of a server that has gone.
pub async fn dead_url() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    format!("http://{}", listener.local_addr().expect("bound"))
}

fn refuse(problem: Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).expect("a status");
    (
        status,
        [(header::CONTENT_TYPE, CONTENT_TYPE)],
        Json(problem),
    )
        .into_response()
}

/// Checks the token, notes the request.
async fn guard(State(world): State<Shared>, request: Request, next: Next) -> Response {
    let token = request.headers().get(header::AUTHORIZATION).cloned();
    let known = ["Bearer ow_good", "Bearer ow_worker"];
    if !token.is_some_and(|token| known.iter().any(|known| token == known)) {
        return refuse(Problem::new(
            Code::Unauthorized,
            "The token is not one of this server.",
        ));
    }
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX)
        .await
        .expect("a body");
    let line = format!("{} {}", parts.method, parts.uri);
    let value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let refusal = {
        let mut world = world.lock().expect("no panic");
        world.requests.push((line, value));
        world
            .refusal
            .clone()
            .filter(|_| parts.uri.path() != "/api/v1/me")
    };
    match refusal {
        Some(problem) => refuse(problem),
        None => {
            next.run(Request::from_parts(parts, Body::from(bytes)))
                .await
        }
    }
}

async fn further(State(world): State<Shared>, request: Request) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    match world.lock().expect("no panic").answers.get(&line) {
        Some(Value::Null) => StatusCode::NO_CONTENT.into_response(),
        Some(answer) => Json(answer.clone()).into_response(),
        None => missing("address"),
    }
}

async fn me(headers: HeaderMap) -> Json<Value> {
    let is_worker = headers[header::AUTHORIZATION] == "Bearer ow_worker";
    let kind = if is_worker { "worker" } else { "user" };
    Json(
        json!({"principal_id": "prn_1", "kind": kind, "name": "ada", "workspace_id": "ws_1",
        "workspace_name": "home", "server_version": "0.1.0"}),
    )
}

async fn environments(State(world): State<Shared>) -> Json<Value> {
    Json(json!({"items": world.lock().expect("no panic").environments}))
}

fn missing(what: &str) -> Response {
    refuse(Problem::new(
        Code::NotFound,
        format!("There is no such {what}."),
    ))
}

fn find(list: &[Value], id: &str, what: &str) -> Response {
    match list.iter().find(|one| one["id"] == id) {
        Some(found) => Json(found.clone()).into_response(),
        None => missing(what),
    }
}

async fn environment(State(world): State<Shared>, Path(id): Path<String>) -> Response {
    find(
        &world.lock().expect("no panic").environments,
        &id,
        "environment",
    )
}

/// The same label again is the same request again.
async fn create_environment(State(world): State<Shared>, Json(new): Json<Value>) -> Json<Value> {
    let all = &mut world.lock().expect("no panic").environments;
    let mut made = environment_json("env_0192c3f0a1b27def8123456789abcde9", "", "");
    let is_same = |one: &&Value| one["id"] == made["id"] && one["label"] == new["label"];
    if let Some(same) = all.iter().find(is_same) {
        return Json(same.clone());
    }
    write(&mut made, &new);
    all.push(made.clone());
    Json(made)
}

async fn delete_environment(State(world): State<Shared>, Path(id): Path<String>) -> Response {
    let mut world = world.lock().expect("no panic");
    if world.deletions_refused > 0 {
        world.deletions_refused -= 1;
        return refuse(Problem::new(Code::Conflict, "A task in it is not over."));
    }
    world.environments.retain(|one| one["id"] != *id);
    StatusCode::NO_CONTENT.into_response()
}

/// What was sent, as an environment shows it afterwards: of secrets and injections no values.
fn write(environment: &mut Value, sent: &Value) {
    for (name, value) in sent.as_object().expect("an object") {
        match (name.as_str(), value.as_object()) {
            ("secrets", Some(secrets)) => {
                let set = secrets.iter().filter(|(_, value)| value.is_string());
                let set = set.map(|(name, _)| secret_json(name));
                environment["secrets"] = set.collect();
            }
            ("injections", None) => {
                let set = value.as_array().expect("a list").iter();
                let set = set.filter(|one| one["value"].is_string()).map(|one| {
                    json!({"host": one["host"], "header": one["header"],
                        "updated_at": "2026-11-20T14:00:00.000Z"})
                });
                environment["injections"] = set.collect();
            }
            (_, _) if value == "" => environment[name] = Value::Null,
            (_, _) => environment[name] = value.clone(),
        }
    }
}

pub fn secret_json(name: &str) -> Value {
    json!({"name": name, "updated_at": "2026-11-20T14:00:00.000Z"})
}

async fn edit_environment(
    State(world): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(patch): Json<Value>,
) -> Response {
    let mut world = world.lock().expect("no panic");
    let Some(one) = world.environments.iter_mut().find(|one| one["id"] == *id) else {
        return missing("environment");
    };
    let expected = headers.get(header::IF_MATCH);
    if expected.is_some_and(|tag| tag != &format!("\"{}\"", one["revision"])) {
        return refuse(Problem::new(Code::PreconditionFailed, "Edited meanwhile."));
    }
    write(one, &patch);
    Json(one.clone()).into_response()
}

async fn codex_login() -> (StatusCode, Json<Value>) {
    let login = json!({"access_token": "ow_good", "id_token": "x", "refresh_token": "", "account_id": "ws_1"});
    (StatusCode::CREATED, Json(login))
}

async fn revoke() -> Json<Value> {
    Json(json!({}))
}

async fn delete() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn tasks(
    State(world): State<Shared>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Json<Value> {
    // Pages of two, so that searches have to go on.
    let from: usize = query
        .get("cursor")
        .map_or(0, |cursor| cursor.parse().expect("our cursor"));
    let all = &world.lock().expect("no panic").tasks;
    let items: Vec<&Value> = all.iter().skip(from).take(2).collect();
    let next = (from + 2 < all.len()).then(|| (from + 2).to_string());
    Json(json!({"items": items, "next_cursor": next}))
}

async fn submit(State(world): State<Shared>) -> Response {
    let world = world.lock().expect("no panic");
    let task = world.tasks.first().cloned();
    task.map_or_else(
        || missing("task"),
        |task| (StatusCode::CREATED, Json(task)).into_response(),
    )
}

async fn task(State(world): State<Shared>, Path(id): Path<String>) -> Response {
    find(&world.lock().expect("no panic").tasks, &id, "task")
}

async fn diff(
    State(world): State<Shared>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let world = world.lock().expect("no panic");
    let diff = match query.get("repository") {
        None => Some(&world.diff),
        Some(name) => world.further_diffs.get(name),
    };
    diff.map_or_else(
        || missing("repository"),
        |diff| diff.clone().into_response(),
    )
}

async fn events(
    State(world): State<Shared>,
    Path(id): Path<String>,
    Query(query): Query<BTreeMap<String, i64>>,
    headers: HeaderMap,
) -> Response {
    let last_id = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok());
    let after: i64 = last_id.or(query.get("after").copied()).unwrap_or(0);
    let all = world
        .lock()
        .expect("no panic")
        .events
        .get(&id)
        .cloned()
        .unwrap_or_default();
    let is_stream = headers
        .get(header::ACCEPT)
        .is_some_and(|accept| accept == "text/event-stream");
    let mut new = all
        .into_iter()
        .filter(|event| event["seq"].as_i64().expect("a number") > after);
    if !is_stream {
        let items: Vec<Value> = new.by_ref().take(3).collect();
        let next = new
            .next()
            .map(|_| items.last().expect("some")["seq"].to_string());
        return Json(json!({"items": items, "next_cursor": next})).into_response();
    }
    let pieces: Vec<_> = new
        .map(|event| {
            Ok::<_, Infallible>(Bytes::from(format!(
                "id: {}\ndata: {event}\n\n",
                event["seq"]
            )))
        })
        .collect();
    // Stays open, as the real one does while an attempt runs.
    let body = Body::from_stream(stream::iter(pieces).chain(stream::pending()));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

async fn model(State(world): State<Shared>) -> Response {
    let model = world.lock().expect("no panic").model.clone();
    model.map_or_else(|| missing("model"), |model| Json(model).into_response())
}

async fn set_model(State(world): State<Shared>, Json(new): Json<Value>) -> Json<Value> {
    let mut model = json!({"base_url": new["base_url"], "name": new["name"],
        "has_api_key": new["api_key"].is_string(), "context_window": 128_000,
        "updated_at": "2026-11-20T14:00:00.000Z"});
    if new["prices"].is_object() {
        model["prices"] = new["prices"].clone();
    }
    world.lock().expect("no panic").model = Some(model.clone());
    Json(model)
}

async fn cache(State(world): State<Shared>) -> Json<Value> {
    let cache = world.lock().expect("no panic").cache.clone();
    Json(cache.unwrap_or_else(|| json!({"snapshots": [], "environments": []})))
}

async fn reset_cache(State(world): State<Shared>) -> Json<Value> {
    let cache = world.lock().expect("no panic").cache.take();
    let snapshots = cache.and_then(|cache| cache["snapshots"].as_array().cloned());
    let size = |one: &Value| one["size_bytes"].as_u64().expect("a size");
    let sizes: Vec<u64> = snapshots.iter().flatten().map(size).collect();
    Json(json!({"snapshots": sizes.len(), "size_bytes": sizes.iter().sum::<u64>()}))
}

async fn credentials(State(world): State<Shared>) -> Json<Value> {
    Json(json!({"items": world.lock().expect("no panic").credentials}))
}

async fn set_credential(Json(new): Json<Value>) -> Json<Value> {
    let secret = &new["secret"];
    Json(
        json!({"id": "cred_0192c3f0a1b27def8123456789abcdc1", "scope": new["scope"],
        "kind": secret["kind"], "username": secret["username"], "updated_at": "2026-11-20T14:00:00.000Z"}),
    )
}

async fn workers(State(world): State<Shared>) -> Json<Value> {
    let workers = world.lock().expect("no panic").workers.clone();
    Json(json!({"items": workers.unwrap_or_else(some_workers)}))
}

fn some_workers() -> Value {
    json!([
        {"id": "wkr_1", "name": "rack\u{1b}[31m", "slots": 4, "agents": ["codex", "command"], "online": true, "state": "draining", "desired": "retire",
            "isolation": "oci:crun\u{1b}[2J", "labels": {"gpu": "true", "zone": "a\u{1b}[2J"},
            "seen_at": "2026-11-20T14:54:00.000Z", "attempts": [ATTEMPT]},
        {"id": "wkr_2", "name": "old", "slots": 1, "agents": ["command"], "online": false, "state": "offline",
            "seen_at": "2026-11-19T14:54:00.000Z", "attempts": []},
    ])
}

pub fn environment_json(id: &str, label: &str, repository_url: &str) -> Value {
    json!({"id": id, "label": label, "repository_url": repository_url, "agent": {"name": "codex"},
        "variables": {"A": "1", "B": "2"}, "setup_timeout_seconds": 1200, "timeout_seconds": 3600, "revision": 4,
        "created_at": "2026-11-20T14:00:00.000Z", "updated_at": "2026-11-20T14:00:00.000Z"})
}

/// A task with one turn of one attempt for each given state.
pub fn task_json(
    id: &str,
    title: &str,
    status: &str,
    outcome: Option<&str>,
    states: &[&str],
) -> Value {
    let attempts = states.iter().enumerate().map(|(index, state)| {
        let number = index + 1;
        json!({"id": format!("att_0192c3f0a1b27def8123456789abcd{number:02}"), "number": number, "state": state,
            "cancelling": false, "tries": 1, "diff": {"files_changed": 1, "lines_added": 2, "lines_removed": 0},
            "message": "I did it.\nAll of it."})
    });
    let mut task = json!({"id": id, "url": format!("http://h/codex/tasks/{id}"), "title": title, "status": status,
        "created_at": "2026-11-20T14:50:00.000Z", "updated_at": "2026-11-20T14:54:00.000Z",
        "environment_id": "env_0192c3f0a1b27def8123456789abcde1", "environment_label": "demo",
        "summary": {"files_changed": 1, "lines_added": 2, "lines_removed": 0}, "is_review": false,
        "attempt_total": states.len(), "branch": "main", "commit": "0123456789abcdef0123456789abcdef01234567",
        "turns": [{"id": "turn_1", "number": 1, "prompt": title, "created_at": "2026-11-20T14:50:00.000Z",
            "attempts": attempts.collect::<Vec<_>>()}]});
    if let Some(outcome) = outcome {
        task["outcome"] = json!(outcome);
    }
    task
}

/// A log: a state, a message, and what is given.
pub fn log(bodies: &[Value]) -> Vec<Value> {
    let numbered = bodies.iter().enumerate().map(|(index, body)| {
        let mut event = body.clone();
        event["seq"] = json!(index + 1);
        event["epoch"] = json!(1);
        event["at"] = json!(format!("2026-11-20T14:50:{index:02}.000Z"));
        event
    });
    numbered.collect()
}

/// A world with one task whose attempt has ended in `state`.
pub fn world(status: &str, outcome: Option<&str>, state: &str) -> World {
    let events = log(&[
        json!({"type": "state", "state": "running", "worker": "wkr_1"}),
        json!({"type": "message", "text": "hello"}),
        json!({"type": "from_the_future", "x": 1}),
        json!({"type": "state", "state": state}),
    ]);
    World {
        environments: vec![environment_json(
            "env_0192c3f0a1b27def8123456789abcde1",
            "demo",
            "https://h/ada/engine",
        )],
        tasks: vec![task_json(TASK, "fix it", status, outcome, &[state])],
        events: BTreeMap::from([(ATTEMPT.to_owned(), events)]),
        ..World::default()
    }
}

async fn publish(State(world): State<Shared>) -> Response {
    (StatusCode::CREATED, publication(State(world)).await).into_response()
}

async fn publication(State(world): State<Shared>) -> Json<Value> {
    Json(world.lock().expect("no panic").publications.remove(0))
}
