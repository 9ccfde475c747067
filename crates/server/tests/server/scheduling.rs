//! Priorities, limits of environments, and what a task waits for.

use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::worker::Worker;
use crate::rig::{Rig, repository};

/// An environment `app` with these fields, and its address.
async fn environment(rig: &Rig, fields: Value) -> (Value, String) {
    let repository = repository::make(rig.directory.path());
    let mut body = json!({"label": "app", "repository_url": repository,
        "agent": {"name": "command", "command": "cat"}});
    let all = body.as_object_mut().expect("an object");
    all.extend(fields.as_object().expect("an object").clone());
    let made = rig.user().post("/api/v1/environments", &body).await;
    let made = made.expect(201);
    let path = format!(
        "/api/v1/environments/{}",
        made["id"].as_str().expect("an id")
    );
    (made, path)
}

async fn reason(rig: &Rig, task: &Value) -> String {
    let path = format!("/api/v1/tasks/{}", task["id"].as_str().expect("an id"));
    let (task, list) = (rig.get(&path).await, rig.get("/api/v1/tasks").await);
    let items = list["items"].as_array().expect("a list");
    let row = items.iter().find(|row| row["id"] == task["id"]);
    // A list says the same.
    let row = row.expect("it is listed");
    assert_eq!(row.get("waiting_for"), task.get("waiting_for"));
    match &task["waiting_for"] {
        Value::Null => "-".to_owned(),
        waits => {
            assert!(!waits["text"].as_str().expect("a text").is_empty());
            waits["reason"].as_str().expect("a reason").to_owned()
        }
    }
}

#[tokio::test]
async fn a_task_says_what_it_waits_for() {
    let rig = Rig::start().await;
    let fields = json!({"max_concurrent": 1, "required_labels": {"gpu": "true"}});
    let (made, path) = environment(&rig, fields).await;
    assert_eq!(made["max_concurrent"], 1);
    let first = rig.task("app", "p").await;
    assert_eq!(
        first.get("waiting_for"),
        None,
        "nobody looks at a submission"
    );
    assert_eq!(reason(&rig, &first).await, "worker");
    let other = Worker::register_with(&rig, "other", &["codex"]).await;
    assert_eq!(reason(&rig, &first).await, "agent");
    let worker = Worker::register(&rig, "plain").await;
    assert_eq!(reason(&rig, &first).await, "labels");
    let none = json!({"required_labels": {}});
    let edited = rig.user().send(Method::PATCH, &path, &none).await;
    assert_eq!(edited.expect(200)["max_concurrent"], 1, "it stays");
    assert_eq!(reason(&rig, &first).await, "turn");
    let claim = worker.take().await;
    assert_eq!(reason(&rig, &first).await, "-");
    let second = rig.task("app", "q").await;
    assert_eq!(reason(&rig, &second).await, "environment");
    assert_eq!(worker.acquire(1, 0).await.len(), 0);
    assert_eq!(other.acquire(1, 0).await.len(), 0);
    // Who waits for room is woken by the end of another.
    let (taken, ()) = tokio::join!(worker.take(), worker.succeed(&claim, ""));
    assert_eq!(reason(&rig, &second).await, "-");
    worker.succeed(&taken, "").await;
    let unlimited = json!({"max_concurrent": 0});
    let edited = rig.user().send(Method::PATCH, &path, &unlimited).await;
    assert_eq!(edited.expect(200).get("max_concurrent"), None);
    let refused = json!({"max_concurrent": 100_001});
    let refused = rig.user().send(Method::PATCH, &path, &refused).await;
    let problem = refused.problem(422, "unprocessable");
    assert_eq!(problem["errors"][0]["pointer"], "/max_concurrent");
    rig.stop().await;
}

#[tokio::test]
async fn a_priority_is_kept_and_heeded() {
    let rig = Rig::start().await;
    environment(&rig, json!({})).await;
    let submit = async |prompt: &str, priority: &str| {
        let body = json!({"environment": "app", "prompt": prompt, "priority": priority});
        rig.user().post("/api/v1/tasks", &body).await
    };
    let low = submit("low", "low").await.expect(201);
    assert_eq!(low["priority"], "low");
    let plain = rig.task("app", "plain").await;
    assert_eq!(plain["priority"], "normal");
    let high = submit("high", "high").await.expect(201);
    let worker = Worker::register(&rig, "w").await;
    for expected in [&high, &plain, &low] {
        let claim = worker.take().await;
        worker.succeed(&claim, "").await;
        assert_eq!(reason(&rig, expected).await, "-");
        let path = format!("/api/v1/tasks/{}", expected["id"].as_str().expect("an id"));
        assert_eq!(rig.get(&path).await["status"], "completed");
    }
    let refused = submit("x", "urgent").await;
    assert!((400..500).contains(&refused.status), "{}", refused.status);
    rig.stop().await;
}
