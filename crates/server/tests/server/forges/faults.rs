//! What GitHub answers when something is wrong.

use outwork_test_github::Fault;
use serde_json::{Value, json};

use super::{Scene, change};

fn answer(status: u16, message: &str) -> Fault {
    Fault::Answer(status, vec![], json!({"message": message}))
}

/// What may pass is tried again, and nothing is said twice.
#[tokio::test]
async fn what_passes_is_waited_for() {
    let scene = Scene::start().await;
    let github = &scene.github;
    let issue = github.issue("ada", "x", "y");
    for fault in [
        answer(500, "oops"),
        answer(503, "away"),
        Fault::Answer(
            429,
            vec![("retry-after", "7".to_owned())],
            json!({"message": "slow down"}),
        ),
        Fault::Answer(
            403,
            vec![("retry-after", "2".to_owned())],
            json!({"message": "You have exceeded a secondary rate limit"}),
        ),
        Fault::DoneBut(502),
    ] {
        github.fail("GET", "/permission", fault);
    }
    github.fail("POST", "/reactions", answer(500, "oops"));
    // The comment is there all the same.
    github.fail("POST", "/comments", Fault::DoneBut(502));
    scene.mention(issue, "ada", "@outwork fix it").await;
    scene.task().await;
    let said = scene.told(issue, "Taken up").await;
    github.fail("PATCH", "/comments", Fault::DoneBut(504));
    scene.work("So.", change).await;
    scene.pulls(1).await;
    let done = scene.told(issue, "Pull request:").await;
    assert_eq!((done.id, github.ours(issue).len()), (said.id, 1));
    scene.check().await;
}

/// What somebody has to do something about is said to the admin, and can be done again.
#[tokio::test]
async fn what_does_not_pass_is_said_and_done_again_by_hand() {
    let scene = Scene::start().await;
    let github = &scene.github;
    let issue = github.issue("ada", "x", "y");
    for (status, what) in [
        (401, "does not take the integration's credential (401)"),
        (403, "may not do that in team/repo"),
        (404, "has no team/repo"),
        (409, "refuses that (409)"),
        (422, "refuses that (422)"),
    ] {
        github.fail("GET", "/issues", answer(status, "no"));
        let failed = scene.mention(issue, "ada", "@outwork fix it").await;
        let message = failed["message"].as_str().unwrap_or_default();
        assert!(
            failed["state"] == "failed" && message.contains(what),
            "{failed:#}"
        );
    }
    assert_eq!(scene.tasks().await, Vec::<Value>::new());
    let last = scene.settled().await["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let path = format!(
        "/api/v1/integrations/{}/deliveries/{last}/replay",
        scene.integration
    );
    let replayed = scene.rig.user().post(&path, &json!({})).await;
    assert!(replayed.status < 300, "{replayed:?}");
    scene.settled().await;
    scene.task().await;
    // Somebody takes our comment away: it is not written again.
    let said = scene.told(issue, "Taken up").await;
    github.take_away(said.id);
    scene.work("So.", change).await;
    scene.pulls(1).await;
    scene
        .until(
            async || scene.deliveries("out").await,
            |all: &Vec<Value>| {
                all.iter()
                    .any(|it| it["message"] == "The comment was taken away.")
            },
        )
        .await;
    assert!(github.ours(issue).is_empty());
    scene.check().await;
}

/// GitHub did it and never says so: what was said is found by its mark, and not said again.
#[tokio::test]
async fn an_answer_that_never_comes_is_no_second_comment() {
    let scene = Scene::start().await;
    let github = &scene.github;
    let issue = github.issue("ada", "x", "y");
    github.fail("POST", "/issues/1/comments", Fault::DoneAndSilent);
    scene.mention(issue, "ada", "@outwork fix it").await;
    scene.work("So.", change).await;
    scene.pulls(1).await;
    scene.told(issue, "Pull request:").await;
    assert_eq!(github.ours(issue).len(), 1);
    scene.check().await;
}
