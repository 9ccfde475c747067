//! A disk that gets full.

use std::sync::atomic::Ordering;

use outwork_server::ServerConfig;
use reqwest::Method;
use serde_json::json;

use crate::rig::worker::Worker;
use crate::rig::{Rig, repository};

#[tokio::test]
async fn writes_that_can_wait_are_refused_and_reading_and_cancelling_work() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    let environment = rig.environment("app", &path).await;
    let environment = format!(
        "/api/v1/environments/{}",
        environment["id"].as_str().expect("an id")
    );
    let worker = Worker::register(&rig, "one").await;
    let task = rig.task("app", "p").await;
    rig.task("app", "waits").await;
    let id = task["id"].as_str().expect("an id");
    let claim = worker.take().await;
    rig.free_bytes
        .store(ServerConfig::RESERVE_BYTES - 1, Ordering::SeqCst);

    let submit = json!({"environment": "app", "prompt": "p"});
    let model = json!({"base_url": "https://model.example/v1", "name": "m"});
    let credential = json!({"scope": "host", "secret": {"kind": "token", "token": "t"}});
    let full = [
        rig.user().post("/api/v1/tasks", &submit).await,
        rig.user()
            .post(
                &format!("/api/v1/tasks/{id}/turns"),
                &json!({"prompt": "p"}),
            )
            .await,
        rig.user()
            .send(Method::PATCH, &environment, &json!({"label": "x"}))
            .await,
        rig.user().send(Method::PUT, "/api/v1/model", &model).await,
        rig.user()
            .send(Method::PUT, "/api/v1/credentials", &credential)
            .await,
        worker.inventory(json!([]), json!([])).await,
        worker
            .append(&claim, 1, &[json!({"type": "message", "text": "m"})])
            .await,
        worker.upload(&claim, "diff", "d").await,
    ];
    for answer in full {
        let problem = answer.problem(507, "insufficient_storage");
        assert!(
            problem["hint"]
                .as_str()
                .expect("a hint")
                .contains("Free some space"),
            "{problem}"
        );
    }
    // Nothing new begins, what runs can end.
    assert!(worker.acquire(1, 0).await.is_empty());
    assert_eq!(worker.heartbeat(&[&claim]).await, ["run"]);
    let reset = rig.user().post("/api/v1/cache/reset", &json!({})).await;
    reset.expect(200);
    let ready = rig.nobody().get("/readyz?verbose").await.expect(503);
    assert_eq!(ready["checks"][2], json!({"name": "disk", "ok": false}));
    assert_eq!(
        rig.get("/api/v1/tasks").await["items"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    rig.user()
        .post(&format!("/api/v1/tasks/{id}/cancel"), &json!({}))
        .await
        .expect(200);
    let stopped = json!({"outcome": {"result": "cancelled"}, "has_session": false, "last_seq": 0});
    worker.finish(&claim, stopped).await.expect(204);
    assert_eq!(
        rig.get(&format!("/api/v1/tasks/{id}")).await["outcome"],
        "cancelled"
    );

    rig.free_bytes.store(u64::MAX, Ordering::SeqCst);
    rig.user().post("/api/v1/tasks", &submit).await.expect(201);
    assert_eq!(worker.acquire(4, 0).await.len(), 2);
    rig.stop().await;
}
