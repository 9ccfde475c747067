//! `@outwork review`: comments on lines.

use serde_json::json;

use super::{Scene, change};
use crate::rig::repository;

/// A pull request of ada's that changes `file`.
fn pull(scene: &Scene) -> u64 {
    let clone = &scene.clone;
    repository::git(clone, &["checkout", "--quiet", "-b", "better"]);
    change(clone);
    repository::git(
        clone,
        &[
            "-c",
            "user.name=Ada",
            "-c",
            "user.email=ada@example.com",
            "commit",
            "--quiet",
            "-am",
            "Better",
        ],
    );
    repository::git(clone, &["push", "--quiet", "origin", "better"]);
    repository::git(clone, &["checkout", "--quiet", "main"]);
    scene.github.pull("ada", "Better", "better")
}

async fn answer(scene: &Scene, answer: &str) {
    let claim = scene.worker.take().await;
    assert_eq!(
        claim.assignment["output_schema"]["required"],
        json!(["summary", "comments"]),
        "{:#}",
        claim.assignment
    );
    scene.worker.upload(&claim, "diff", "").await.expect(204);
    let result = json!({"outcome": {"result": "succeeded"}, "has_session": false, "last_seq": 0,
        "message": answer, "diffs": [crate::rig::worker::size("repo", 0)]});
    scene.worker.finish(&claim, result).await.expect(204);
}

fn found() -> String {
    json!({"summary": "One thing, @eve.", "comments": [
        {"path": "file", "line": 1, "removed": false, "comment": "Why three? See #9."},
        {"path": "file", "line": 99, "removed": false, "comment": "Out of sight."}]})
    .to_string()
}

#[tokio::test]
async fn a_review_stands_on_the_lines() {
    let scene = Scene::start().await;
    let github = &scene.github;
    let number = pull(&scene);
    scene
        .mention(number, "ada", "@outwork review the numbers")
        .await;
    let task = scene.task().await;
    assert_eq!(
        (&task["is_review"], &task["branch"], &task["interactive"]),
        (&json!(true), &json!("better"), &json!(false))
    );
    let prompt = task["turns"][0]["prompt"].as_str().expect("text");
    assert!(
        prompt.starts_with("Review the changes")
            && prompt.contains("What was asked for: the numbers")
            && prompt.contains("| +three"),
        "{prompt}"
    );
    answer(&scene, &found()).await;
    scene
        .told(number, "Reviewed, with one comment on a line.")
        .await;
    let reviews = github.of(number).reviews;
    assert_eq!(reviews.len(), 1, "{reviews:#?}");
    let body = reviews[0]["body"].as_str().expect("text");
    assert!(
        body.starts_with("<!-- outwork:post ")
            && body.contains("One thing, @\u{200b}eve.")
            && body.contains("- `file:99`: Out of sight."),
        "{body}"
    );
    assert_eq!(
        reviews[0]["comments"],
        json!([{"path": "file", "line": 1, "side": "RIGHT", "body": "Why three? See #\u{200b}9."}])
    );
    let head = github.git(&["rev-parse", "better"]);
    assert_eq!(reviews[0]["commit_id"], head.trim());
    assert_eq!((github.ours(number).len(), github.pulls().len()), (1, 1));
    scene.check().await;
}

#[tokio::test]
async fn a_review_is_posted_once_and_never_lost() {
    use outwork_test_github::Fault;
    let scene = Scene::start().await;
    let github = &scene.github;
    let number = pull(&scene);
    scene.mention(number, "ada", "@outwork review").await;
    scene.told(number, "Taken up").await;
    github.fail("POST", "/reviews", Fault::DoneBut(502));
    answer(&scene, &found()).await;
    scene.told(number, "Reviewed").await;
    assert_eq!(github.of(number).reviews.len(), 1);
    // Somebody pushed meanwhile, and the line is gone: all of it is a comment then.
    scene.mention(number, "ada", "@outwork review again").await;
    github.fail(
        "POST",
        "/reviews",
        Fault::Answer(
            422,
            vec![],
            json!({"message": "Unprocessable Entity", "errors": ["Line could not be resolved"]}),
        ),
    );
    answer(&scene, &found()).await;
    let said = scene.told(number, "One thing").await;
    assert!(
        said.body.contains("- `file:1`: Why three?"),
        "{}",
        said.body
    );
    assert_eq!(github.of(number).reviews.len(), 1);
    scene.check().await;
}
