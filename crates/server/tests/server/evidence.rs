//! What the verify command said, the order of attempts, and which one stands for a turn.

use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::worker::{Claim, Worker, size};
use crate::rig::{Rig, repository};

const PATCH: &str = "diff --git a/a.txt b/a.txt\n";

struct Turn {
    rig: Rig,
    worker: Worker,
    task: String,
    /// By the attempts' numbers.
    claims: Vec<Claim>,
}

/// A task with so many attempts, which a worker has.
async fn begun(attempts: u32) -> Turn {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    let environment = json!({"label": "app", "repository_url": path, "agent": {"name": "command", "command": "cat"},
        "verify_command": "make test", "verify_timeout_seconds": 90});
    let made = rig.user().post("/api/v1/environments", &environment).await;
    made.expect(201);
    let worker = Worker::register(&rig, "one").await;
    let task = json!({"environment": "app", "prompt": "Fix a.txt", "attempts": attempts});
    let task = rig.user().post("/api/v1/tasks", &task).await.expect(201);
    let mut claims = Vec::new();
    while claims.len() < attempts as usize {
        claims.extend(worker.acquire(attempts, 10_000).await);
    }
    claims.sort_by_key(|claim| claim.assignment["number"].as_u64());
    Turn {
        task: task["id"].as_str().expect("an id").to_owned(),
        rig,
        worker,
        claims,
    }
}

impl Turn {
    /// Attempt `number` ends, with that of its verification.
    async fn end(&self, number: usize, verification: Value) {
        let claim = &self.claims[number - 1];
        let patch = format!("{PATCH}# {number}\n");
        self.worker.upload(claim, "diff", &patch).await.expect(204);
        let finish = json!({"outcome": {"result": "succeeded"}, "has_session": false, "last_seq": 0,
            "diffs": [size("repository", 1)], "verification": verification, "agent_ms": 1500, "paths": ["a.txt"]});
        self.worker.finish(claim, finish).await.expect(204);
    }

    async fn turn(&self) -> Value {
        self.rig.get(&format!("/api/v1/tasks/{}", self.task)).await["turns"][0].clone()
    }

    /// The number of the attempt whose diff is shown.
    async fn shown(&self) -> String {
        let path = format!("/api/v1/tasks/{}/diff", self.task);
        let diff = self.rig.user().get(&path).await;
        let diff = String::from_utf8(diff.bytes).expect("a text");
        diff.rsplit("# ").next().expect("a line").trim().to_owned()
    }
}

fn passed() -> Value {
    json!({"state": "passed", "command": "make test", "exit_code": 0, "duration_ms": 1200,
        "tests": {"runner": "pytest", "passed": 4, "failed": 0, "skipped": 0}, "tail": "4 passed"})
}

fn failed() -> Value {
    json!({"state": "failed", "command": "make test", "exit_code": 2, "duration_ms": 1200, "tail": "no"})
}

