//! List, detail and log never disagree, at any point of an attempt's life.

use serde_json::{Value, json};

use crate::rig::worker::Worker;
use crate::rig::{Rig, repository};

/// What each surface says of the only task; they must say the same.
async fn agreed(rig: &Rig, id: &str, attempt: &str) -> (String, String) {
    let detail = rig.get(&format!("/api/v1/tasks/{id}")).await;
    let list = rig.get("/api/v1/tasks").await;
    let listed = &list["items"][0];
    for field in [
        "id",
        "url",
        "title",
        "status",
        "outcome",
        "updated_at",
        "summary",
        "attempt_total",
        "environment_label",
    ] {
        assert_eq!(listed[field], detail[field], "{field}");
    }
    let shown = rig.get(&format!("/api/v1/attempts/{attempt}")).await;
    assert_eq!(shown, detail["turns"][0]["attempts"][0]);
    let log = rig
        .get(&format!("/api/v1/attempts/{attempt}/events?limit=1000"))
        .await;
    let states: Vec<&Value> = log["items"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|event| event["type"] == "state")
        .collect();
    let last = states.last().expect("a log begins with a state");
    assert_eq!(last["state"], shown["state"]);
    assert_eq!(last["failure"], shown["failure"]);
    let word = |value: &Value| value.as_str().expect("a word").to_owned();
    (word(&detail["status"]), word(&shown["state"]))
}

#[tokio::test]
async fn every_surface_says_the_same_at_every_event() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let worker = Worker::register(&rig, "one").await;
    let task = rig.task("app", "p").await;
    let id = task["id"].as_str().expect("an id");
    let attempt = task["turns"][0]["attempts"][0]["id"]
        .as_str()
        .expect("an id");
    let mut said = vec![agreed(&rig, id, attempt).await];
    let claim = worker.take().await;
    said.push(agreed(&rig, id, attempt).await);
    worker.release(&claim).await.expect(204);
    said.push(agreed(&rig, id, attempt).await);
    let claim = worker.take().await;
    for step in ["preparing", "setting_up", "running", "collecting"] {
        worker.step(&claim, step).await.expect(200);
        said.push(agreed(&rig, id, attempt).await);
    }
    worker
        .append(&claim, 1, &[json!({"type": "message", "text": "m"})])
        .await
        .expect(200);
    said.push(agreed(&rig, id, attempt).await);
    let failure =
        json!({"code": "setup_failed", "message": "exit 1", "hint": "look at the script"});
    let result = json!({"outcome": {"result": "failed", "failure": failure}, "has_session": false, "last_seq": 1});
    worker.finish(&claim, result).await.expect(204);
    said.push(agreed(&rig, id, attempt).await);
    let said: Vec<String> = said
        .into_iter()
        .map(|(status, state)| format!("{status:<10} {state}"))
        .collect();
    insta::assert_snapshot!(said.join("\n"));
    rig.stop().await;
}
