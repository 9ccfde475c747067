//! Private repositories: the server asks with the credential that fits.

use std::path::{Path as File, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use reqwest::Method;
use serde_json::json;
use tokio::net::TcpListener;

use crate::rig::{Rig, repository};

const TOKEN: &str = "canary-of-a-private-repository";

/// Files behind a password, and who asked for them.
#[derive(Clone)]
struct Served {
    folder: PathBuf,
    password: HeaderValue,
    asked: Arc<Mutex<Vec<Option<HeaderValue>>>>,
}

async fn file(
    State(served): State<Served>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Response {
    let given = headers.get(header::AUTHORIZATION).cloned();
    let is_known = given.as_ref() == Some(&served.password);
    served.asked.lock().expect("no panic").push(given);
    if !is_known {
        let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"here\"")];
        return (StatusCode::UNAUTHORIZED, challenge).into_response();
    }
    match std::fs::read(served.folder.join(path)) {
        Ok(content) => content.into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// As a client sends it.
fn password() -> HeaderValue {
    let request = crate::rig::http::Client::new("http://localhost", None).request(Method::GET, "/");
    let request = request.basic_auth("ada", Some(TOKEN)).build();
    request.expect("a request").headers()[header::AUTHORIZATION].clone()
}

/// Serves a repository as plain files; answers its host.
async fn serve(repository: &File) -> (String, Served) {
    repository::git(repository, &["update-server-info"]);
    let served = Served {
        folder: repository.join(".git"),
        password: password(),
        asked: Arc::default(),
    };
    let routes = Router::new()
        .route("/team/app.git/{*path}", get(file))
        .with_state(served.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let host = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (host, served)
}

#[tokio::test]
async fn a_task_on_a_private_repository_needs_its_credential() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    let (host, served) = serve(&path).await;
    let body = json!({"label": "app", "repository_url": format!("http://{host}/team/app.git"), "branch": "main",
        "agent": {"name": "command", "command": "cat"}});
    rig.user()
        .post("/api/v1/environments", &body)
        .await
        .expect(201);
    let submit = async || {
        let task = json!({"environment": "app", "prompt": "p"});
        rig.user().post("/api/v1/tasks", &task).await
    };
    let set = async |scope: &str, token: &str| {
        let secret = json!({"kind": "token", "username": "ada", "token": token});
        let body = json!({"scope": scope, "secret": secret});
        let user = rig.user();
        let set = user.send(Method::PUT, "/api/v1/credentials", &body);
        set.await.expect(200)
    };
    let refused = submit().await.problem(422, "repository");
    let hint = refused["hint"].as_str().expect("a hint");
    assert!(hint.contains("outwork credential set"), "{refused:#}");
    // One of another part of the host is not sent.
    set(&format!("{host}/other"), TOKEN).await;
    submit().await.problem(422, "repository");
    let asked = std::mem::take(&mut *served.asked.lock().expect("no panic"));
    assert!(
        !asked.is_empty() && asked.iter().all(Option::is_none),
        "{asked:?}"
    );
    set(&host, "an-old-one").await;
    let refused = submit().await.problem(422, "repository");
    assert!(!refused.to_string().contains("an-old-one"), "{refused:#}");
    set(&format!("{host}/team"), TOKEN).await;
    let task = submit().await.expect(201);
    assert_eq!(task["commit"], repository::tip(&path, "main"));
    assert!(!task.to_string().contains(TOKEN), "{task:#}");
    let log = crate::rig::log::text();
    let line = log.lines().find(|line| line.contains(TOKEN));
    assert!(line.is_none(), "{line:?}");
    rig.stop().await;
}
