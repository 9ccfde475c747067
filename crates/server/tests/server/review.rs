//! Comments, what they become, what was seen, and who did what.

use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::http::Client;
use crate::rig::worker::{Claim, Worker};
use crate::rig::{Rig, repository};

const DIFF: &str = "diff --git a/a.txt b/a.txt
index 1..2 100644
--- a/a.txt
+++ b/a.txt
@@ -2,3 +2,3 @@
 two
-three
+drei
 four
diff --git a/b.txt b/b.txt
index 3..4 100644
--- a/b.txt
+++ b/b.txt
@@ -1 +1 @@
-one
+eins
";

/// The same, with another change of `b.txt`.
const OTHER: &str = "diff --git a/a.txt b/a.txt
index 1..2 100644
--- a/a.txt
+++ b/a.txt
@@ -2,3 +2,3 @@
 two
-three
+drei
 four
diff --git a/b.txt b/b.txt
index 3..5 100644
--- a/b.txt
+++ b/b.txt
@@ -1 +1 @@
-one
+uno
";

/// A server with a task that has one attempt, which handed in [`DIFF`].
struct Scene {
    rig: Rig,
    worker: Worker,
    /// The task's id.
    task: String,
    claim: Claim,
}

impl Scene {
    async fn start() -> Self {
        let rig = Rig::start().await;
        let path = repository::make(rig.directory.path());
        rig.environment("app", &path).await;
        let worker = Worker::register(&rig, "one").await;
        let task = rig.task("app", "p").await;
        let claim = worker.take().await;
        worker.succeed(&claim, DIFF).await;
        Self {
            task: task["id"].as_str().expect("an id").to_owned(),
            rig,
            worker,
            claim,
        }
    }

    fn path(&self, what: &str) -> String {
        format!("/api/v1/tasks/{}{what}", self.task)
    }

    async fn comment(&self, by: &Client, body: Value) -> Value {
        by.post(&self.path("/comments"), &body).await.expect(201)
    }
}

#[tokio::test]
async fn a_comment_has_the_lines_that_the_diff_shows() {
    let scene = Scene::start().await;
    let (id, ada) = scene.rig.member("Ada", "reviewer").await;
    let body =
        json!({"attempt": 1, "path": "a.txt", "line": 2, "end_line": 3, "text": " Why German? "});
    let made = scene.comment(&ada, body).await;
    assert!(made["id"].as_str().expect("an id").starts_with("com_"));
    let expected = json!({"turn": 1, "attempt": 1, "repository": "repository", "path": "a.txt", "side": "new", "line": 2,
        "end_line": 3, "excerpt": "two\ndrei", "text": "Why German?", "author": {"id": id, "name": "Ada"}, "task_id": scene.task,
        "id": made["id"], "created_at": made["created_at"], "updated_at": made["created_at"]});
    assert_eq!(made, expected);
    let old = json!({"path": "a.txt", "side": "old", "line": 3, "text": "Gone?"});
    assert_eq!(scene.comment(&ada, old).await["excerpt"], "three");
    let on_file = json!({"path": "b.txt", "text": "All of it"});
    let on_file = scene.comment(&ada, on_file).await;
    assert!(on_file.get("line").is_none(), "{on_file}");
    let listed = scene.rig.get(&scene.path("/comments")).await;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(3));
    for (body, pointer) in [
        (json!({"path": "c.txt", "text": "x"}), "/path"),
        (json!({"path": "a.txt", "line": 1, "text": "x"}), "/line"),
        (
            json!({"path": "a.txt", "line": 4, "end_line": 5, "text": "x"}),
            "/line",
        ),
        (
            json!({"path": "a.txt", "line": 4, "end_line": 3, "text": "x"}),
            "/end_line",
        ),
        (
            json!({"path": "a.txt", "end_line": 3, "text": "x"}),
            "/end_line",
        ),
        (json!({"path": "a.txt", "line": 2, "text": " "}), "/text"),
    ] {
        let refused = ada.post(&scene.path("/comments"), &body).await;
        let problem = refused.problem(422, "unprocessable");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
    let nowhere = json!({"attempt": 2, "path": "a.txt", "text": "x"});
    let nowhere = ada.post(&scene.path("/comments"), &nowhere).await;
    nowhere.problem(404, "not_found");
    scene.rig.stop().await;
}

