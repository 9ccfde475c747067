//! Who may what.

use outwork_test_slack::CHANNEL;
use reqwest::Method;
use serde_json::json;

use super::Scene;
use crate::rig::Setting;

#[tokio::test]
async fn who_is_not_linked_gives_no_task() {
    let scene = Scene::start().await;
    let root = scene.say("U2BEN", None, "<@U0BOT> fix it").await;
    let told = scene.told(&root, 1).await;
    assert!(
        told[0]
            .text
            .contains("`outwork integration link slack U2BEN MEMBER`"),
        "{told:#?}"
    );
    // A viewer is told what is missing.
    let id = scene.linked("U3CLEO", "Cleo", "viewer").await;
    let root = scene.say("U3CLEO", None, "<@U0BOT> fix it").await;
    let told = scene.told(&root, 1).await;
    assert!(
        told[0].text.contains("role `member`") && !told[0].text.contains("web"),
        "{told:#?}"
    );
    // Who is a member no more is nobody, and not the integration.
    scene.change(json!({"who": "everyone"})).await;
    let path = format!("/api/v1/members/{id}");
    let user = scene.rig.user();
    assert_eq!(user.bare(Method::DELETE, &path).await.status, 204);
    let root = scene.say("U3CLEO", None, "<@U0BOT> fix it").await;
    let told = scene.told(&root, 1).await;
    assert!(told[0].text.contains("one no more"), "{told:#?}");
    assert!(scene.tasks().await.is_empty());
    scene.stop().await;
}

#[tokio::test]
async fn everyone_is_every_full_member_of_the_workspace() {
    let scene = Scene::start_with(Setting::default(), json!({"who": "everyone"})).await;
    for field in [
        "is_restricted",
        "is_ultra_restricted",
        "is_stranger",
        "is_bot",
        "deleted",
    ] {
        scene.slack.change_user("U3CLEO", |user| {
            for other in [
                "is_restricted",
                "is_ultra_restricted",
                "is_stranger",
                "is_bot",
                "deleted",
            ] {
                user[other] = json!(other == field);
            }
        });
        let root = scene.say("U3CLEO", None, "<@U0BOT> fix it").await;
        let told = scene.told(&root, 1).await;
        assert!(told[0].text.starts_with("⚠️"), "{field}: {told:#?}");
    }
    assert!(scene.tasks().await.is_empty());
    let root = scene.say("U2BEN", None, "<@U0BOT> fix it").await;
    let task = scene.task().await;
    scene.told(&root, 1).await;
    assert_eq!(scene.whole(&task).await["created_by"]["name"], "slack");
    scene.stop().await;
}

#[tokio::test]
async fn a_confirmed_address_links_where_an_admin_allows_it() {
    let scene = Scene::start_with(Setting::default(), json!({"link_by_email": true})).await;
    let (id, _) = scene.rig.member("ben@example.com", "member").await;
    scene
        .slack
        .add_user("U2BEN", "ben", Some("Ben@Example.com"));
    scene
        .slack
        .add_user("U4EVE", "eve", Some("ben@example.com"));
    scene
        .slack
        .change_user("U4EVE", |user| user["is_email_confirmed"] = json!(false));
    let root = scene.say("U4EVE", None, "<@U0BOT> fix it").await;
    scene.told(&root, 1).await;
    assert!(scene.tasks().await.is_empty());
    let root = scene.say("U2BEN", None, "<@U0BOT> fix it").await;
    let task = scene.task().await;
    scene.told(&root, 1).await;
    assert_eq!(scene.whole(&task).await["created_by"]["id"], id.as_str());
    let path = format!("/api/v1/integrations/{}/users", scene.integration);
    let links = scene.rig.get(&path).await;
    assert!(links.to_string().contains("U2BEN"), "{links}");
    scene.stop().await;
}

#[tokio::test]
async fn an_admin_says_where_and_how_much() {
    let settings = json!({"link_only": true, "channels": ["C0OPEN"]});
    let scene = Scene::start_with(Setting::default(), settings).await;
    let root = scene.say("U1ADA", None, "<@U0BOT> fix it").await;
    let told = scene.told(&root, 1).await;
    assert!(
        told[0].text.contains("not given in this channel"),
        "{told:#?}"
    );
    assert!(scene.tasks().await.is_empty());
    scene.slack.add_channel("C0OPEN");
    let root = scene
        .say_in("C0OPEN", "U1ADA", None, "<@U0BOT> the secret sum")
        .await;
    scene.task().await;
    let claim = scene.worker.take().await;
    scene.asks(&claim, "the secret question?").await;
    scene
        .until("a question", async || {
            scene.slack.told("C0OPEN", &root).len() == 2
        })
        .await;
    scene
        .say_in("C0OPEN", "U1ADA", Some(&root), "<@U0BOT> yes")
        .await;
    let claim = scene.worker.take().await;
    scene.work(&claim, "three", "the secret answer").await;
    scene
        .until("a result", async || {
            scene.slack.told("C0OPEN", &root).len() == 3
        })
        .await;
    let all = format!("{:?}", scene.slack.told("C0OPEN", &root));
    assert!(!all.contains("secret"), "{all}");
    assert_eq!(scene.slack.told("C0OPEN", &root)[2].buttons(), ["open"]);
    assert!(scene.slack.told(CHANNEL, &root).is_empty());
    scene.stop().await;
}
