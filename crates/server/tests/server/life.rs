//! The whole life of a task, its follow-up and its attempts, on both databases.

use outwork_test_postgres::shared;
use serde_json::json;

use crate::rig::sse::Events;
use crate::rig::worker::{Worker, size};
use crate::rig::{Database, Rig, Setting, repository};

const DIFF: &str = "diff --git a/file b/file\n--- a/file\n+++ b/file\n@@ -1 +1 @@\n-two\n+three\n";

#[tokio::test]
async fn a_task_from_submission_to_diff_and_follow_up() {
    live(Rig::start().await).await;
}

#[tokio::test]
async fn a_task_from_submission_to_diff_and_follow_up_on_postgresql() {
    let database = Database::Postgres(shared().new_database());
    live(
        Rig::start_with(Setting {
            database,
            ..Setting::default()
        })
        .await,
    )
    .await;
}

async fn live(rig: Rig) {
    let path = repository::make(rig.directory.path());
    let environment = rig.environment("app", &path).await;
    let worker = Worker::register(&rig, "one").await;
    let task = rig.task("APP", "change it\nplease").await;
    let id = task["id"].as_str().expect("an id").to_owned();
    let attempt = task["turns"][0]["attempts"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert_eq!(task["status"], "pending");
    assert_eq!(task["title"], "change it");
    assert_eq!(task["url"], format!("https://outwork.example/tasks/{id}"));
    assert_eq!(task["environment_id"], environment["id"]);
    assert_eq!(
        (&task["branch"], &task["commit"]),
        (&json!("main"), &json!(repository::tip(&path, "main")))
    );

    let claim = worker.take().await;
    let assignment = &claim.assignment;
    assert_eq!(claim.attempt, attempt);
    assert_eq!(assignment["prompt"], "change it\nplease");
    assert_eq!(
        assignment["agent"],
        json!({"name": "command", "command": "cat"})
    );
    let repository = json!({"name": "repository", "url": path, "branch": "main", "commit": task["commit"],
        "has_starting_diff": false, "has_carried_diff": false});
    assert_eq!(assignment["repositories"], json!([repository]));
    assert_eq!(assignment["has_session"], false);
    assert_eq!(assignment["lease_ms"], 10_000);
    assert_eq!(assignment["limits"]["setting_up_ms"], 1_200_000);
    assert_eq!(assignment["limits"]["running_ms"], 3_600_000);
    assert_eq!(
        rig.get(&format!("/api/v1/tasks/{id}")).await["status"],
        "running"
    );
    let none = rig
        .user()
        .get(&format!("/api/v1/tasks/{id}/diff"))
        .await
        .problem(404, "not_found");
    assert!(
        none["hint"].as_str().expect("a hint").contains("--follow"),
        "{none}"
    );

    worker.step(&claim, "preparing").await.expect(200);
    worker.step(&claim, "running").await.expect(200);
    let said = [
        json!({"type": "message", "text": "hello"}),
        json!({"type": "output", "stream": "stdout", "text": "a\u{0}b"}),
    ];
    let answer = worker.append(&claim, 1, &said).await.expect(200);
    assert_eq!(answer, json!({"acknowledged_seq": 2, "desired": "run"}));
    worker.step(&claim, "collecting").await.expect(200);
    worker.upload(&claim, "diff", DIFF).await.expect(204);
    worker.upload(&claim, "session", "memory").await.expect(204);
    let result = json!({"outcome": {"result": "succeeded"}, "has_session": true, "last_seq": 2, "message": "done",
        "diffs": [size("repository", 1)],
        "tokens": {"input": 10, "cached_input": 4, "output": 3, "reasoning": 1, "uncounted_calls": 0}});
    worker.finish(&claim, result.clone()).await.expect(204);
    worker
        .finish(&claim, result)
        .await
        .problem(409, "attempt_ended");

    let task = rig.get(&format!("/api/v1/tasks/{id}")).await;
    assert_eq!(
        (&task["status"], &task["outcome"]),
        (&json!("completed"), &json!("succeeded"))
    );
    assert_eq!(
        task["summary"],
        json!({"files_changed": 1, "lines_added": 1, "lines_removed": 1})
    );
    let shown = rig.get(&format!("/api/v1/attempts/{attempt}")).await;
    assert_eq!(shown, task["turns"][0]["attempts"][0]);
    assert_eq!(
        (
            &shown["message"],
            &shown["tokens"]["input"],
            &shown["worker"]
        ),
        (&json!("done"), &json!(10), &json!(worker.id))
    );
    for path in [
        format!("/api/v1/tasks/{id}/diff"),
        format!("/api/v1/tasks/{id}/diff?turn=1&attempt=1"),
        format!("/api/v1/attempts/{attempt}/diff"),
    ] {
        let diff = rig.user().get(&path).await;
        assert_eq!(
            (
                diff.status,
                diff.header("content-type"),
                diff.bytes.as_slice()
            ),
            (200, "text/x-diff", DIFF.as_bytes())
        );
    }
    let events = Events::new(
        rig.user()
            .stream(&format!("/api/v1/attempts/{attempt}/events"))
            .await,
    )
    .rest()
    .await;
    let kinds: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event.id,
                event.kind.as_str(),
                event.data["state"].as_str().unwrap_or(""),
            )
        })
        .collect();
    let expected = [
        (1, "state", "queued"),
        (2, "state", "leased"),
        (3, "state", "preparing"),
        (4, "state", "running"),
        (5, "message", ""),
        (6, "output", ""),
        (7, "state", "collecting"),
        (8, "state", "succeeded"),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(
        events[4].data,
        json!({"seq": 5, "at": "2026-11-20T14:53:41.000Z", "epoch": 1, "type": "message", "text": "hello"})
    );
    assert_eq!(events[5].data["text"], "a\u{fffd}b");
    assert_eq!(events[1].data["worker"], json!(worker.id));
    follow_up(&rig, &id, &attempt).await;
    rig.stop().await;
}