#[tokio::test]
async fn a_comment_is_its_authors_and_anybody_may_settle_it() {
    let scene = Scene::start().await;
    let (_, ada) = scene.rig.member("Ada", "reviewer").await;
    let (_, grace) = scene.rig.member("Grace", "reviewer").await;
    let (_, viewer) = scene.rig.member("Vi", "viewer").await;
    let made = scene
        .comment(&ada, json!({"path": "a.txt", "text": "Hm"}))
        .await;
    let comment = format!("/api/v1/comments/{}", made["id"].as_str().expect("an id"));
    let say = json!({"text": "Else"});
    let refused = grace.send(Method::PATCH, &comment, &say).await;
    refused.problem(403, "forbidden");
    let refused = grace.bare(Method::DELETE, &comment).await;
    refused.problem(403, "forbidden");
    let resolve = json!({"resolved": true});
    let refused = viewer.send(Method::PATCH, &comment, &resolve).await;
    refused.problem(403, "forbidden");
    let settled = grace.send(Method::PATCH, &comment, &resolve).await;
    assert!(settled.expect(200)["resolved_at"].is_string());
    let changed = ada.send(Method::PATCH, &comment, &say).await.expect(200);
    assert_eq!(changed["text"], "Else");
    ada.bare(Method::DELETE, &comment).await.expect(204);
    ada.bare(Method::DELETE, &comment)
        .await
        .problem(404, "not_found");
    scene.rig.stop().await;
}

#[tokio::test]
async fn open_comments_become_the_next_prompt() {
    let scene = Scene::start().await;
    let user = scene.rig.user();
    let none = json!({"comments": true});
    let refused = user.post(&scene.path("/turns"), &none).await;
    let problem = refused.problem(422, "unprocessable");
    assert_eq!(problem["errors"][0]["pointer"], "/comments");
    let first = json!({"path": "a.txt", "line": 3, "text": "In English, please."});
    scene.comment(&user, first).await;
    let settled = scene
        .comment(&user, json!({"path": "a.txt", "text": "Settled"}))
        .await;
    let path = format!(
        "/api/v1/comments/{}",
        settled["id"].as_str().expect("an id")
    );
    let resolve = json!({"resolved": true});
    user.send(Method::PATCH, &path, &resolve).await.expect(200);
    let by_id = json!({"prompt": "", "comments": [settled["id"]]});
    let refused = user.post(&scene.path("/turns"), &by_id).await;
    refused.problem(422, "unprocessable");

    let made = user.post(&scene.path("/turns"), &none).await.expect(201);
    let prompt = made["turns"][1]["prompt"].as_str().expect("a prompt");
    let expected = "Go through these comments on your changes, and do what they ask for.

Comments on your changes:

1. a.txt, line 3:
   > drei

   In English, please.
";
    assert_eq!(prompt, expected);
    assert_eq!(
        made["turns"][1]["continues"].as_str(),
        Some(scene.claim.attempt.as_str())
    );
    let claim = scene.worker.take().await;
    assert_eq!(claim.assignment["prompt"], prompt);
    let listed = scene.rig.get(&scene.path("/comments")).await;
    assert_eq!(listed["items"][0]["sent_in_turn"], 2);
    assert!(listed["items"][1].get("sent_in_turn").is_none(), "{listed}");
    let sent = format!(
        "/api/v1/comments/{}",
        listed["items"][0]["id"].as_str().expect("an id")
    );
    let late = user.send(Method::PATCH, &sent, &json!({"text": "x"})).await;
    late.problem(409, "conflict");
    scene.rig.stop().await;
}

#[tokio::test]
async fn what_was_seen_is_seen_where_it_is_the_same() {
    let scene = Scene::start().await;
    let (_, ada) = scene.rig.member("Ada", "viewer").await;
    let viewed = |attempt: &str| format!("/api/v1/attempts/{attempt}/viewed");
    let first = viewed(&scene.claim.attempt);
    for path in ["a.txt", "b.txt"] {
        let mark = json!({"path": path, "viewed": true});
        ada.send(Method::PUT, &first, &mark).await.expect(204);
    }
    let unknown = json!({"path": "c.txt", "viewed": true});
    let refused = ada.send(Method::PUT, &first, &unknown).await;
    refused.problem(422, "unprocessable");
    let follow = json!({"prompt": "more"});
    let user = scene.rig.user();
    user.post(&scene.path("/turns"), &follow).await.expect(201);
    let claim = scene.worker.take().await;
    scene.worker.succeed(&claim, OTHER).await;
    let paths = async |who: &Client, path: &str| {
        let listed = who.get(path).await.expect(200);
        let items = listed["items"].as_array().expect("a list").clone();
        let paths = items.iter().map(|item| item["path"].clone());
        paths.collect::<Vec<_>>()
    };
    let second = viewed(&claim.attempt);
    assert_eq!(paths(&ada, &first).await, ["a.txt", "b.txt"]);
    assert_eq!(paths(&ada, &second).await, ["a.txt"]);
    assert!(paths(&user, &first).await.is_empty(), "it was Ada");
    let unmark = json!({"path": "a.txt", "viewed": false});
    ada.send(Method::PUT, &second, &unmark).await.expect(204);
    assert_eq!(paths(&ada, &first).await, ["b.txt"]);
    scene.rig.stop().await;
}

