//! The parts of diffs, and results that are made of them.

use serde_json::{Value, json};

use crate::rig::worker::{Claim, Worker, size};
use crate::rig::{Rig, repository};

/// Two hunks far from each other, and a new file.
const ONE: &str = "\
diff --git a/file b/file
index 1..2 100644
--- a/file
+++ b/file
@@ -1,4 +1,4 @@
-1
+one
 2
 3
 4
@@ -17,4 +17,4 @@
 17
 18
 19
-20
+twenty
diff --git a/new b/new
new file mode 100644
index 0..1
--- /dev/null
+++ b/new
@@ -0,0 +1 @@
+new
";

/// The second of these hunks, though it begins a line later after the diff; another first one; and one between.
const TWO: &str = "\
diff --git a/file b/file
index 1..3 100644
--- a/file
+++ b/file
@@ -1,3 +1,4 @@
-1
+uno
+due
 2
 3
@@ -7,7 +8,7 @@
 7
 8
 9
-10
+ten
 11
 12
 13
@@ -17,4 +18,4 @@
 17
 18
 19
-20
+twenty
";

struct Made {
    rig: Rig,
    worker: Worker,
    task: String,
    attempts: Vec<String>,
}

/// A task whose two attempts have ended with these diffs, in that order.
async fn made(diffs: [&str; 2]) -> Made {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let worker = Worker::register_with(&rig, "one", &["command", "none"]).await;
    let new = json!({"environment": "app", "prompt": "p", "attempts": 2});
    let task = rig.user().post("/api/v1/tasks", &new).await.expect(201);
    let attempts: Vec<String> = task["turns"][0]["attempts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|attempt| attempt["id"].as_str().expect("an id").to_owned())
        .collect();
    for claim in worker.acquire(2, 10_000).await {
        let number = attempts.iter().position(|id| *id == claim.attempt);
        worker.upload(&claim, "session", "memory").await.expect(204);
        let diff = diffs[number.expect("one of them")];
        worker.upload(&claim, "diff", diff).await.expect(204);
        let result = json!({"outcome": {"result": "succeeded"}, "has_session": true, "last_seq": 0, "diffs": [size("repository", 1)]});
        worker.finish(&claim, result).await.expect(204);
    }
    let task = task["id"].as_str().expect("an id").to_owned();
    Made {
        rig,
        worker,
        task,
        attempts,
    }
}

impl Made {
    async fn parts(&self, attempt: usize) -> Value {
        let id = &self.attempts[attempt - 1];
        self.rig
            .get(&format!("/api/v1/attempts/{id}/diff/parts"))
            .await
    }

    fn path(&self) -> String {
        format!("/api/v1/tasks/{}/compositions", self.task)
    }

    async fn task(&self) -> Value {
        self.rig.get(&format!("/api/v1/tasks/{}", self.task)).await
    }

    async fn diff(&self) -> String {
        let path = format!("/api/v1/tasks/{}/diff", self.task);
        String::from_utf8(self.rig.user().get(&path).await.bytes).expect("text")
    }

    /// The first and the last hunk of the first, the middle one of the second, and the new file.
    async fn body(&self) -> Value {
        let (one, two) = (self.parts(1).await, self.parts(2).await);
        json!({"parts": [
            {"attempt": 1, "files": [one["files"][1]["id"]], "hunks": [one["files"][0]["hunks"][0]["id"]]},
            {"attempt": 2, "hunks": [two["files"][0]["hunks"][1]["id"], two["files"][0]["hunks"][2]["id"]]},
        ]})
    }

    async fn take(&self) -> Claim {
        let claim = self.worker.take().await;
        assert_eq!(claim.assignment["agent"], json!({"name": "none"}));
        claim
    }
}

const COMPOSED: &str = "\
diff --git a/file b/file
--- a/file
+++ b/file
@@ -1,4 +1,4 @@
-1
+one
 2
 3
 4
@@ -7,7 +7,7 @@
 7
 8
 9
-10
+ten
 11
 12
 13
@@ -17,4 +17,4 @@
 17
 18
 19
-20
+twenty
diff --git a/new b/new
new file mode 100644
index 0..1
--- /dev/null
+++ b/new
@@ -0,0 +1 @@
+new
";

#[tokio::test]
async fn a_diff_is_shown_in_parts_and_the_same_change_has_the_same_id() {
    let made = made([ONE, TWO]).await;
    let (one, two) = (made.parts(1).await, made.parts(2).await);
    let (file, new) = (&one["files"][0], &one["files"][1]);
    assert_eq!(file["path"], "file");
    assert_eq!(file["status"], "modified");
    assert_eq!(
        (&file["additions"], &file["deletions"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(
        (&new["status"], &new["binary"]),
        (&json!("added"), &json!(false))
    );
    let last = &file["hunks"][1];
    let id = &last["id"];
    let expected = json!({"id": id, "header": "@@ -17,4 +17,4 @@",
        "old_start": 17, "old_lines": 4, "new_start": 17, "new_lines": 4});
    assert_eq!(last, &expected);
    let same = &two["files"][0]["hunks"][2];
    assert_eq!((&same["id"], &same["new_start"]), (id, &json!(18)));
    assert_ne!(two["files"][0]["hunks"][0]["id"], file["hunks"][0]["id"]);
    assert_ne!(two["files"][0]["id"], file["id"]);
    made.rig.stop().await;
}

#[tokio::test]
async fn a_composition_is_a_turn_that_runs_no_agent_and_is_continued_like_any() {
    let made = made([ONE, TWO]).await;
    let mut body = made.body().await;
    body["dry_run"] = json!(true);
    let dry = made.rig.user().post(&made.path(), &body).await;
    assert_eq!(dry.header("content-type"), "text/x-diff");
    assert_eq!(String::from_utf8(dry.bytes).expect("text"), COMPOSED);
    assert_eq!(made.task().await["turns"].as_array().map(Vec::len), Some(1));

    body["dry_run"] = json!(false);
    let client = made.rig.user().with("idempotency-key", "k");
    let task = client.post(&made.path(), &body).await.expect(201);
    let turn = &task["turns"][1];
    assert_eq!(
        (&turn["kind"], &turn["prompt"]),
        (
            &json!("composition"),
            &json!("Parts of attempts 1 and 2 of turn 1")
        )
    );
    assert_eq!(turn["continues"], json!(made.attempts[0]));
    assert_eq!(turn["composed_from"][1]["attempt"], 2);
    assert_eq!(turn["composed_from"][0]["files"], body["parts"][0]["files"]);
    assert_eq!(task["turns"][0]["kind"], "prompt");
    assert_eq!(turn["attempts"][0]["agent"], json!({"name": "none"}));
    assert_eq!(task["status"], "pending");
    let stat = json!({"files_changed": 2, "lines_added": 4, "lines_removed": 3});
    assert_eq!(task["summary"], stat);
    let again = client.post(&made.path(), &body).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.expect(201)["turns"].as_array().map(Vec::len), Some(2));
    // The stock client sees it as a turn like any.
    let path = format!("/api/codex/tasks/{}", made.task);
    let details = made.rig.get(&path).await;
    let prompt = &details["current_user_turn"]["input_items"][0]["content"][0];
    assert_eq!(prompt["text"], turn["prompt"], "{details:#}");
    // It is shown from the start, and another one waits for its end.
    assert_eq!(made.diff().await, COMPOSED);
    made.rig
        .user()
        .post(&made.path(), &body)
        .await
        .problem(409, "conflict");

    let claim = made.take().await;
    assert_eq!(
        claim.assignment["repositories"][0]["has_carried_diff"],
        true
    );
    assert_eq!(claim.assignment["has_session"], true);
    let carried = made.worker.download(&claim, "carried_diff").await;
    assert_eq!(String::from_utf8(carried.bytes).expect("text"), COMPOSED);
    let session = made.worker.download(&claim, "session").await;
    assert_eq!(session.bytes, b"memory");
    // A worker that goes loses nothing of it.
    made.worker.release(&claim).await.expect(204);
    let claim = made.take().await;
    let exact = COMPOSED.replace("--- a/file", "index 1..4 100644\n--- a/file");
    made.worker.succeed(&claim, &exact).await;
    assert_eq!(made.diff().await, exact);

    // Once more, from what it has become.
    let retry = format!("/api/v1/tasks/{}/retry", made.task);
    let from_start = json!({"from_start": true, "attempts": 2});
    let task = made.rig.user().post(&retry, &from_start).await.expect(201);
    assert_eq!(task["turns"][2]["kind"], "composition");
    for claim in made.worker.acquire(2, 10_000).await {
        let carried = made.worker.download(&claim, "carried_diff").await;
        assert_eq!(String::from_utf8(carried.bytes).expect("text"), exact);
        made.worker.fail(&claim, "setup_failed").await;
    }
    let path = format!("/api/v1/tasks/{}/diff", made.task);
    // The worker said that it has none.
    made.rig.user().get(&path).await.problem(404, "not_found");

    // Its own turn before is what a follow-up goes on from.
    body["turn"] = json!(1);
    made.rig.user().post(&made.path(), &body).await.expect(201);
    let claim = made.take().await;
    made.worker.succeed(&claim, COMPOSED).await;
    let follow_up = format!("/api/v1/tasks/{}/turns", made.task);
    let next = json!({"prompt": "go on"});
    made.rig.user().post(&follow_up, &next).await.expect(201);
    let claim = made.worker.take().await;
    assert_eq!(claim.assignment["agent"]["name"], "command");
    assert_eq!(claim.assignment["prompt"], "go on");
    let carried = made.worker.download(&claim, "carried_diff").await;
    assert_eq!(String::from_utf8(carried.bytes).expect("text"), COMPOSED);
    made.rig.stop().await;
}

#[tokio::test]
async fn what_contradicts_is_refused_and_names_file_and_hunks() {
    let made = made([ONE, TWO]).await;
    let (one, two) = (made.parts(1).await, made.parts(2).await);
    let hunk = |parts: &Value| parts["files"][0]["hunks"][0]["id"].clone();
    let body = json!({"parts": [{"attempt": 1, "hunks": [hunk(&one)]}, {"attempt": 2, "hunks": [hunk(&two)]}]});
    let user = made.rig.user();
    let refused = user.post(&made.path(), &body).await;
    let refused = refused.problem(409, "parts_conflict");
    assert_eq!(
        refused["detail"],
        "The parts contradict each other in file."
    );
    assert_eq!(refused["errors"][0]["pointer"], "/parts/1");
    let expected = format!(
        "file: both change line 1 of the base, or stand next to it: hunk {} (@@ -1,4 +1,4 @@) of attempt 1, hunk {} (@@ -1,3 +1,4 @@) of attempt 2",
        hunk(&one).as_str().expect("an id"),
        hunk(&two).as_str().expect("an id"),
    );
    assert_eq!(refused["errors"][0]["detail"], expected);
    assert_eq!(made.task().await["turns"].as_array().map(Vec::len), Some(1));

    let unknown = json!({"parts": [{"attempt": 2, "files": [one["files"][0]["id"]]}]});
    let refused = user.post(&made.path(), &unknown).await;
    let refused = refused.problem(422, "unprocessable");
    assert_eq!(refused["errors"][0]["pointer"], "/parts/0");
    let missing = json!({"parts": [{"attempt": 3, "files": ["x"]}]});
    user.post(&made.path(), &missing)
        .await
        .problem(404, "not_found");
    for nothing in [json!([]), json!([{"attempt": 1}])] {
        let nothing = json!({"parts": nothing});
        user.post(&made.path(), &nothing)
            .await
            .problem(422, "unprocessable");
    }
    let mut many = body.clone();
    many["parts"] = json!(vec![json!({"attempt": 1, "files": []}); 65]);
    user.post(&made.path(), &many)
        .await
        .problem(422, "unprocessable");
    made.rig.stop().await;
}

#[tokio::test]
async fn a_worker_that_does_not_know_compositions_is_not_given_one_and_no_environment_is_one() {
    let made = made([ONE, TWO]).await;
    let body = made.body().await;
    made.rig.user().post(&made.path(), &body).await.expect(201);
    let old = Worker::register_with(&made.rig, "old", &["command", "codex"]).await;
    assert!(old.acquire(1, 0).await.is_empty());
    made.worker.succeed(&made.take().await, COMPOSED).await;
    let environment =
        json!({"label": "none", "repository_url": "/somewhere", "agent": {"name": "none"}});
    let user = made.rig.user();
    let refused = user.post("/api/v1/environments", &environment).await;
    let refused = refused.problem(422, "unprocessable");
    assert_eq!(
        refused["detail"],
        "`agent` is `none`, which only compositions have."
    );
    made.rig.stop().await;
}
