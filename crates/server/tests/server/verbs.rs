//! What a worker may say.

use serde_json::{Value, json};

use crate::rig::worker::{Claim, Worker, size};
use crate::rig::{Rig, repository};

async fn ready() -> (Rig, Worker, Claim) {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let worker = Worker::register(&rig, "one").await;
    rig.task("app", "p").await;
    let claim = worker.take().await;
    (rig, worker, claim)
}

fn said(text: &str) -> Value {
    json!({"type": "message", "text": text})
}

#[tokio::test]
async fn events_are_taken_once_and_in_order() {
    let (rig, worker, claim) = ready().await;
    worker
        .append(&claim, 1, &[said("a"), said("b")])
        .await
        .expect(200);
    // Sent again, in part or as a whole, it is harmless.
    worker
        .append(&claim, 1, &[said("a"), said("b")])
        .await
        .expect(200);
    assert_eq!(
        worker
            .append(&claim, 2, &[said("b"), said("c")])
            .await
            .expect(200)["acknowledged_seq"],
        3
    );
    worker
        .append(&claim, 5, &[said("e")])
        .await
        .problem(409, "out_of_order");
    assert_eq!(
        worker.append(&claim, 4, &[]).await.expect(200)["acknowledged_seq"],
        3
    );
    let log = rig
        .get(&format!("/api/v1/attempts/{}/events", claim.attempt))
        .await;
    let texts: Vec<&str> = log["items"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|event| event["text"].as_str())
        .collect();
    assert_eq!(texts, ["a", "b", "c"]);
    rig.stop().await;
}

#[tokio::test]
async fn events_that_are_not_the_workers_to_write_are_refused() {
    let (rig, worker, claim) = ready().await;
    let wrong = [
        json!({"type": "state", "state": "succeeded"}),
        json!({"type": "cancel_requested"}),
        json!({"type": "worker_lost", "worker": worker.id, "tries": 1}),
        json!({"type": "brand_new"}),
    ];
    for event in wrong {
        let problem = worker
            .append(&claim, 1, &[said("fine"), event])
            .await
            .problem(422, "unprocessable");
        assert_eq!(problem["errors"][0]["pointer"], "/events/1");
    }
    worker
        .append(&claim, 1, &[json!({"type": "message"})])
        .await
        .problem(400, "invalid_request");
    worker
        .append(&claim, 0, &[said("x")])
        .await
        .problem(422, "unprocessable");
    worker
        .append(&claim, 1, &vec![said("x"); 1001])
        .await
        .problem(413, "too_large");
    worker
        .append(&claim, 1, &[said(&"x".repeat(256 * 1024))])
        .await
        .problem(413, "too_large");
    assert_eq!(
        worker
            .append(&claim, 1, &vec![said("x"); 1000])
            .await
            .expect(200)["acknowledged_seq"],
        1000
    );
    rig.stop().await;
}

#[tokio::test]
async fn a_result_names_only_what_was_handed_in() {
    let (rig, worker, claim) = ready().await;
    let named = json!({"diffs": [size("repository", 0)]});
    let result = |more: Value| {
        let mut body =
            json!({"outcome": {"result": "succeeded"}, "has_session": false, "last_seq": 1});
        for (name, value) in more.as_object().expect("fields") {
            body[name] = value.clone();
        }
        body
    };
    worker
        .finish(&claim, result(named.clone()))
        .await
        .problem(409, "out_of_order");
    worker
        .finish(&claim, result(json!({"has_session": true})))
        .await
        .problem(409, "out_of_order");
    // Nor before all its events are there.
    worker.upload(&claim, "diff", "").await.expect(204);
    worker
        .finish(&claim, result(named.clone()))
        .await
        .problem(409, "out_of_order");
    worker.append(&claim, 1, &[said("last")]).await.expect(200);
    worker
        .finish(&claim, result(named.clone()))
        .await
        .expect(204);
    worker
        .upload(&claim, "diff", "late")
        .await
        .problem(409, "attempt_ended");
    // An empty diff is a diff.
    let diff = rig
        .user()
        .get(&format!("/api/v1/attempts/{}/diff", claim.attempt))
        .await;
    assert_eq!((diff.status, diff.bytes.len()), (200, 0));
    rig.stop().await;
}