async fn follow_up(rig: &Rig, id: &str, attempt: &str) {
    let turns = format!("/api/v1/tasks/{id}/turns");
    let task = rig
        .user()
        .post(&turns, &json!({"prompt": "and now this"}))
        .await
        .expect(201);
    assert_eq!(
        (&task["status"], task["turns"].as_array().map(Vec::len)),
        (&json!("pending"), Some(2))
    );
    assert_eq!(
        (&task["turns"][1]["number"], &task["turns"][1]["continues"]),
        (&json!(2), &json!(attempt))
    );
    let early = rig
        .user()
        .post(&turns, &json!({"prompt": "too early"}))
        .await
        .problem(409, "conflict");
    assert!(
        early["hint"]
            .as_str()
            .expect("a hint")
            .contains("outwork cancel"),
        "{early}"
    );
    let hint = rig
        .user()
        .get(&format!("/api/v1/tasks/{id}/diff"))
        .await
        .problem(404, "not_found")["hint"]
        .clone();
    assert!(
        hint.as_str().expect("a hint").contains("--turn 1"),
        "{hint}"
    );

    // Another worker goes on with what the first left behind.
    let other = Worker::register(rig, "two").await;
    let claim = other.take().await;
    let repository = &claim.assignment["repositories"][0];
    assert_eq!(repository["has_carried_diff"], true);
    assert_eq!(claim.assignment["has_session"], true);
    assert_eq!(
        (&claim.assignment["turn"], &repository["commit"]),
        (&json!(2), &task["commit"])
    );
    assert_eq!(
        other.download(&claim, "carried_diff").await.bytes,
        DIFF.as_bytes()
    );
    assert_eq!(other.download(&claim, "session").await.bytes, b"memory");
    other
        .download(&claim, "starting_diff")
        .await
        .problem(404, "not_found");
    other.fail(&claim, "agent_failed").await;
    let task = rig.get(&format!("/api/v1/tasks/{id}")).await;
    assert_eq!(
        (&task["status"], &task["outcome"]),
        (&json!("failed"), &json!("failed"))
    );
    assert_eq!(task["summary"]["files_changed"], 0);
    let none = rig
        .user()
        .get(&format!("/api/v1/tasks/{id}/diff"))
        .await
        .problem(404, "not_found");
    assert!(
        none["hint"]
            .as_str()
            .expect("a hint")
            .contains("None of its attempts"),
        "{none}"
    );
    assert_eq!(
        rig.user()
            .get(&format!("/api/v1/tasks/{id}/diff?turn=1"))
            .await
            .bytes,
        DIFF.as_bytes()
    );
    let task = rig
        .user()
        .post(&turns, &json!({"prompt": "again"}))
        .await
        .expect(201);
    // That one came to nothing: what the turn before it did is not lost.
    assert_eq!(task["turns"][2]["continues"], attempt);
    let claim = other.take().await;
    let carried = other.download(&claim, "carried_diff").await;
    assert_eq!(carried.bytes, DIFF.as_bytes());
}

