//! Submitting: the same task as the task API makes.

use outwork_store::StoreError;
use reqwest::Method;
use serde_json::{Value, json};

use super::{DIFF, STYLES, submit};
use crate::rig::worker::Worker;
use crate::rig::{Rig, repository};

fn body(environment: &Value, branch: &Value, prompt: &str) -> Value {
    let content =
        json!([{"content_type": "text", "text": prompt}, {"content_type": "image", "url": "x"}]);
    json!({"new_task": {"environment_id": environment, "branch": branch, "run_environment_in_qa_mode": false},
        "input_items": [{"type": "message", "role": "user", "content": content}, {"type": "nonsense", "x": 1}]})
}

#[tokio::test]
async fn everything_that_the_client_says_is_in_the_task() -> Result<(), StoreError> {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    let environment = rig.environment("app", &path).await;
    for (number, style) in STYLES.into_iter().enumerate() {
        let mut body = body(
            &environment["id"],
            &json!("other"),
            " fix\u{1b} it\n\nplease\n",
        );
        body["metadata"] = json!({"best_of_n": 3});
        let patch = json!({"type": "pre_apply_patch", "output_diff": {"diff": DIFF}});
        body["input_items"]
            .as_array_mut()
            .expect("a list")
            .push(patch);
        let created = rig
            .user()
            .post(&format!("{style}/tasks"), &body)
            .await
            .expect(200);
        let id = created["task"]["id"].as_str().expect("an id");
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_.~-".contains(&byte);
        assert!(id.bytes().all(safe), "{id}");

        let task = rig.get(&format!("/api/v1/tasks/{id}")).await;
        assert_eq!(task["environment_id"], environment["id"]);
        assert_eq!(task["branch"], "other");
        assert_eq!(task["commit"], repository::tip(&path, "other"));
        assert_eq!(task["title"], "fix it");
        assert_eq!(task["turns"][0]["prompt"], " fix\u{1b} it\n\nplease\n");
        let attempts = task["turns"][0]["attempts"].as_array().expect("a list");
        assert_eq!(attempts.len(), 3);
        let worker = Worker::register(&rig, &format!("worker-{number}")).await;
        let claims = worker.acquire(4, 0).await;
        assert_eq!(claims.len(), 3);
        let starting = worker.download(&claims[0], "starting_diff").await;
        assert_eq!(starting.bytes, DIFF.as_bytes());
    }
    Ok(())
}

#[tokio::test]
async fn a_branch_that_is_only_guessed_does_not_fail_the_task() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    repository::git(&path, &["branch", "--move", "main", "trunk"]);
    let environment = rig.environment("app", &path).await;
    let started = async |branch: Value| {
        let created = rig
            .user()
            .post("/api/codex/tasks", &body(&environment["id"], &branch, "x"))
            .await;
        let id = created.expect(200)["task"]["id"]
            .as_str()
            .expect("an id")
            .to_owned();
        rig.get(&format!("/api/v1/tasks/{id}")).await["branch"].clone()
    };
    for branch in [json!("main"), json!(""), Value::Null] {
        assert_eq!(started(branch).await, "trunk");
    }
    let other = body(&environment["id"], &json!("missing"), "x");
    let refused = rig
        .user()
        .post("/api/codex/tasks", &other)
        .await
        .expect(422);
    assert_eq!(refused["code"], "repository");
    // A guess that is right is kept.
    repository::git(&path, &["branch", "main", "other"]);
    assert_eq!(started(json!("main")).await, "main");
}

#[tokio::test]
async fn what_is_wrong_makes_no_task() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    let environment = rig.environment("app", &path).await["id"].clone();
    let mut many = body(&environment, &json!("main"), "x");
    many["metadata"] = json!({"best_of_n": 5});
    let cases = [
        (
            body(&environment, &json!("main"), " \n"),
            422,
            "`prompt` is empty; say what is to be done.",
        ),
        (many, 422, "`attempts` is 5; it must be 1 to 4."),
        (
            body(&json!("nonsense"), &json!("main"), "x"),
            404,
            "There is no environment `nonsense` in this workspace.",
        ),
        (
            json!({"input_items": []}),
            400,
            "The body cannot be read: missing field `new_task`.",
        ),
    ];
    for (body, status, detail) in cases {
        let refused = rig
            .user()
            .post("/backend-api/wham/tasks", &body)
            .await
            .expect(status);
        let said = refused["detail"].as_str().expect("a text");
        assert!(said.starts_with(detail), "{said}");
    }
    let broken = rig.user().request(Method::POST, "/api/codex/tasks");
    let broken = broken.header("content-type", "application/json").body("{");
    assert_eq!(crate::rig::http::read(broken).await.status, 400);
    assert_eq!(rig.get("/api/v1/tasks").await["items"], json!([]));
    submit(&rig, "app", 1).await;
}
