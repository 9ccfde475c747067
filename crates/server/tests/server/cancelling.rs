//! Cancelling in every state.

use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::worker::{Claim, Worker};
use crate::rig::{Rig, repository, until};

async fn ready() -> (Rig, Worker, String, String) {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let worker = Worker::register(&rig, "one").await;
    let task = rig.task("app", "p").await;
    let id = task["id"].as_str().expect("an id").to_owned();
    let attempt = task["turns"][0]["attempts"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    (rig, worker, id, attempt)
}

async fn cancel(rig: &Rig, id: &str) -> Value {
    rig.user()
        .post(&format!("/api/v1/tasks/{id}/cancel"), &json!({}))
        .await
        .expect(200)
}

#[tokio::test]
async fn a_queued_task_is_cancelled_at_once() {
    let (rig, worker, id, attempt) = ready().await;
    let task = cancel(&rig, &id).await;
    assert_eq!(
        (&task["status"], &task["outcome"]),
        (&json!("failed"), &json!("cancelled"))
    );
    assert!(worker.acquire(1, 0).await.is_empty());
    for path in [
        format!("/api/v1/tasks/{id}/cancel"),
        format!("/api/v1/attempts/{attempt}/cancel"),
    ] {
        let problem = rig
            .user()
            .bare(reqwest::Method::POST, &path)
            .await
            .problem(409, "conflict");
        assert_eq!(
            problem["detail"],
            "An attempt that is cancelled cannot be cancelled."
        );
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_worker_is_told_in_each_step_and_what_it_says_then_does_not_matter() {
    for (step, outcome) in [
        ("leased", "cancelled"),
        ("preparing", "succeeded"),
        ("setting_up", "failed"),
        ("running", "asks"),
        ("collecting", "released"),
    ] {
        let (rig, worker, id, attempt) = ready().await;
        let mut commands = worker.commands().await;
        let claim = worker.take().await;
        if step != "leased" {
            worker.step(&claim, step).await.expect(200);
        }
        let task = cancel(&rig, &id).await;
        let shown = &task["turns"][0]["attempts"][0];
        assert_eq!(
            (&shown["state"], &shown["cancelling"]),
            (&json!(step), &json!(true))
        );
        assert_eq!(task["status"], "running");
        let command = commands.next().await.expect("a command");
        assert_eq!(command.kind, "command");
        assert_eq!(
            command.data,
            json!({"attempt": attempt, "epoch": 1, "desired": "cancel"})
        );
        assert_eq!(worker.heartbeat(&[&claim]).await, ["cancel"]);
        let answer = worker
            .append(
                &claim,
                1,
                &[json!({"type": "warning", "message": "stopping"})],
            )
            .await
            .expect(200);
        assert_eq!(answer["desired"], "cancel");
        // A second wish changes nothing.
        assert_eq!(cancel(&rig, &id).await["status"], "running");
        end(&worker, &claim, outcome).await;
        let task = rig.get(&format!("/api/v1/tasks/{id}")).await;
        assert_eq!(
            (&task["status"], &task["outcome"]),
            (&json!("failed"), &json!("cancelled")),
            "{step} {outcome}"
        );
        assert_eq!(task["turns"][0]["attempts"][0]["cancelling"], false);
        assert_eq!(worker.heartbeat(&[&claim]).await, ["abandon"]);
        rig.stop().await;
    }
}

async fn end(worker: &Worker, claim: &Claim, outcome: &str) {
    let outcome = match outcome {
        "released" => return assert_eq!(worker.release(claim).await.status, 204),
        "cancelled" => json!({"result": "cancelled"}),
        "succeeded" => json!({"result": "succeeded"}),
        "failed" => {
            json!({"result": "failed", "failure": {"code": "agent_failed", "message": "m"}})
        }
        "asks" => json!({"result": "awaiting_input", "question": "really?"}),
        other => panic!("{other}"),
    };
    let body = json!({"outcome": outcome, "has_session": false, "last_seq": 1});
    assert_eq!(worker.finish(claim, body).await.status, 204);
}

#[tokio::test]
async fn a_question_is_cancelled_at_once() {
    let (rig, worker, id, _) = ready().await;
    let claim = worker.take().await;
    let body = json!({"outcome": {"result": "awaiting_input", "question": "which?"}, "has_session": false, "last_seq": 0});
    worker.finish(&claim, body).await.expect(204);
    assert_eq!(
        rig.get(&format!("/api/v1/tasks/{id}")).await["status"],
        "needs_input"
    );
    assert_eq!(cancel(&rig, &id).await["outcome"], "cancelled");
    rig.stop().await;
}

#[tokio::test]
async fn a_worker_that_does_not_answer_cannot_keep_a_cancelled_task() {
    let (rig, worker, id, _) = ready().await;
    let claim = worker.take().await;
    worker.step(&claim, "running").await.expect(200);
    cancel(&rig, &id).await;
    for _ in 0..5 {
        rig.pass(Duration::from_secs(6)).await;
        // It lives and renews its lease, but does not stop.
        worker.heartbeat(&[&claim]).await;
    }
    let path = format!("/api/v1/tasks/{id}");
    let task = until(
        async || rig.get(&path).await,
        |task| task["status"] == "failed",
    )
    .await;
    assert_eq!(task["outcome"], "cancelled");
    worker
        .append(&claim, 1, &[json!({"type": "message", "text": "late"})])
        .await
        .problem(409, "attempt_ended");
    rig.stop().await;
}

#[tokio::test]
async fn a_command_that_still_holds_is_sent_to_a_worker_that_comes_back() {
    let (rig, worker, id, attempt) = ready().await;
    let claim = worker.take().await;
    let other = rig.task("app", "another").await;
    let kept = worker.take().await;
    cancel(&rig, &id).await;
    for _ in 0..2 {
        let mut commands = worker.commands().await;
        assert_eq!(
            commands.next().await.expect("a command").data["attempt"],
            attempt
        );
        let retry_ms = commands.retry_ms.expect("it says when to come back");
        assert!((500..1500).contains(&retry_ms), "{retry_ms}");
    }
    assert_eq!(worker.heartbeat(&[&claim, &kept]).await, ["cancel", "run"]);
    let attempt = other["turns"][0]["attempts"][0]["id"]
        .as_str()
        .expect("an id");
    let answer = rig
        .user()
        .bare(
            reqwest::Method::POST,
            &format!("/api/v1/attempts/{attempt}/cancel"),
        )
        .await
        .expect(200);
    assert_eq!(answer["cancelling"], true);
    rig.stop().await;
}
