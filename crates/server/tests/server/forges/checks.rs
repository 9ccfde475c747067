//! Failing checks of our own pull requests.

use outwork_test_github::Delivery;
use serde_json::{Value, json};

use super::{Scene, change};
use crate::rig::Database;

fn failed(scene: &Scene, number: u64, commit: &str, suite: u64) -> Delivery {
    let mut payload = scene.github.example("check_suite", "completed", "ada");
    payload["check_suite"]["id"] = json!(suite);
    payload["check_suite"]["head_sha"] = json!(commit);
    payload["check_suite"]["conclusion"] = json!("failure");
    payload["check_suite"]["pull_requests"][0]["number"] = json!(number);
    scene.github.checks(suite, json!([
        {"id": 1, "name": "lint", "html_url": "x", "status": "completed", "conclusion": "success", "output": {"title": null, "summary": null, "text": null}},
        {"id": 2, "name": "test", "html_url": "x", "status": "completed", "conclusion": "failure", "output": {"title": "1 failed", "summary": "assertion `two`", "text": null}}]));
    scene.github.delivery("check_suite", payload)
}

async fn delivered(scene: &Scene, delivery: &Delivery) -> Value {
    scene.deliver(delivery).await.expect(202);
    scene.settled().await["message"].clone()
}

#[tokio::test]
async fn failing_checks_are_looked_into_a_few_times() {
    let scene = Scene::start_with(Database::Sqlite, json!({"check_rounds": 1})).await;
    let github = &scene.github;
    let issue = github.issue("ada", "x", "y");
    scene.mention(issue, "ada", "@outwork fix it").await;
    scene.work("So.", change).await;
    let pull = scene.pulls(1).await[0].clone();
    let branch = pull.pull.expect("refs").head;
    scene.told(issue, "Pull request:").await;
    let commit = || github.git(&["rev-parse", &branch]).trim().to_owned();
    let first = commit();
    let others = failed(&scene, pull.number, &"0".repeat(40), 8);
    assert_eq!(
        delivered(&scene, &others).await,
        "The commit is not the newest of ours."
    );
    let delivery = failed(&scene, pull.number, &first, 9);
    let message = delivered(&scene, &delivery).await;
    assert!(
        message
            .as_str()
            .is_some_and(|it| it.starts_with("Turn 2 of task_")),
        "{message}"
    );
    // Another group of checks of the same commit, and the same once more.
    scene.deliver(&delivery).await.expect(202);
    scene
        .deliver(&failed(&scene, pull.number, &first, 10))
        .await
        .expect(202);
    scene.settled().await;
    let task = scene.task().await;
    assert_eq!(task["turns"].as_array().map(Vec::len), Some(2));
    let prompt = task["turns"][1]["prompt"].as_str().expect("text");
    for part in [
        "The checks of this task's pull request fail.",
        "[failed check test]",
        "| assertion `two`",
        "| file:1: expected `two`",
    ] {
        assert!(prompt.contains(part), "{part} in {prompt}");
    }
    assert!(!prompt.contains("lint"), "{prompt}");
    scene
        .work("Better.", |clone| {
            std::fs::write(clone.join("file"), "four\n").expect("a file")
        })
        .await;
    scene.told(pull.number, "**Done.**").await;
    let second = scene
        .until(async || commit(), |it: &String| *it != first)
        .await;
    scene.told(pull.number, "Pull request:").await;
    let message = delivered(&scene, &failed(&scene, pull.number, &second, 11)).await;
    assert_eq!(
        message,
        "The checks still fail after 1 rounds; it is left to you now."
    );
    scene.told(pull.number, "it is left to you now").await;
    assert_eq!(
        scene.task().await["turns"].as_array().map(Vec::len),
        Some(2)
    );
    // Who closes it wants no more of it.
    let mut payload = github.example("pull_request", "closed", "ada");
    payload["pull_request"]["number"] = json!(pull.number);
    let closed = github.delivery("pull_request", payload);
    assert_eq!(delivered(&scene, &closed).await, "It is closed.");
    let late = failed(&scene, pull.number, &"1".repeat(40), 12);
    assert_eq!(
        delivered(&scene, &late).await,
        "The pull request is closed."
    );
    scene.check().await;
}
