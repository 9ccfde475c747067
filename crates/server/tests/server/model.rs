//! The model and its key.

use outwork_api::secret::Secret;
use outwork_domain::WorkspaceId;
use outwork_server::ModelDefault;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::rig::worker::Worker;
use crate::rig::{Rig, Setting, repository};

const CANARY: &str = "sk-canary-7f3a";

async fn set(rig: &Rig, body: &Value) -> crate::rig::http::Answer {
    rig.user().send(Method::PUT, "/api/v1/model", body).await
}

async fn codex_environment(rig: &Rig) {
    let path = repository::make(rig.directory.path());
    let body = json!({"label": "app", "repository_url": path, "agent": {"name": "codex"}});
    rig.user()
        .post("/api/v1/environments", &body)
        .await
        .expect(201);
}

#[tokio::test]
async fn a_key_reaches_the_worker_and_nobody_else() {
    let rig = Rig::start().await;
    codex_environment(&rig).await;
    let submit = json!({"environment": "app", "prompt": "p"});
    rig.user()
        .get("/api/v1/model")
        .await
        .problem(404, "not_found");
    let missing = rig
        .user()
        .post("/api/v1/tasks", &submit)
        .await
        .problem(409, "conflict");
    assert!(
        missing["hint"]
            .as_str()
            .expect("a hint")
            .contains("outwork model set"),
        "{missing}"
    );

    let answer = set(
        &rig,
        &json!({"base_url": "https://model.example/v1/", "name": "m-1", "api_key": CANARY}),
    )
    .await;
    assert!(!answer.headers.contains_key("warning"));
    let model = answer.expect(200);
    let expected = json!({"base_url": "https://model.example/v1", "name": "m-1", "has_api_key": true, "context_window": 128_000,
        "updated_at": "2026-11-20T14:53:40.000Z"});
    assert_eq!(model, expected);
    assert_eq!(rig.get("/api/v1/model").await, expected);

    let worker = Worker::register(&rig, "one").await;
    let task = rig.user().post("/api/v1/tasks", &submit).await.expect(201);
    assert!(!task.to_string().contains(CANARY));
    let claim = worker.take().await;
    let access = json!({"base_url": "https://model.example/v1", "name": "m-1", "api_key": CANARY, "context_window": 128_000});
    assert_eq!(claim.assignment["model"], access);
    let directory = rig.directory.path().to_owned();
    // Kept until the end, so that the files can be read after the server has stopped.
    let rig = rig.restart(std::time::Duration::ZERO).await;
    for entry in std::fs::read_dir(&directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let content = std::fs::read(&path).expect("a file");
            assert!(
                !content
                    .windows(CANARY.len())
                    .any(|part| part == CANARY.as_bytes()),
                "{} holds the key",
                path.display()
            );
        }
    }

    // Left out, the key stays; for another server it has to be given again.
    set(
        &rig,
        &json!({"base_url": "https://model.example/v2", "name": "m-2"}),
    )
    .await
    .expect(200);
    assert_eq!(rig.get("/api/v1/model").await["has_api_key"], true);
    let moved = set(
        &rig,
        &json!({"base_url": "https://evil.example/v1", "name": "m"}),
    )
    .await
    .problem(422, "unprocessable");
    assert_eq!(moved["errors"][0]["pointer"], "/api_key");
    let none = set(&rig, &json!({"base_url": "http://10.0.0.7:8000/v1", "name": "m", "api_key": "", "context_window": 1000})).await;
    assert!(none.header("warning").contains("plain http"));
    assert_eq!(none.expect(200)["has_api_key"], false);
    let local = set(
        &rig,
        &json!({"base_url": "http://127.0.0.1:8000/v1", "name": "m"}),
    )
    .await;
    assert!(!local.headers.contains_key("warning"));
    rig.user()
        .bare(Method::DELETE, "/api/v1/model")
        .await
        .expect(204);
    rig.user()
        .bare(Method::DELETE, "/api/v1/model")
        .await
        .expect(204);
    rig.user()
        .get("/api/v1/model")
        .await
        .problem(404, "not_found");
    rig.stop().await;
}

