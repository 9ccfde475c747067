//! Buttons and forms.

use reqwest::Method;
use serde_json::json;

use super::Scene;
use crate::rig::repository;

#[tokio::test]
async fn a_question_is_answered_and_followed_up_by_form() {
    let scene = Scene::start().await;
    let root = scene.say("U1ADA", None, "<@U0BOT> fix it").await;
    let task = scene.task().await;
    let claim = scene.worker.take().await;
    scene.asks(&claim, "Which *one*?").await;
    let told = scene.told(&root, 2).await;
    scene.press("U1ADA", &told[1], "answer").await;
    scene
        .until("a form", async || scene.slack.forms().len() == 1)
        .await;
    let asked = scene.slack.forms()[0]["blocks"][0]["text"]["text"].clone();
    assert_eq!(asked, "Which _one_?");
    let filled = scene.slack.submit("U1ADA", "the first");
    for _ in 0..2 {
        let delivered = scene.deliver(&filled).await;
        // A body would mean that the form is not taken.
        assert_eq!((delivered.status, delivered.body.as_str()), (200, ""));
    }
    let claim = scene.worker.take().await;
    assert_eq!(claim.assignment["prompt"], "the first");
    scene.work(&claim, "three", "Done.").await;
    let told = scene.told(&root, 3).await;
    scene.press("U1ADA", &told[2], "follow_up").await;
    scene
        .until("another form", async || scene.slack.forms().len() == 2)
        .await;
    let filled = scene.slack.submit("U1ADA", "also the docs");
    scene.deliver(&filled).await;
    let claim = scene.worker.take().await;
    assert_eq!(claim.assignment["prompt"], "also the docs");
    assert_eq!(
        scene.whole(&task).await["turns"]
            .as_array()
            .expect("turns")
            .len(),
        2
    );

    // A form that comes too late is said to whom it concerns, and what else to do.
    let told = scene.slack.told(outwork_test_slack::CHANNEL, &root);
    scene.slack.fail(
        "views.open",
        outwork_test_slack::Fault::Error("expired_trigger_id"),
    );
    scene.press("U1ADA", &told[2], "follow_up").await;
    scene
        .until("a word", async || scene.slack.ephemeral().len() == 1)
        .await;
    let whispered = &scene.slack.ephemeral()[0];
    assert_eq!(whispered["user"], "U1ADA");
    scene.stop().await;
}

#[tokio::test]
async fn a_task_is_cancelled_and_tried_again_by_button() {
    let scene = Scene::start().await;
    let root = scene.say("U1ADA", None, "<@U0BOT> fix it").await;
    let task = scene.task().await;
    let told = scene.told(&root, 1).await;
    scene.press("U1ADA", &told[0], "open").await;
    scene.press("U1ADA", &told[0], "cancel").await;
    let told = scene.told(&root, 2).await;
    assert_eq!(told[1].buttons(), ["open", "follow_up", "retry"]);
    scene.press("U1ADA", &told[1], "retry").await;
    scene.told(&root, 3).await;
    let turns = scene.whole(&task).await["turns"].clone();
    assert_eq!(turns.as_array().expect("turns").len(), 2);
    scene.stop().await;
}

