//! Making webhooks and changing them.

use outwork_domain::principal::PrincipalKind;
use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::Rig;

async fn add(rig: &Rig, new: &Value) -> Value {
    rig.user().post("/api/v1/webhooks", new).await.expect(201)
}

#[tokio::test]
async fn a_webhook_is_made_changed_and_removed() {
    let rig = Rig::start().await;
    let made = add(
        &rig,
        &json!({"url": "https://example.com/hook", "events": ["task.finished"]}),
    )
    .await;
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    assert!(secret.starts_with("whsec_"), "{secret}");
    let mut shown = made.clone();
    shown.as_object_mut().expect("an object").remove("secret");
    let id = made["id"].as_str().expect("an id");
    let path = format!("/api/v1/webhooks/{id}");
    assert_eq!(rig.get(&path).await, shown);
    assert_eq!(rig.get("/api/v1/webhooks").await, json!({"items": [shown]}));
    assert_eq!(shown["state"], "active");
    assert_eq!(shown["created_by"]["name"], "user-1");

    let user = rig.user();
    let change = json!({"url": "https://example.com/other", "events": [], "paused": true});
    let changed = user.send(Method::PATCH, &path, &change).await.expect(200);
    assert_eq!(changed["url"], "https://example.com/other");
    assert_eq!(
        (&changed["events"], &changed["state"]),
        (&Value::Null, &json!("paused"))
    );
    let resumed = user
        .send(Method::PATCH, &path, &json!({"paused": false}))
        .await;
    let resumed = resumed.expect(200);
    assert_eq!(
        (&resumed["state"], &resumed["disabled_at"]),
        (&json!("active"), &Value::Null)
    );

    let rotated = user
        .bare(Method::POST, &format!("{path}/rotate"))
        .await
        .expect(200);
    assert_ne!(rotated["secret"], secret);
    assert_eq!(rotated["old_secret_until"], "2026-11-21T14:53:40.000Z");

    let removed = user.bare(Method::DELETE, &path).await;
    assert_eq!(removed.status, 204);
    for answer in [
        user.get(&path).await,
        user.bare(Method::DELETE, &path).await,
        user.send(Method::PATCH, &path, &json!({})).await,
        user.bare(Method::POST, &format!("{path}/rotate")).await,
    ] {
        answer.problem(404, "not_found");
    }
    rig.stop().await;
}

#[tokio::test]
async fn what_cannot_be_told_is_refused_with_why() {
    let rig = Rig::start().await;
    let user = rig.user();
    for (new, field) in [
        (json!({"url": "example.com"}), "/url"),
        (json!({"url": "https://u:p@example.com/"}), "/url"),
        (json!({"url": "https://127.0.0.1/"}), "/url"),
        (json!({"url": "http://169.254.169.254/latest"}), "/url"),
        (json!({"url": "https://[::ffff:10.0.0.1]/"}), "/url"),
        (
            json!({"url": "https://example.com/", "events": ["task.deleted"]}),
            "/events",
        ),
    ] {
        let answer = user.post("/api/v1/webhooks", &new).await;
        let problem = answer.problem(422, "unprocessable");
        assert_eq!(problem["errors"][0]["pointer"], field, "{problem}");
    }
    let answer = user
        .post(
            "/api/v1/webhooks",
            &json!({"url": "https://example.com/", "secret": "x"}),
        )
        .await;
    assert!((400..=422).contains(&answer.status), "{answer:?}");
    rig.stop().await;
}

#[tokio::test]
async fn only_admins_and_only_of_the_same_workspace() {
    let rig = Rig::start().await;
    let made = add(&rig, &json!({"url": "https://example.com/hook"})).await;
    let path = format!("/api/v1/webhooks/{}", made["id"].as_str().expect("an id"));
    let stranger = rig.stranger(PrincipalKind::User).await;
    stranger.get(&path).await.problem(404, "not_found");
    stranger
        .bare(Method::DELETE, &path)
        .await
        .problem(404, "not_found");
    assert_eq!(
        stranger.get("/api/v1/webhooks").await.expect(200),
        json!({"items": []})
    );
    let member = rig
        .user()
        .post("/api/v1/members", &json!({"name": "Ada", "role": "member"}))
        .await
        .expect(201);
    let tokens = format!(
        "/api/v1/members/{}/tokens",
        member["id"].as_str().expect("an id")
    );
    let token = rig
        .user()
        .post(&tokens, &json!({"label": "t"}))
        .await
        .expect(201);
    let member = crate::rig::http::Client::new(&rig.url, token["token"].as_str());
    member
        .get("/api/v1/webhooks")
        .await
        .problem(403, "forbidden");
    member
        .post("/api/v1/webhooks", &json!({"url": "https://example.com/"}))
        .await
        .problem(403, "forbidden");
    rig.stop().await;
}
