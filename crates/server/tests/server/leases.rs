//! Leases: who holds an attempt, for how long, and what a worker can still do that holds it no more.

use std::time::Duration;

use outwork_domain::limits::AttemptLimits;
use serde_json::json;

use crate::rig::sse::Events;
use crate::rig::worker::{Worker, size};
use crate::rig::{Rig, Setting, repository, until};

async fn ready(setting: Setting) -> (Rig, String) {
    let rig = Rig::start_with(setting).await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let task = rig.task("app", "p").await;
    let id = task["id"].as_str().expect("an id").to_owned();
    (rig, id)
}

#[tokio::test]
async fn a_lost_worker_is_replaced_and_every_verb_of_the_old_claim_is_refused() {
    let (rig, id) = ready(Setting::default()).await;
    let (first, second) = (
        Worker::register(&rig, "first").await,
        Worker::register(&rig, "second").await,
    );
    let old = first.take().await;
    first.step(&old, "running").await.expect(200);
    first
        .append(
            &old,
            1,
            &[json!({"type": "message", "text": "from the first"})],
        )
        .await
        .expect(200);
    rig.pass(Duration::from_secs(31)).await;
    let path = format!("/api/v1/tasks/{id}");
    until(
        async || rig.get(&path).await,
        |task| task["status"] == "pending",
    )
    .await;
    assert!(
        second.acquire(1, 0).await.is_empty(),
        "it must wait a second first"
    );
    rig.pass(Duration::from_secs(1)).await;
    let new = second.take().await;
    assert_eq!((new.attempt.as_str(), new.epoch), (old.attempt.as_str(), 2));

    first
        .step(&old, "collecting")
        .await
        .problem(409, "stale_lease");
    first
        .append(&old, 2, &[json!({"type": "message", "text": "late"})])
        .await
        .problem(409, "stale_lease");
    first
        .upload(&old, "diff", "from the first")
        .await
        .problem(409, "stale_lease");
    first
        .download(&old, "session")
        .await
        .problem(409, "stale_lease");
    first.release(&old).await.problem(409, "stale_lease");
    let late = json!({"outcome": {"result": "succeeded"}, "has_session": false, "last_seq": 1});
    first.finish(&old, late).await.problem(409, "stale_lease");
    assert_eq!(first.heartbeat(&[&old]).await, ["abandon"]);
    // Nor can it speak for the new claim.
    assert_eq!(first.heartbeat(&[&new]).await, ["abandon"]);

    second
        .append(
            &new,
            1,
            &[json!({"type": "message", "text": "from the second"})],
        )
        .await
        .expect(200);
    second
        .upload(&new, "diff", "from the second")
        .await
        .expect(204);
    let result = json!({"outcome": {"result": "succeeded"}, "has_session": false, "last_seq": 1,
        "diffs": [size("repository", 1)]});
    second.finish(&new, result).await.expect(204);
    assert_eq!(
        rig.user().get(&format!("{path}/diff")).await.bytes,
        b"from the second"
    );
    let events = Events::new(
        rig.user()
            .stream(&format!("/api/v1/attempts/{}/events", new.attempt))
            .await,
    )
    .rest()
    .await;
    let log: Vec<_> = events
        .iter()
        .map(|event| {
            format!(
                "{} {}",
                event.data["epoch"],
                event.data["state"]
                    .as_str()
                    .or(event.data["text"].as_str())
                    .unwrap_or(&event.kind)
            )
        })
        .collect();
    insta::assert_snapshot!(log.join("\n"));
    rig.stop().await;
}

#[tokio::test]
async fn a_task_whose_workers_vanish_ends_as_lost() {
    let (rig, id) = ready(Setting::default()).await;
    let worker = Worker::register(&rig, "one").await;
    for _ in 0..3 {
        until(
            async || {
                rig.pass(Duration::from_secs(5)).await;
                worker.acquire(1, 0).await.len()
            },
            |taken| *taken == 1,
        )
        .await;
        rig.pass(Duration::from_secs(31)).await;
    }
    let path = format!("/api/v1/tasks/{id}");
    let task = until(
        async || rig.get(&path).await,
        |task| task["status"] == "failed",
    )
    .await;
    assert_eq!(task["outcome"], "lost");
    let failure = &task["turns"][0]["attempts"][0]["failure"];
    assert_eq!(
        (&failure["code"], failure["hint"].is_string()),
        (&json!("lost"), true)
    );
    rig.stop().await;
}

#[tokio::test]
async fn a_step_that_takes_too_long_is_ended_though_the_worker_lives() {
    let (rig, id) = ready(Setting::default()).await;
    let worker = Worker::register(&rig, "one").await;
    let claim = worker.take().await;
    worker.step(&claim, "preparing").await.expect(200);
    // 15 minutes and a minute's grace.
    for _ in 0..120 {
        rig.pass(Duration::from_secs(8)).await;
        worker.heartbeat(&[&claim]).await;
    }
    let path = format!("/api/v1/tasks/{id}");
    let task = until(
        async || rig.get(&path).await,
        |task| task["status"] == "failed",
    )
    .await;
    assert_eq!(task["outcome"], "timed_out");
    rig.stop().await;
}