#[tokio::test]
async fn a_result_is_approved_by_others_and_a_no_is_a_no() {
    let scene = Scene::start().await;
    let user = scene.rig.user();
    let ask = |approvals: u32| json!({"approvals": approvals});
    let environments = scene.rig.get("/api/v1/environments").await;
    let environment = format!(
        "/api/v1/environments/{}",
        environments["items"][0]["id"].as_str().expect("an id")
    );
    let (ada_id, ada) = scene.rig.member("Ada", "reviewer").await;
    let (_, grace) = scene.rig.member("Grace", "member").await;
    let task = async || scene.rig.get(&scene.path("")).await;
    assert_eq!(task().await["approval"]["state"], "not_needed");
    let set = user.send(Method::PATCH, &environment, &ask(3)).await;
    set.problem(422, "unprocessable");
    let set = user.send(Method::PATCH, &environment, &ask(2)).await;
    assert_eq!(set.expect(200)["approvals"], 2);
    let lowered = grace.send(Method::PATCH, &environment, &ask(0)).await;
    lowered.problem(403, "forbidden");

    let approvals = scene.path("/approvals");
    let yes = json!({"verdict": "approve", "text": "Good"});
    let own = user.post(&approvals, &yes).await;
    own.problem(403, "forbidden");
    let first = ada.post(&approvals, &yes).await.expect(200);
    assert_eq!(first["state"], "waiting");
    assert_eq!(
        first["given"][0]["by"],
        json!({"id": ada_id, "name": "Ada"})
    );
    assert_eq!(task().await["approval_state"], "waiting");
    let second = grace.post(&approvals, &yes).await.expect(200);
    assert_eq!(second["state"], "approved");
    let no = json!({"verdict": "reject", "text": "The tests are gone"});
    assert_eq!(
        ada.post(&approvals, &no).await.expect(200)["state"],
        "rejected"
    );
    let listed = scene.rig.get("/api/v1/tasks").await;
    assert_eq!(listed["items"][0]["approval_state"], "rejected");
    let withdraw = json!({"verdict": "withdraw"});
    assert_eq!(
        ada.post(&approvals, &withdraw).await.expect(200)["state"],
        "waiting"
    );
    let nothing = ada.post(&approvals, &withdraw).await;
    nothing.problem(409, "conflict");
    let said = scene.rig.get(&approvals).await;
    assert_eq!(said["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(said["items"][0]["by"]["name"], "Grace");
    assert_eq!(said["items"][0]["counts"], true);

    // Another result begins at nothing, and what is not there yet cannot be approved.
    let follow = json!({"prompt": "more"});
    grace.post(&scene.path("/turns"), &follow).await.expect(201);
    let early = json!({"verdict": "approve", "attempt": 1});
    let early = ada.post(&approvals, &early).await;
    early.problem(409, "conflict");
    assert_eq!(task().await["approval"]["state"], "waiting");
    let claim = scene.worker.take().await;
    scene.worker.succeed(&claim, OTHER).await;
    let of_grace = grace.post(&approvals, &yes).await;
    of_grace.problem(403, "forbidden");
    scene.rig.stop().await;
}

#[tokio::test]
async fn what_members_do_is_listed() {
    let scene = Scene::start().await;
    let (id, ada) = scene.rig.member("Ada", "reviewer").await;
    scene
        .comment(&ada, json!({"path": "a.txt", "text": "Hm"}))
        .await;
    let refused = ada.post("/api/v1/tasks", &json!({})).await;
    refused.problem(403, "forbidden");
    let wrong = ada.post(&scene.path("/comments"), &json!({})).await;
    wrong.problem(400, "invalid_request");
    ada.get("/api/v1/audit").await.problem(403, "forbidden");
    let page = scene.rig.get("/api/v1/audit?limit=3").await;
    let items = page["items"].as_array().expect("a list");
    let done: Vec<_> = items
        .iter()
        .map(|item| (item["by"]["name"].as_str(), item["action"].as_str()))
        .collect();
    assert_eq!(
        done,
        [
            (Some("Ada"), Some("POST /api/v1/tasks/{id}/comments")),
            (Some("user-1"), Some("POST /api/v1/members/{id}/tokens")),
            (Some("user-1"), Some("POST /api/v1/members")),
        ]
    );
    assert_eq!(items[0]["object"], scene.path("/comments"));
    assert_eq!(items[0]["by"]["id"], id);
    let cursor = page["next_cursor"].as_str().expect("there is more");
    let rest = format!("/api/v1/audit?cursor={cursor}");
    let rest = scene.rig.get(&rest).await;
    let items = rest["items"].as_array().expect("a list").iter();
    let actions: Vec<_> = items.map(|item| item["action"].clone()).collect();
    // No worker is in it.
    assert_eq!(actions, ["POST /api/v1/tasks", "POST /api/v1/environments"]);
    scene.rig.stop().await;
}
