//! Deliveries: twice, late, forged, broken, and too large.

use outwork_test_github::sign;
use serde_json::json;

use super::{SECRET, Scene};

#[tokio::test]
async fn a_delivery_counts_once() {
    let scene = Scene::start().await;
    let issue = scene.github.issue("ada", "x", "y");
    let first = scene.github.mention(issue, "ada", "@outwork one");
    let second = scene.github.mention(issue, "ada", "@outwork two");
    // Out of order, each twice, and the second of them by another webhook.
    for (delivery, known) in [(&second, 0), (&first, 0), (&second, 1), (&first, 1)] {
        let mut headers = delivery.headers(SECRET);
        if known == 1 {
            headers[3].1 = "another-id".to_owned();
        }
        let answer = scene
            .deliver_as(headers, delivery.body.clone())
            .await
            .expect(202);
        assert_eq!(
            answer,
            json!({"accepted": 1 - known, "known_before": known})
        );
    }
    scene.settled().await;
    let task = scene.task().await;
    assert_eq!(task["title"], "two");
    let notes: Vec<_> = scene
        .deliveries("in")
        .await
        .iter()
        .map(|it| it["state"].clone())
        .collect();
    assert_eq!(notes, [json!("done"), json!("done")]);
    scene.check().await;
}

#[tokio::test]
async fn what_is_not_signed_is_not_believed() {
    let scene = Scene::start().await;
    let issue = scene.github.issue("ada", "x", "y");
    let delivery = scene.github.mention(issue, "ada", "@outwork one");
    let signed = delivery.headers(SECRET);
    let mut unsigned = signed.clone();
    unsigned.pop();
    let mut old = unsigned.clone();
    old.push((
        "x-hub-signature",
        "sha1=0123456789012345678901234567890123456789".to_owned(),
    ));
    let of_other = delivery.headers("another secret");
    let mut empty = unsigned.clone();
    empty.push((
        "x-hub-signature-256",
        format!("sha256={}", sign("", &delivery.body)),
    ));
    for headers in [unsigned, old, of_other, empty] {
        let answer = scene.deliver_as(headers, delivery.body.clone()).await;
        assert_eq!(answer.status, 401, "{answer:?}");
    }
    // Signed, and changed on the way.
    let mut changed = delivery.body.clone();
    changed.push(b' ');
    assert_eq!(scene.deliver_as(signed.clone(), changed).await.status, 401);
    let truncated = delivery.body[..delivery.body.len() - 1].to_vec();
    assert_eq!(
        scene.deliver_as(signed, truncated.clone()).await.status,
        401
    );
    // Signed as it is, and no JSON.
    for body in [
        truncated,
        Vec::new(),
        b"payload=%7B%7D".to_vec(),
        vec![0xff; 10 << 20],
    ] {
        let mut broken = delivery.clone();
        broken.body = body;
        let answer = scene.deliver(&broken).await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    let mut nameless = delivery.headers(SECRET);
    nameless.retain(|(name, _)| *name != "x-github-event");
    assert_eq!(
        scene
            .deliver_as(nameless, delivery.body.clone())
            .await
            .status,
        400
    );
    assert!(scene.deliveries("in").await.is_empty());
    let nowhere = scene.rig.nobody().post("/hooks/int_0", &json!({})).await;
    assert_eq!(nowhere.status, 404);
}

#[tokio::test]
async fn ten_megabytes_are_taken_and_more_than_github_sends_is_not() {
    let scene = Scene::start().await;
    let issue = scene.github.issue("ada", "x", "y");
    let text = format!("@outwork {}", "x".repeat(10 << 20));
    let delivery = scene.github.mention(issue, "ada", &text);
    assert!(delivery.body.len() > 10 << 20);
    scene.deliver(&delivery).await.expect(202);
    let done = scene.settled().await;
    assert_eq!(done["state"], "done", "{done:#}");
    let prompt = scene.task().await["turns"][0]["prompt"]
        .as_str()
        .map(str::len);
    assert!(prompt.is_some_and(|it| it < 140_000), "{prompt:?}");
    let mut large = delivery;
    large.body = vec![b' '; (25 << 20) + 1];
    assert_eq!(scene.deliver(&large).await.status, 413);
}

#[tokio::test]
async fn what_means_nothing_is_said_to() {
    let scene = Scene::start().await;
    let github = &scene.github;
    for (event, action) in [
        ("ping", ""),
        ("push", ""),
        ("issue_comment", "deleted"),
        ("issues", "opened"),
        ("installation", "deleted"),
    ] {
        let payload = match action {
            "" => json!({"zen": "Keep it logically awesome."}),
            action => github.example(event, action, "ada"),
        };
        let answer = scene
            .deliver(&github.delivery(event, payload))
            .await
            .expect(202);
        assert!(answer["ignored"].is_string(), "{event} {action}: {answer}");
    }
    // What happens to an issue that nobody talked about is nobody's business, and asks nobody.
    let closed = github.example("pull_request", "closed", "ada");
    scene
        .deliver(&github.delivery("pull_request", closed))
        .await
        .expect(202);
    assert_eq!(
        scene.settled().await["message"],
        "Nobody asked for anything there."
    );
    assert!(github.seen().is_empty(), "{:?}", github.seen());
}

#[tokio::test]
async fn settings_that_cannot_be_meant_are_refused() {
    let scene = Scene::start().await;
    let whole = json!({"kind": "github", "webhook_secret": SECRET, "token": "t"});
    for (field, value) in [
        ("mention", json!("@outwork")),
        ("api_url", json!("http://forge.example/api/v3")),
        ("api_url", json!("https://ada:x@forge.example/api/v3")),
        ("permission", json!("none")),
        ("pull_requests", json!("never")),
        ("check_rounds", json!(11)),
        ("webhook_secret", json!("short")),
        ("webhook_secret", json!(null)),
        ("token", json!(null)),
        ("app_id", json!(1)),
        ("app_key", json!("no key")),
        ("unknown", json!(1)),
    ] {
        let mut settings = whole.clone();
        settings[field] = value;
        let new = json!({"name": "other", "settings": settings});
        let answer = scene.rig.user().post("/api/v1/integrations", &new).await;
        assert!(matches!(answer.status, 400 | 422), "{field}: {answer:?}");
    }
}
