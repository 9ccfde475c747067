//! A server with another key than before.

use outwork_server::{OtherKey, StartError};
use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::{Rig, repository};

/// Each thing that is sealed, alone.
fn sealed() -> [(&'static str, Method, &'static str, Value); 4] {
    [
        (
            "a model's key",
            Method::PUT,
            "/api/v1/model",
            json!({"base_url": "https://model.example/v1", "name": "m", "api_key": "k"}),
        ),
        (
            "a secret",
            Method::POST,
            "/api/v1/environments",
            json!({"label": "app", "repository_url": "/r", "agent": {"name": "codex"}, "secrets": {"A": "1"}}),
        ),
        (
            "an injection",
            Method::POST,
            "/api/v1/environments",
            json!({"label": "net", "repository_url": "/r", "agent": {"name": "codex"},
                "injections": [{"host": "a.example", "header": "x", "value": "v"}]}),
        ),
        (
            "a credential",
            Method::PUT,
            "/api/v1/credentials",
            json!({"scope": "git.example.com", "secret": {"kind": "token", "token": "t"}}),
        ),
    ]
}

#[tokio::test]
async fn it_does_not_start_while_anything_is_sealed() {
    for (what, method, path, body) in sealed() {
        let rig = Rig::start().await;
        // As long as nothing is, any key will do, and from then on it is the one.
        rig.start_beside(8, OtherKey::Refuse).await.expect("empty");
        rig.start_beside(7, OtherKey::Refuse).await.expect("empty");
        let answer = rig.user().send(method, path, &body).await;
        assert!(matches!(answer.status, 200 | 201), "{what}: {answer:?}");
        for _ in 0..2 {
            let refused = rig.start_beside(8, OtherKey::Refuse).await;
            assert!(matches!(refused, Err(StartError::OtherKey)), "{what}");
        }
        for other_key in [OtherKey::Refuse, OtherKey::Forget] {
            rig.start_beside(7, other_key).await.expect("the right key");
        }
        assert!(
            rig.store.seal_check().await.expect("works").in_use,
            "{what}"
        );
        rig.stop().await;
    }
}

#[tokio::test]
async fn what_nobody_can_open_is_deleted_when_that_is_asked_for() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    for (_, method, path, body) in sealed() {
        let answer = rig.user().send(method, path, &body).await;
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    }
    rig.environment("other", &path).await;
    rig.start_beside(8, OtherKey::Forget)
        .await
        .expect("forgets");
    let refused = rig.start_beside(7, OtherKey::Refuse).await;
    refused.expect("nothing is sealed any more");
    assert_eq!(rig.get("/api/v1/model").await["has_api_key"], false);
    assert_eq!(rig.get("/api/v1/credentials").await["items"], json!([]));
    let environments = rig.get("/api/v1/environments").await;
    let shown: Vec<_> = environments["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|shown| {
            let sealed = [&shown["secrets"], &shown["injections"]];
            (&shown["label"], sealed, &shown["revision"])
        })
        .collect();
    let none = [&json!([]), &json!([])];
    assert_eq!(
        shown,
        [
            (&json!("app"), none, &json!(2)),
            (&json!("net"), none, &json!(2)),
            (&json!("other"), none, &json!(1))
        ]
    );
    rig.stop().await;
}