#[tokio::test]
async fn the_default_holds_until_a_workspace_sets_its_own() {
    let default = ModelDefault {
        base_url: "https://default.example/v1".into(),
        name: "d".into(),
        api_key: Some(Secret::new(CANARY)),
        context_window: 9,
    };
    assert!(!format!("{default:?}").contains(CANARY));
    let rig = Rig::start_with(Setting {
        model: Some(default),
        ..Setting::default()
    })
    .await;
    codex_environment(&rig).await;
    let shown = rig.get("/api/v1/model").await;
    assert_eq!(
        (&shown["name"], &shown["has_api_key"]),
        (&json!("d"), &json!(true))
    );
    let worker = Worker::register(&rig, "one").await;
    rig.task("app", "p").await;
    assert_eq!(worker.take().await.assignment["model"]["api_key"], CANARY);
    set(
        &rig,
        &json!({"base_url": "https://own.example/v1", "name": "own"}),
    )
    .await
    .expect(200);
    rig.task("app", "p").await;
    let model = &worker.take().await.assignment["model"];
    assert_eq!(
        (&model["name"], model.get("api_key")),
        (&json!("own"), None)
    );
    rig.user()
        .bare(Method::DELETE, "/api/v1/model")
        .await
        .expect(204);
    assert_eq!(rig.get("/api/v1/model").await["name"], "d");
    rig.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let rig = Rig::start().await;
    let cases = [
        ("/base_url", json!({"base_url": "", "name": "m"})),
        (
            "/base_url",
            json!({"base_url": "model.example/v1", "name": "m"}),
        ),
        (
            "/base_url",
            json!({"base_url": "ftp://model.example", "name": "m"}),
        ),
        (
            "/base_url",
            json!({"base_url": "https://user:sk-canary@model.example/v1", "name": "m"}),
        ),
        (
            "/base_url",
            json!({"base_url": "https://model.example/v1?key=sk-canary", "name": "m"}),
        ),
        (
            "/name",
            json!({"base_url": "https://model.example/v1", "name": " "}),
        ),
        (
            "/api_key",
            json!({"base_url": "https://model.example/v1", "name": "m", "api_key": "sk-canary\n"}),
        ),
        (
            "/context_window",
            json!({"base_url": "https://model.example/v1", "name": "m", "context_window": 0}),
        ),
    ];
    for (pointer, body) in cases {
        let problem = set(&rig, &body).await.problem(422, "unprocessable");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem:#}");
        assert!(!problem.to_string().contains("canary"), "{problem}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_key_that_cannot_be_opened_ends_the_attempt_with_the_reason() {
    let rig = Rig::start().await;
    codex_environment(&rig).await;
    let body = json!({"base_url": "https://model.example/v1", "name": "m", "api_key": CANARY});
    set(&rig, &body).await.expect(200);
    let task = rig.task("app", "p").await;
    // As if it had been sealed with another key.
    let workspace = WorkspaceId::from_uuid(Uuid::from_u128(1));
    let stored = rig.store.model(workspace).await.expect("works");
    let mut record = stored.expect("it is set");
    record.sealed_key = Some(vec![1; 60]);
    rig.store.set_model(workspace, record).await.expect("works");
    let worker = Worker::register(&rig, "one").await;
    assert!(worker.acquire(1, 0).await.is_empty());
    let path = format!("/api/v1/tasks/{}", task["id"].as_str().expect("an id"));
    let attempt = rig.get(&path).await["turns"][0]["attempts"][0].clone();
    let failure = &attempt["failure"];
    assert_eq!(failure["code"], "model_not_configured", "{attempt:#}");
    let hint = failure["hint"].as_str().expect("a hint");
    assert!(hint.contains("outwork model set"), "{failure:#}");
    rig.stop().await;
}