#[tokio::test]
async fn a_task_that_nobody_takes_says_so() {
    let limits = AttemptLimits {
        queued: Duration::from_secs(60),
        ..AttemptLimits::default()
    };
    let (rig, id) = ready(Setting {
        limits,
        ..Setting::default()
    })
    .await;
    let worker = Worker::register_with(&rig, "codex only", &["codex"]).await;
    assert!(worker.acquire(1, 0).await.is_empty());
    rig.pass(Duration::from_secs(60)).await;
    let path = format!("/api/v1/tasks/{id}");
    let task = until(
        async || rig.get(&path).await,
        |task| task["status"] == "failed",
    )
    .await;
    assert_eq!(
        task["turns"][0]["attempts"][0]["failure"]["code"],
        "no_worker"
    );
    rig.stop().await;
}

#[tokio::test]
async fn an_outage_of_the_server_costs_no_worker_its_lease() {
    let (rig, id) = ready(Setting::default()).await;
    let worker = Worker::register(&rig, "one").await;
    let claim = worker.take().await;
    worker.step(&claim, "running").await.expect(200);
    // Ten times the lease.
    let rig = rig.restart(Duration::from_secs(300)).await;
    let worker = Worker {
        client: rig.worker_client(),
        id: worker.id,
    };
    rig.pass(Duration::from_secs(5)).await;
    assert_eq!(worker.heartbeat(&[&claim]).await, ["run"]);
    worker
        .append(
            &claim,
            1,
            &[json!({"type": "message", "text": "buffered meanwhile"})],
        )
        .await
        .expect(200);
    worker
        .finish(
            &claim,
            json!({"outcome": {"result": "succeeded"}, "has_session": false, "last_seq": 1}),
        )
        .await
        .expect(204);
    let task = rig.get(&format!("/api/v1/tasks/{id}")).await;
    assert_eq!(
        (&task["outcome"], &task["turns"][0]["attempts"][0]["tries"]),
        (&json!("succeeded"), &json!(1))
    );
    rig.stop().await;
}

#[tokio::test]
async fn a_server_that_was_stopped_or_without_its_database_takes_no_lease_away() {
    let (rig, _) = ready(Setting::default()).await;
    let worker = Worker::register(&rig, "one").await;
    let claim = worker.take().await;
    // Ten times the lease, in which nobody could be heard; then the reaper is the first to run.
    rig.stand_still(Duration::from_secs(300)).await;
    rig.stand_still(Duration::from_secs(300)).await;
    // The same in the middle of its work.
    rig.hesitate(Duration::from_secs(300)).await;
    assert_eq!(worker.heartbeat(&[&claim]).await, ["run"]);
    // The lease is longer by that time only.
    rig.pass(Duration::from_secs(31)).await;
    until(
        async || worker.heartbeat(&[&claim]).await,
        |answer| answer == &["abandon"],
    )
    .await;
    rig.stop().await;
}

#[tokio::test]
async fn a_short_lease_survives_a_short_outage_of_the_server() {
    let limits = AttemptLimits {
        lease: Duration::from_secs(3),
        ..AttemptLimits::default()
    };
    let setting = Setting {
        limits,
        ..Setting::default()
    };
    let (rig, _) = ready(setting).await;
    let worker = Worker::register(&rig, "one").await;
    let claim = worker.take().await;
    let rig = rig.restart(Duration::from_secs(6)).await;
    let worker = Worker {
        client: rig.worker_client(),
        id: worker.id,
    };
    rig.pass(Duration::from_secs(1)).await;
    assert_eq!(worker.heartbeat(&[&claim]).await, ["run"]);
    rig.stop().await;
}

#[tokio::test]
async fn a_clock_that_was_set_back_while_the_server_was_down_hides_no_task() {
    let (rig, _) = ready(Setting::default()).await;
    let rig = rig.restart_earlier(Duration::from_secs(3600)).await;
    let worker = Worker::register(&rig, "one").await;
    assert_eq!(worker.acquire(1, 0).await.len(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn a_worker_that_drains_gives_back_without_a_try() {
    let (rig, id) = ready(Setting::default()).await;
    let worker = Worker::register(&rig, "one").await;
    let deregister = json!({"worker": worker.id});
    let claim = worker.take().await;
    worker
        .client
        .post("/api/worker/v1/deregister", &deregister)
        .await
        .problem(409, "conflict");
    worker.release(&claim).await.expect(204);
    worker
        .client
        .post("/api/worker/v1/deregister", &deregister)
        .await
        .expect(204);
    let unknown = worker
        .client
        .post(
            "/api/worker/v1/acquire",
            &json!({"worker": worker.id, "max": 1, "wait_ms": 0}),
        )
        .await;
    assert_eq!(unknown.problem(404, "not_found")["hint"], "Register again.");
    let other = Worker::register(&rig, "two").await;
    assert_eq!(other.take().await.epoch, 2);
    assert_eq!(
        rig.get(&format!("/api/v1/tasks/{id}")).await["turns"][0]["attempts"][0]["tries"],
        1
    );
    rig.stop().await;
}