#[tokio::test]
async fn the_first_success_of_several_attempts_is_shown_and_continued() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let worker = Worker::register(&rig, "one").await;
    let body = json!({"environment": "app", "prompt": "p", "attempts": 3});
    let task = rig.user().post("/api/v1/tasks", &body).await.expect(201);
    let id = task["id"].as_str().expect("an id");
    assert_eq!(task["attempt_total"], 3);
    let mut claims = worker.acquire(3, 5000).await;
    claims.sort_by_key(|claim| claim.assignment["number"].as_u64());
    assert_eq!(claims.len(), 3);
    worker.upload(&claims[0], "diff", "first").await.expect(204);
    let failed = json!({"outcome": {"result": "failed", "failure": {"code": "brand_new_code", "message": "m"}}, "has_session": false,
        "last_seq": 0, "diffs": [size("repository", 9)]});
    worker.finish(&claims[0], failed).await.expect(204);
    let diff = async || {
        rig.user()
            .get(&format!("/api/v1/tasks/{id}/diff"))
            .await
            .bytes
    };
    assert_eq!(diff().await, b"first");
    worker.succeed(&claims[2], "third").await;
    assert_eq!(diff().await, b"third");
    worker.succeed(&claims[1], "second").await;
    assert_eq!(diff().await, b"second");
    let task = rig.get(&format!("/api/v1/tasks/{id}")).await;
    assert_eq!(
        task["turns"][0]["attempts"][0]["failure"]["code"],
        "internal"
    );
    assert_eq!(
        (&task["outcome"], &task["summary"]["files_changed"]),
        (&json!("succeeded"), &json!(1))
    );
    rig.user()
        .get(&format!("/api/v1/tasks/{id}/diff?attempt=4"))
        .await
        .problem(404, "not_found");
    rig.user()
        .get(&format!("/api/v1/tasks/{id}/diff?turn=2"))
        .await
        .problem(404, "not_found");
    let turns = format!("/api/v1/tasks/{id}/turns");
    let wrong = rig
        .user()
        .post(&turns, &json!({"prompt": "p", "attempt": 9}))
        .await
        .problem(422, "unprocessable");
    assert_eq!(wrong["errors"][0]["pointer"], "/attempt");
    let task = rig
        .user()
        .post(&turns, &json!({"prompt": "p", "attempt": 3}))
        .await
        .expect(201);
    assert_eq!(task["turns"][1]["continues"], claims[2].attempt);
    rig.stop().await;
}

#[tokio::test]
async fn a_waiting_worker_is_woken_by_the_submission() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let worker = Worker::register(&rig, "one").await;
    let mut waits_ms = Vec::new();
    for number in 0..5 {
        let (claims, submitted_at) = tokio::join!(
            async {
                let claims = worker.acquire(1, 10_000).await;
                (claims, std::time::Instant::now())
            },
            async {
                rig.task("app", &format!("number {number}")).await;
                std::time::Instant::now()
            }
        );
        assert_eq!(claims.0.len(), 1);
        waits_ms.push(claims.1.saturating_duration_since(submitted_at).as_millis());
    }
    // A worker that only polled would need up to a second; the median leaves room for a busy machine.
    waits_ms.sort_unstable();
    eprintln!("from the answer of the submission to the answer of acquire: {waits_ms:?} ms");
    assert!(waits_ms[2] < 200, "it took {waits_ms:?} ms");
    assert!(worker.acquire(4, 0).await.is_empty());
    rig.stop().await;
}
