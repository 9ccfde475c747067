//! What a submission is told about itself and about its repository.

use serde_json::{Value, json};

use crate::rig::worker::Worker;
use crate::rig::{Rig, repository};

async fn submit(rig: &Rig, more: Value) -> crate::rig::http::Answer {
    let mut body = json!({"environment": "app", "prompt": "p"});
    for (name, value) in more.as_object().expect("fields") {
        body[name] = value.clone();
    }
    rig.user().post("/api/v1/tasks", &body).await
}

#[tokio::test]
async fn wrong_values_are_named() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let cases = [
        ("/prompt", json!({"prompt": ""})),
        ("/prompt", json!({"prompt": " \n\t"})),
        ("/prompt", json!({"prompt": "a\u{0}b"})),
        ("/prompt", json!({"prompt": "x".repeat(1024 * 1024 + 1)})),
        ("/prompt", json!({"prompt": "x".repeat(2 * 1024 * 1024)})),
        ("/attempts", json!({"attempts": 0})),
        ("/attempts", json!({"attempts": 5})),
        ("/commit", json!({"branch": "main", "commit": "abcdef1"})),
        ("/commit", json!({"commit": "HEAD"})),
        ("/commit", json!({"commit": "abc"})),
        ("/branch", json!({"branch": "--upload-pack=id"})),
        ("/branch", json!({"branch": "a\u{3000}b"})),
        ("/branch", json!({"branch": "$(id)\n"})),
        ("/starting_diff", json!({"starting_diff": ""})),
    ];
    for (pointer, more) in cases {
        let problem = submit(&rig, more).await.problem(422, "unprocessable");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem:#}");
    }
    submit(&rig, json!({"prompt": "x".repeat(1024 * 1024)}))
        .await
        .expect(201);
    submit(&rig, json!({"environment": "\u{0}"}))
        .await
        .problem(404, "not_found");
    assert_eq!(
        rig.get("/api/v1/tasks").await["items"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    rig.stop().await;
}

#[tokio::test]
async fn a_task_starts_where_it_was_told_to() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let (main, other) = (
        repository::tip(&path, "main"),
        repository::tip(&path, "other"),
    );
    let start = async |more| {
        let task = submit(&rig, more).await.expect(201);
        (
            task["branch"].as_str().map(str::to_owned),
            task["commit"].as_str().expect("a commit").to_owned(),
        )
    };
    assert_eq!(start(json!({})).await, (Some("main".into()), main.clone()));
    assert_eq!(
        start(json!({"branch": "refs/heads/other"})).await,
        (Some("other".into()), other.clone())
    );
    assert_eq!(start(json!({"commit": other})).await, (None, other.clone()));
    assert_eq!(
        start(json!({"commit": &main.to_uppercase()[..8]})).await,
        (None, main[..8].to_owned())
    );
    // What comes later into the branch does not change a task that was submitted.
    let task = submit(&rig, json!({})).await.expect(201);
    std::fs::write(path.join("file"), "three\n").expect("a file");
    repository::commit(&path, "three");
    let shown = rig
        .get(&format!(
            "/api/v1/tasks/{}",
            task["id"].as_str().expect("an id")
        ))
        .await;
    assert_eq!(shown["commit"], main);
    assert_ne!(start(json!({})).await.1, main);
    rig.stop().await;
}

#[tokio::test]
async fn a_repository_that_cannot_be_used_says_why() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let empty = rig.directory.path().join("empty");
    std::fs::create_dir(&empty).expect("a directory");
    rig.environment("no repository", &empty).await;
    repository::git(
        rig.directory.path(),
        &["init", "--quiet", "--bare", "bare.git"],
    );
    rig.environment("no commit", &rig.directory.path().join("bare.git"))
        .await;
    rig.environment("missing", &rig.directory.path().join("missing"))
        .await;
    let refused = async |more: Value| {
        let problem = submit(&rig, more).await.problem(422, "repository");
        assert!(
            problem["hint"].as_str().is_some_and(|hint| hint.len() > 10),
            "{problem:#}"
        );
        let text = format!(
            "{}\n  {}",
            problem["detail"].as_str().expect("text"),
            problem["hint"].as_str().expect("text")
        );
        text.replace(&*rig.directory.path().to_string_lossy(), "[dir]")
    };
    let mut texts = Vec::new();
    for environment in ["no repository", "no commit", "missing"] {
        texts.push(refused(json!({"environment": environment})).await);
    }
    texts.push(refused(json!({"branch": "mian"})).await);
    insta::assert_snapshot!(texts.join("\n"));
    assert_eq!(rig.get("/api/v1/tasks").await["items"], json!([]));
    rig.stop().await;
}

#[tokio::test]
async fn uncommitted_changes_go_along() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let worker = Worker::register(&rig, "one").await;
    let diff = "diff --git a/ü b/ü\n";
    submit(&rig, json!({"starting_diff": diff}))
        .await
        .expect(201);
    let claim = worker.take().await;
    assert_eq!(
        claim.assignment["repositories"][0]["has_starting_diff"],
        true
    );
    assert_eq!(
        worker.download(&claim, "starting_diff").await.bytes,
        diff.as_bytes()
    );
    worker
        .download(&claim, "carried_diff")
        .await
        .problem(404, "not_found");
    worker
        .download(&claim, "nonsense")
        .await
        .problem(404, "not_found");
    rig.stop().await;
}