#[tokio::test]
async fn which_environment_is_asked_and_remembered() {
    let scene = Scene::start().await;
    let other = scene.rig.directory.path().join("other");
    std::fs::create_dir(&other).expect("a folder");
    let other = repository::make(&other);
    scene.rig.environment("billing", &other).await;
    let root = scene.say("U1ADA", None, "<@U0BOT> make it faster").await;
    let told = scene.told(&root, 1).await;
    assert_eq!(told[0].buttons(), ["environment.0", "environment.1"]);
    assert!(
        told[0]
            .text
            .starts_with("The message does not say in which environment."),
        "{told:#?}"
    );
    assert!(scene.tasks().await.is_empty());
    // Whoever asked, chooses.
    scene.linked("U2BEN", "Ben", "member").await;
    scene.press("U2BEN", &told[0], "environment.0").await;
    scene
        .until("a word", async || scene.slack.ephemeral().len() == 1)
        .await;
    let channel = outwork_test_slack::CHANNEL;
    let late = scene
        .slack
        .press("U1ADA", channel, &told[0].ts, "outwork.environment.1");
    scene.press("U1ADA", &told[0], "environment.0").await;
    let task = scene.task().await;
    let whole = scene.whole(&task).await;
    assert_eq!(whole["environment_label"], "billing");
    assert_eq!(whole["turns"][0]["prompt"], "make it faster");
    scene
        .until("the buttons are gone", async || {
            let first = &scene.slack.told(outwork_test_slack::CHANNEL, &root)[0];
            first.buttons().is_empty() && first.shown().contains("*billing*")
        })
        .await;
    // Once only.
    scene.deliver(&late).await;
    scene
        .until("a word", async || scene.slack.ephemeral().len() == 2)
        .await;

    // Next time, the one that was used last; unless the message says.
    let again = scene.say("U1ADA", None, "<@U0BOT> and faster").await;
    let told = scene.told(&again, 1).await;
    assert!(
        told[0].shown().contains("*billing*: it was used here last"),
        "{told:#?}"
    );
    let named = scene
        .say("U1ADA", None, "<@U0BOT> in web: and faster")
        .await;
    let told = scene.told(&named, 1).await;
    assert!(
        told[0].shown().contains("*web*: the message names it"),
        "{told:#?}"
    );
    scene.stop().await;
}

#[tokio::test]
async fn a_result_is_approved_by_button_and_by_text() {
    let scene = Scene::start().await;
    let all = scene.rig.get("/api/v1/environments").await;
    let id = all["items"][0]["id"].as_str().expect("an id");
    let path = format!("/api/v1/environments/{id}");
    let user = scene.rig.user();
    let patch = json!({"approvals": 1});
    user.send(Method::PATCH, &path, &patch).await.expect(200);
    scene.linked("U2BEN", "Ben", "reviewer").await;
    let root = scene.say("U1ADA", None, "<@U0BOT> fix it").await;
    scene.task().await;
    let claim = scene.worker.take().await;
    scene.work(&claim, "three", "Done.").await;
    let told = scene.told(&root, 2).await;
    assert_eq!(
        told[1].buttons(),
        ["open", "follow_up", "approve", "reject"]
    );
    // Not who asked, and a reviewer gives no tasks.
    scene.press("U1ADA", &told[1], "approve").await;
    scene.press("U2BEN", &told[1], "follow_up").await;
    scene
        .until("two words", async || scene.slack.ephemeral().len() == 2)
        .await;
    let said = format!("{:?}", scene.slack.ephemeral());
    assert!(
        said.contains("somebody else has to approve it") && said.contains("role `member`"),
        "{said}"
    );
    scene
        .say("U2BEN", Some(&root), "<@U0BOT> reject: no tests")
        .await;
    scene
        .until("rejected", async || {
            scene.slack.told(outwork_test_slack::CHANNEL, &root)[1]
                .shown()
                .contains("rejected")
        })
        .await;
    let told = scene.told(&root, 3).await;
    assert!(told[2].text.contains("Rejected by <@U2BEN>"), "{told:#?}");
    scene.say("U2BEN", Some(&root), "<@U0BOT> approve").await;
    scene
        .until("approved", async || {
            let result = &scene.slack.told(outwork_test_slack::CHANNEL, &root)[1];
            result.buttons() == ["open", "follow_up", "pull_request"]
        })
        .await;
    let told = scene.told(&root, 4).await;
    scene.press("U1ADA", &told[1], "pull_request").await;
    let told = scene.told(&root, 5).await;
    assert!(told[4].shown().contains("🔀 Branch"), "{told:#?}");
    scene.stop().await;
}