#[tokio::test]
async fn the_best_attempt_is_shown_until_a_person_chooses_another() {
    let turn = begun(3).await;
    let verify = &turn.claims[0].assignment["verify"];
    assert_eq!(
        *verify,
        json!({"command": "make test", "timeout_ms": 90_000})
    );
    turn.end(1, failed()).await;
    let pending = turn.turn().await;
    assert_eq!(pending["ranking"]["verdict"], "pending");
    assert_eq!(pending["ranking"]["places"], json!([]));
    assert_eq!(pending["attempts"][0]["verification"], failed());
    turn.end(2, passed()).await;
    let cheated = json!({"state": "failed", "command": "make test", "exit_code": 0, "duration_ms": 1200, "tail": "",
        "with_original_tests": {"state": "failed", "exit_code": 1, "changed": ["tests/a.py"]}});
    turn.end(3, cheated.clone()).await;

    let shown = turn.turn().await;
    insta::assert_json_snapshot!(shown["ranking"]);
    assert_eq!(shown["attempts"][1]["verification"], passed());
    assert_eq!(shown["attempts"][2]["verification"], cheated);
    assert_eq!(
        (&shown["shown"], &shown["chosen"]),
        (&json!(2), &Value::Null)
    );
    assert_eq!(turn.shown().await, "2");

    let path = format!("/api/v1/tasks/{}/choice", turn.task);
    for (number, refused) in [(3, None), (9, Some("/attempt"))] {
        let answer = turn
            .rig
            .user()
            .send(Method::PUT, &path, &json!({"attempt": number}))
            .await;
        match refused {
            None => {
                let chosen = answer.expect(200)["turns"][0].clone();
                assert_eq!(
                    (&chosen["shown"], &chosen["chosen"]["attempt"]),
                    (&json!(3), &json!(3))
                );
            }
            Some(pointer) => assert_eq!(answer.expect(422)["errors"][0]["pointer"], pointer),
        }
    }
    assert_eq!(turn.shown().await, "3");
    // What goes on goes on from it.
    let next = format!("/api/v1/tasks/{}/turns", turn.task);
    let next = turn
        .rig
        .user()
        .post(&next, &json!({"prompt": "more"}))
        .await;
    let next = next.expect(201);
    assert_eq!(
        next["turns"][1]["continues"],
        next["turns"][0]["attempts"][2]["id"]
    );

    let other = json!({"turn": 9, "attempt": 1});
    let answer = turn
        .rig
        .user()
        .send(Method::PUT, &path, &other)
        .await
        .expect(422);
    assert_eq!(answer["errors"][0]["pointer"], "/turn");
    for _ in 0..2 {
        let withdrawn = turn
            .rig
            .user()
            .bare(Method::DELETE, &format!("{path}?turn=1"))
            .await;
        let withdrawn = withdrawn.expect(200)["turns"][0].clone();
        assert_eq!(
            (&withdrawn["shown"], &withdrawn["chosen"]),
            (&json!(2), &Value::Null)
        );
    }
    turn.rig.stop().await;
}

#[tokio::test]
async fn a_tie_is_no_best_and_its_first_is_shown() {
    let turn = begun(3).await;
    turn.end(1, failed()).await;
    turn.end(2, passed()).await;
    turn.end(3, passed()).await;
    let shown = turn.turn().await;
    assert_eq!(shown["ranking"]["verdict"], "tie", "{}", shown["ranking"]);
    assert_eq!(
        (&shown["ranking"]["best"], &shown["shown"]),
        (&Value::Null, &json!(2))
    );
    assert_eq!(turn.shown().await, "2");
    turn.rig.stop().await;
}

#[tokio::test]
async fn what_a_worker_says_is_kept_within_bounds() {
    let turn = begun(1).await;
    let verification = json!({"state": "splendid", "command": "c", "duration_ms": 1, "tail": "ü".repeat(5000),
        "with_original_tests": {"state": "passed", "changed": vec!["tests/a.py"; 300]}});
    turn.end(1, verification).await;
    let kept = turn.turn().await["attempts"][0]["verification"].clone();
    assert_eq!(kept["state"], "not_run", "what is not known says nothing");
    assert_eq!(kept["tail"].as_str().expect("a text").len(), 4096);
    let changed = &kept["with_original_tests"]["changed"];
    assert_eq!(changed.as_array().expect("a list").len(), 100);
    turn.rig.stop().await;
}

/// The server gives the verify command time of its own, and none where there was no command when the task was submitted.
#[tokio::test]
async fn its_time_is_part_of_the_attempts_limits() {
    let turn = begun(1).await;
    let limits = &turn.claims[0].assignment["limits"];
    let of_diff = turn.rig.setting.limits.collecting.as_millis() as u64;
    assert_eq!(limits["collecting_ms"], of_diff);
    turn.end(1, passed()).await;
    let path = turn.rig.directory.path().join("repository");
    let plain = turn.rig.environment("plain", &path).await;
    turn.rig.task("plain", "p").await;
    let edit = json!({"verify_command": "make"});
    let plain = format!(
        "/api/v1/environments/{}",
        plain["id"].as_str().expect("an id")
    );
    let edited = turn.rig.user().send(Method::PATCH, &plain, &edit).await;
    edited.expect(200);
    let claim = turn.worker.take().await;
    assert_eq!(claim.assignment["verify"], Value::Null);
    turn.rig.stop().await;
}
