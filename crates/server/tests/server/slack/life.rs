//! A thread from the mention to the pull request.

use outwork_test_postgres::shared;
use outwork_test_slack::CHANNEL;

use super::{Scene, as_message};
use crate::rig::{Database, Setting};

#[tokio::test]
async fn a_thread_from_mention_to_pull_request() {
    lives(Database::Sqlite).await;
}

#[tokio::test]
async fn a_thread_from_mention_to_pull_request_on_postgresql() {
    lives(Database::Postgres(shared().new_database())).await;
}

async fn lives(database: Database) {
    let setting = Setting {
        database,
        ..Setting::default()
    };
    let scene = Scene::start_with(setting, serde_json::json!({})).await;
    // What people said before is material.
    let (_, root) = scene.slack.say(
        "U2BEN",
        CHANNEL,
        None,
        "The sum is off by one &amp; nobody knows why.",
    );
    let (event, asked) = scene.slack.say(
        "U1ADA",
        CHANNEL,
        Some(&root),
        "<@U0BOT> Fix the sum, as <@U2BEN> says",
    );
    // Twice, and as both events that Slack makes of it.
    for payload in [&event, &as_message(&event), &event] {
        let delivered = scene.deliver(payload).await;
        assert_eq!((delivered.status, delivered.body.as_str()), (200, ""));
    }
    let task = scene.task().await;
    let told = scene.told(&root, 1).await;
    assert_eq!(told[0].buttons(), ["open", "cancel"]);
    let shown = told[0].shown();
    assert!(
        shown.contains("Environment *web*: it is the only one here"),
        "{shown}"
    );
    let whole = scene.whole(&task).await;
    let me = scene.rig.get("/api/v1/me").await;
    assert_eq!(whole["created_by"]["id"], me["id"]);
    let prompt = whole["turns"][0]["prompt"].as_str().expect("a prompt");
    assert!(
        prompt.starts_with("Fix the sum, as @ben says\n\nWhat follows was written by people"),
        "{prompt}"
    );
    assert!(
        prompt.contains("[message by ben at 2026-11-20T")
            && prompt.contains("\n| The sum is off by one & nobody knows why.\n"),
        "{prompt}"
    );
    scene
        .until("👀", async || {
            scene.slack.reactions(CHANNEL, &asked) == ["eyes"]
        })
        .await;

    // The same message is edited as the work goes on.
    let claim = scene.worker.take().await;
    for step in ["preparing", "running"] {
        scene.worker.step(&claim, step).await.expect(200);
    }
    scene
        .until("the agent works", async || {
            scene.slack.told(CHANNEL, &root)[0]
                .shown()
                .contains("the agent works")
        })
        .await;
    scene.asks(&claim, "Which *sum*?").await;
    let told = scene.told(&root, 2).await;
    assert_eq!(told[1].buttons(), ["answer", "open", "cancel"]);
    let shown = told[1].shown();
    assert!(
        shown.contains("<@U1ADA>") && shown.contains("Which _sum_?"),
        "{shown}"
    );

    // People talk with one another, and one of them may not answer.
    scene
        .say("U1ADA", Some(&root), "<@U2BEN> do you know?")
        .await;
    scene.say("U2BEN", Some(&root), "the second, I think").await;
    scene.quiet().await;
    assert_eq!(scene.whole(&task).await["status"], "needs_input");
    scene.say("U1ADA", Some(&root), "the second").await;
    let claim = scene.worker.take().await;
    assert_eq!(claim.assignment["prompt"], "the second");
    scene
        .until("the question is closed", async || {
            scene.slack.told(CHANNEL, &root)[1].buttons().is_empty()
        })
        .await;
    scene
        .work(
            &claim,
            "three",
            "**Done**, <!channel>: see [it](https://x.example)",
        )
        .await;
    let told = scene.told(&root, 3).await;
    assert_eq!(told[2].buttons(), ["open", "follow_up", "pull_request"]);
    let shown = told[2].shown();
    assert!(
        shown.contains("✅ <@U1ADA>")
            && shown.contains("*Done*, &lt;!channel&gt;: see it (https://x.example)")
            && shown.contains("1 file, +1 −1"),
        "{shown}"
    );
    scene
        .until("no 👀", async || {
            scene.slack.reactions(CHANNEL, &asked).is_empty()
        })
        .await;
    scene
        .until("the progress has ended", async || {
            scene.slack.told(CHANNEL, &root)[0].buttons().is_empty()
        })
        .await;

    scene.say("U1ADA", Some(&root), "<@U0BOT> pr").await;
    let told = scene.told(&root, 4).await;
    assert!(
        told[3].shown().contains("🔀 Branch `outwork/"),
        "{:#?}",
        told[3]
    );
    scene.say("U1ADA", Some(&root), "<@U0BOT> diff").await;
    let told = scene.told(&root, 5).await;
    assert!(told[4].shown().contains("-two\n+three"), "{:#?}", told[4]);

    // A follow-up, with what was said since.
    scene
        .say("U2BEN", Some(&root), "four would be better")
        .await;
    let again = scene.say("U1ADA", Some(&root), "<@U0BOT> make it so").await;
    let claim = scene.worker.take().await;
    let prompt = claim.assignment["prompt"].as_str().expect("a prompt");
    assert!(
        prompt.starts_with("make it so\n\n")
            && prompt.contains("\n| four would be better\n")
            && !prompt.contains("nobody knows why"),
        "{prompt}"
    );
    let told = scene.told(&root, 6).await;
    assert!(told[5].shown().contains("follow-up 1"), "{:#?}", told[5]);
    scene.work(&claim, "four", "Four.").await;
    scene.told(&root, 7).await;
    scene
        .until("no 👀", async || {
            scene.slack.reactions(CHANNEL, &again).is_empty()
        })
        .await;

    // All of it once more changes nothing.
    for payload in [&as_message(&event), &event] {
        assert_eq!(scene.deliver(payload).await.status, 200);
    }
    scene.quiet().await;
    assert_eq!(scene.slack.told(CHANNEL, &root).len(), 7);
    assert_eq!(scene.tasks().await.len(), 1);
    assert_eq!(
        scene.whole(&task).await["turns"]
            .as_array()
            .expect("turns")
            .len(),
        2
    );
    scene.stop().await;
}

