//! The same request twice makes one thing.

use outwork_server::Clock;
use outwork_store::{Idempotency, StoreError};
use reqwest::Method;
use serde_json::json;

use crate::rig::worker::Worker;
use crate::rig::{Rig, repository, until};

#[tokio::test]
async fn a_submission_sent_again_makes_one_task() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let body =
        json!({"environment": "app", "prompt": "p", "starting_diff": "diff --git a/x b/x\n"});
    let client = rig.user().with("idempotency-key", "key-1");
    let first = client.post("/api/v1/tasks", &body).await;
    assert!(!first.headers.contains_key("idempotency-replayed"));
    let location = first.header("location").to_owned();
    let first = first.expect(201);
    // A replay is answered also when the repository is gone: nothing is asked again.
    std::fs::rename(&path, path.with_extension("away")).expect("a rename");
    let again = client.post("/api/v1/tasks", &body).await;
    assert_eq!(
        (
            again.header("idempotency-replayed"),
            again.header("location")
        ),
        ("true", location.as_str())
    );
    assert_eq!(again.expect(201)["id"], first["id"]);
    let other = json!({"environment": "app", "prompt": "other"});
    client
        .post("/api/v1/tasks", &other)
        .await
        .problem(422, "idempotency_mismatch");
    std::fs::rename(path.with_extension("away"), &path).expect("a rename");
    rig.user()
        .with("idempotency-key", "key-2")
        .post("/api/v1/tasks", &other)
        .await
        .expect(201);
    assert_eq!(
        rig.get("/api/v1/tasks").await["items"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    for wrong in ["", &"x".repeat(256)] {
        rig.user()
            .with("idempotency-key", wrong)
            .post("/api/v1/tasks", &body)
            .await
            .problem(400, "invalid_request");
    }
    // After its time a key is free again, and forgotten.
    let me = rig.get("/api/v1/me").await;
    let principal = me["principal_id"].as_str().expect("an id");
    let then = rig.clock.now();
    let key = Idempotency {
        principal_id: principal.parse().expect("an id"),
        route: "POST /tasks".to_owned(),
        key: "key-2".to_owned(),
        fingerprint: [0; 32],
        expires_at: then,
    };
    let kept = rig.store.idempotent(&key, then).await;
    assert!(
        matches!(kept, Err(StoreError::IdempotencyMismatch)),
        "{kept:?}"
    );
    rig.pass(std::time::Duration::from_secs(24 * 3600 + 1))
        .await;
    until(
        async || rig.store.idempotent(&key, then).await,
        |kept| matches!(kept, Ok(None)),
    )
    .await
    .expect("it answers");
    assert_ne!(
        client.post("/api/v1/tasks", &body).await.expect(201)["id"],
        first["id"]
    );
    rig.stop().await;
}

#[tokio::test]
async fn many_copies_at_once_make_one_task() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let body = json!({"environment": "app", "prompt": "p"});
    let client = rig.user().with("idempotency-key", "one");
    let answers =
        futures_util::future::join_all((0..20).map(|_| client.post("/api/v1/tasks", &body))).await;
    let fresh = answers
        .iter()
        .filter(|answer| !answer.headers.contains_key("idempotency-replayed"))
        .count();
    let ids: std::collections::BTreeSet<_> = answers
        .into_iter()
        .map(|answer| answer.expect(201)["id"].to_string())
        .collect();
    assert_eq!((fresh, ids.len()), (1, 1));
    assert_eq!(
        rig.get("/api/v1/tasks").await["items"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    let files = std::fs::read_dir(rig.directory.path().join("objects"))
        .expect("a directory")
        .count();
    assert_eq!(files, 0, "objects of copies are left behind");
    rig.stop().await;
}

#[tokio::test]
async fn a_follow_up_sent_again_makes_one_turn() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let worker = Worker::register(&rig, "one").await;
    let task = rig.task("app", "p").await;
    worker.succeed(&worker.take().await, "d").await;
    let turns = format!(
        "/api/v1/tasks/{}/turns",
        task["id"].as_str().expect("an id")
    );
    let client = rig.user().with("idempotency-key", "k");
    client
        .post(&turns, &json!({"prompt": "more"}))
        .await
        .expect(201);
    // Also after the turn began, and after it ended.
    for ended in [false, true] {
        if ended {
            worker.fail(&worker.take().await, "agent_failed").await;
        }
        let again = client.post(&turns, &json!({"prompt": "more"})).await;
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(again.expect(201)["turns"].as_array().map(Vec::len), Some(2));
    }
    client
        .post(&turns, &json!({"prompt": "something else"}))
        .await
        .problem(422, "idempotency_mismatch");
    rig.user()
        .bare(Method::POST, &turns)
        .await
        .problem(415, "unsupported_media_type");
    rig.stop().await;
}
