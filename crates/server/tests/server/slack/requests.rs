//! What comes to the address: Slack's, or not.

use outwork_slack::signature::sign;
use outwork_test_slack::{Delivery, SIGNING_SECRET};
use serde_json::json;

use super::Scene;

fn delivery(headers: &[(&'static str, &str)], body: &[u8]) -> Delivery {
    let headers = headers.iter();
    Delivery {
        headers: headers
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect(),
        body: body.to_vec(),
    }
}

fn signed(secret: &str, time: i64, body: &[u8]) -> Delivery {
    let time = time.to_string();
    let signature = sign(secret, &time, body);
    delivery(
        &[
            ("content-type", "application/json"),
            ("x-slack-request-timestamp", &time),
            ("x-slack-signature", &signature),
        ],
        body,
    )
}

#[tokio::test]
async fn only_what_slack_signed_just_now_is_taken() {
    let scene = Scene::start().await;
    let (hook, now) = (scene.hook(), scene.now());
    let (event, _) = scene.slack.say(
        "U1ADA",
        outwork_test_slack::CHANNEL,
        None,
        "<@U0BOT> fix it",
    );
    let body = event.to_string().into_bytes();
    let mut cut = signed(SIGNING_SECRET, now, &body);
    cut.body.truncate(100);
    let cases = [
        (
            delivery(&[("content-type", "application/json")], &body),
            401,
        ),
        (signed("another secret", now, &body), 401),
        (signed(SIGNING_SECRET, now - 301, &body), 401),
        (signed(SIGNING_SECRET, now + 301, &body), 401),
        (cut, 401),
        (signed(SIGNING_SECRET, now, &body[..100]), 400),
        (signed(SIGNING_SECRET, now, b""), 400),
        (signed(SIGNING_SECRET, now, b"[1]"), 400),
        (signed(SIGNING_SECRET, now, &vec![b'['; 10 << 20]), 400),
        (signed(SIGNING_SECRET, now, &vec![b' '; 26 << 20]), 413),
    ];
    for (at, (sent, status)) in cases.into_iter().enumerate() {
        let answer = sent.to(&hook).await;
        assert_eq!(answer.status, status, "case {at}: {}", answer.body);
    }
    // 10 MB that are right are taken, and their text is bounded.
    let mut long = event.clone();
    long["event"]["text"] = json!(format!("<@U0BOT> {}", "x".repeat(10 << 20)));
    long["event"]["ts"] = event["event"]["ts"].clone();
    let answer = signed(SIGNING_SECRET, now, long.to_string().as_bytes())
        .to(&hook)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let id = scene.task().await;
    let prompt = scene.whole(&id).await["turns"][0]["prompt"].clone();
    assert!(prompt.as_str().expect("a prompt").len() <= 40_000);
    // Nobody else's address.
    let unknown = format!("{}/hooks/int_0", scene.rig.url);
    assert_eq!(
        signed(SIGNING_SECRET, now, &body).to(&unknown).await.status,
        404
    );
    scene.stop().await;
}

#[tokio::test]
async fn slack_is_told_that_somebody_is_there() {
    let scene = Scene::start().await;
    let asked = json!({"token": "x", "challenge": "3eZbrw1a", "type": "url_verification"});
    let answer = scene.deliver(&asked).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, r#"{"challenge":"3eZbrw1a"}"#)
    );
    // What is not listened to is taken all the same, so that Slack does not send it again.
    let (mut event, _) = scene
        .slack
        .say("U1ADA", outwork_test_slack::CHANNEL, None, "hello");
    for kind in ["reaction_added", "message"] {
        event["event"]["type"] = json!(kind);
        let answer = scene.deliver(&event).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    }
    assert!(
        scene.deliveries().await["items"]
            .as_array()
            .expect("a list")
            .is_empty()
    );
    scene.stop().await;
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let scene = Scene::start().await;
    let right = json!({"kind": "slack", "signing_secret": "s", "bot_token": "xoxb-1"});
    let cases = [
        (json!({"bot_token": null}), "/settings/bot_token"),
        (json!({"bot_token": "xapp-1"}), "/settings/bot_token"),
        (json!({"signing_secret": null}), "/settings/signing_secret"),
        (json!({"socket_mode": true}), "/settings/app_token"),
        (json!({"app_token": "xoxb-1"}), "/settings/app_token"),
        (json!({"channels": ["#general"]}), "/settings/channels"),
        (
            json!({"api_url": "http://slack.example/api"}),
            "/settings/api_url",
        ),
        (
            json!({"api_url": "https://u:p@slack.example"}),
            "/settings/api_url",
        ),
    ];
    for (wrong, pointer) in cases {
        let mut settings = right.clone();
        for (name, value) in wrong.as_object().expect("an object") {
            settings[name] = value.clone();
        }
        let body = json!({"name": "other", "settings": settings});
        let answer = scene.rig.user().post("/api/v1/integrations", &body).await;
        let refused = answer.expect(422);
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused:#}");
    }
    scene.stop().await;
}
