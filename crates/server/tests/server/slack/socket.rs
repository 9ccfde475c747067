//! Socket Mode.

use outwork_test_slack::{APP_TOKEN, CHANNEL, Fault};
use serde_json::json;

use super::Scene;
use crate::rig::Setting;

#[tokio::test]
async fn what_comes_over_the_socket_is_kept_and_acknowledged() {
    let settings = json!({"socket_mode": true, "app_token": APP_TOKEN});
    let scene = Scene::start_with(Setting::default(), settings).await;
    let push = |text: &str| {
        let (event, ts) = scene.slack.say("U1ADA", CHANNEL, None, text);
        scene.slack.push(&event);
        (event, ts)
    };
    let (event, root) = push("<@U0BOT> fix it");
    scene.task().await;
    scene
        .until("acknowledged", async || scene.slack.waiting() == 0)
        .await;
    // Sent again, and by the other way: once.
    scene.slack.push(&event);
    scene.deliver(&event).await;
    scene
        .until("acknowledged", async || scene.slack.waiting() == 0)
        .await;
    let told = scene.told(&root, 1).await;
    scene.quiet().await;
    assert_eq!(scene.tasks().await.len(), 1);

    // Buttons come the same way.
    let pressed = scene
        .slack
        .press("U1ADA", CHANNEL, &told[0].ts, "outwork.cancel");
    scene.slack.push(&pressed);
    scene.told(&root, 2).await;

    // Slack asks for another connection; one is lost; one cannot be opened.
    let before = scene.slack.connections();
    scene.slack.refresh_socket();
    scene
        .until("another connection", async || {
            scene.slack.connections() == before + 1
        })
        .await;
    let (_, root) = push("<@U0BOT> fix that");
    scene.told(&root, 1).await;
    scene
        .slack
        .fail("apps.connections.open", Fault::Status(503, Vec::new()));
    scene.slack.drop_socket();
    let (_, root) = push("<@U0BOT> fix these");
    scene.told(&root, 1).await;
    assert_eq!(scene.slack.faults_left(), 0);
    assert_eq!(scene.tasks().await.len(), 3);
    scene
        .until("acknowledged", async || scene.slack.waiting() == 0)
        .await;

    // Switched off, it is closed.
    scene.change(json!({"socket_mode": false})).await;
    let log = crate::rig::log::text();
    assert!(
        !log.contains(APP_TOKEN) && !log.contains("ticket-"),
        "{log}"
    );
    scene.stop().await;
}