#[tokio::test]
async fn a_conversation_with_the_app_alone_needs_no_mention() {
    let scene = Scene::start().await;
    scene.slack.add_channel("D1ADA");
    let ts = scene.say_in("D1ADA", "U1ADA", None, "fix the sum").await;
    scene.task().await;
    let claim = scene.worker.take().await;
    scene.work(&claim, "three", "Done.").await;
    scene
        .until("the result", async || {
            scene.slack.told("D1ADA", &ts).len() == 2
        })
        .await;
    let told = scene.slack.told("D1ADA", &ts);
    // Nobody is called who is alone with it.
    assert!(!told[1].shown().contains("<@U1ADA>"), "{told:#?}");
    scene.say_in("D1ADA", "U1ADA", Some(&ts), "and four").await;
    let claim = scene.worker.take().await;
    assert_eq!(claim.assignment["prompt"], "and four");
    scene.stop().await;
}

#[tokio::test]
async fn words_alone_are_commands() {
    let scene = Scene::start().await;
    let lost = scene.say("U1ADA", None, "<@U0BOT> status").await;
    let told = scene.told(&lost, 1).await;
    assert!(told[0].text.contains("There is no task in this thread"));
    let help = scene.say("U1ADA", None, "<@U0BOT> help").await;
    let told = scene.told(&help, 1).await;
    assert!(told[0].text.contains("in ENVIRONMENT: fix"), "{told:#?}");
    assert!(scene.tasks().await.is_empty());

    let root = scene.say("U1ADA", None, "<@U0BOT> fix it").await;
    let task = scene.task().await;
    scene.told(&root, 1).await;
    scene.say("U1ADA", Some(&root), "<@U0BOT> status").await;
    let told = scene.told(&root, 2).await;
    assert!(told[1].text.starts_with("⏳"), "{told:#?}");
    scene.say("U1ADA", Some(&root), "<@U0BOT> cancel").await;
    let told = scene.told(&root, 3).await;
    assert!(told[2].text.contains("was cancelled"), "{told:#?}");
    assert_eq!(scene.whole(&task).await["outcome"], "cancelled");
    // What cannot be done is told in the server's words.
    scene.say("U1ADA", Some(&root), "<@U0BOT> pr").await;
    let told = scene.told(&root, 4).await;
    assert!(told[3].text.starts_with("⚠️"), "{told:#?}");
    scene.say("U1ADA", Some(&root), "<@U0BOT> retry").await;
    scene.told(&root, 5).await;
    scene.worker.take().await;
    scene.stop().await;
}