#[tokio::test]
async fn steps_go_forward_only() {
    let (rig, worker, claim) = ready().await;
    worker
        .step(&claim, "leased")
        .await
        .problem(422, "unprocessable");
    worker
        .step(&claim, "dancing")
        .await
        .problem(422, "unprocessable");
    worker.step(&claim, "running").await.expect(200);
    let attempt = format!("/api/v1/attempts/{}", claim.attempt);
    let before = rig.get(&format!("{attempt}/events")).await;
    // Said again: after a lost answer, or by a worker that delivers what a killed one left.
    worker.step(&claim, "running").await.expect(200);
    worker.step(&claim, "preparing").await.expect(200);
    assert_eq!(rig.get(&attempt).await["state"], "running");
    assert_eq!(rig.get(&format!("{attempt}/events")).await, before);
    rig.stop().await;
}

#[tokio::test]
async fn a_worker_keeps_its_id_and_gets_only_what_it_can_run() {
    let (rig, worker, claim) = ready().await;
    let body = json!({"protocol_version": 3, "worker": worker.id, "name": "renamed", "slots": 1, "agents": ["codex"], "isolation": "oci:crun"});
    let again = worker
        .client
        .post("/api/worker/v1/register", &body)
        .await
        .expect(200);
    assert_eq!(again["worker"], json!(worker.id));
    let unknown = json!({"protocol_version": 3, "worker": "wkr_00000000000000000000000000000001", "name": "n", "slots": 1, "agents": [], "isolation": "namespaces"});
    assert_ne!(
        worker
            .client
            .post("/api/worker/v1/register", &unknown)
            .await
            .expect(200)["worker"],
        unknown["worker"]
    );
    let listed = rig.get("/api/v1/workers").await;
    let mine = listed["items"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|item| item["id"] == json!(worker.id))
        .expect("it is listed");
    assert_eq!(
        (&mine["name"], &mine["online"], &mine["attempts"]),
        (&json!("renamed"), &json!(true), &json!([claim.attempt]))
    );
    assert_eq!(
        (&mine["isolation"], &mine["slots"]),
        (&json!("oci:crun"), &json!(1))
    );
    rig.task("app", "p").await;
    assert!(
        worker.acquire(1, 0).await.is_empty(),
        "it has no agent `command` any more"
    );
    rig.pass(std::time::Duration::from_secs(31)).await;
    let listed = rig.get("/api/v1/workers").await;
    assert!(
        listed["items"]
            .as_array()
            .expect("a list")
            .iter()
            .all(|item| item["online"] == false),
        "{listed:#}"
    );
    for (field, value) in [
        ("slots", json!(0)),
        ("slots", json!(1001)),
        ("name", json!(" ")),
        ("agents", json!([""])),
    ] {
        let mut body = body.clone();
        body[field] = value;
        worker
            .client
            .post("/api/worker/v1/register", &body)
            .await
            .problem(422, "unprocessable");
    }
    for (max, wait_ms) in [(0, 0), (101, 0), (1, 30_001)] {
        worker
            .client
            .post(
                "/api/worker/v1/acquire",
                &json!({"worker": worker.id, "max": max, "wait_ms": wait_ms}),
            )
            .await
            .problem(422, "unprocessable");
    }
    rig.stop().await;
}

#[tokio::test]
async fn setting_up_has_time_for_a_wait_a_build_and_maintenance() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    let body = json!({"label": "app", "repository_url": path, "agent": {"name": "command", "command": "cat"},
        "setup_timeout_seconds": 600});
    rig.user()
        .post("/api/v1/environments", &body)
        .await
        .expect(201);
    let worker = Worker::register(&rig, "one").await;
    rig.task("app", "p").await;
    let claim = worker.take().await;
    assert_eq!(claim.assignment["limits"]["setting_up_ms"], 600_000);
    worker.step(&claim, "setting_up").await.expect(200);
    let attempt = rig
        .get(&format!("/api/v1/attempts/{}", claim.attempt))
        .await;
    // 14:53:40, three times ten minutes, fifteen for a checkout, and one that the worker comes first.
    assert_eq!(attempt["deadline_at"], "2026-11-20T15:39:40.000Z");
    rig.stop().await;
}
