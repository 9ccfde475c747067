//! Credentials for private repositories.

use outwork_domain::principal::PrincipalKind;
use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::http::Answer;
use crate::rig::worker::Worker;
use crate::rig::{Rig, repository};

const KEY: &str = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

async fn set(rig: &Rig, scope: &str, secret: Value) -> Answer {
    let body = json!({"scope": scope, "secret": secret});
    rig.user()
        .send(Method::PUT, "/api/v1/credentials", &body)
        .await
}

fn token(token: &str) -> Value {
    json!({"kind": "token", "token": token})
}

#[tokio::test]
async fn a_credential_from_setting_to_deletion() {
    let rig = Rig::start().await;
    assert_eq!(rig.get("/api/v1/credentials").await, json!({"items": []}));
    let first = set(&rig, "Git.Example.com/team/", token("one"))
        .await
        .expect(200);
    let id = first["id"].as_str().expect("an id").to_owned();
    let expected = json!({"id": id, "scope": "git.example.com/team", "kind": "token",
        "updated_at": "2026-11-20T14:53:40.000Z"});
    assert_eq!(first, expected);
    let key = set(
        &rig,
        "git.example.com/team",
        json!({"kind": "ssh_key", "private_key": KEY}),
    );
    let key = key.await.expect(200);
    let all = json!({"items": [key, first]});
    assert_eq!(rig.get("/api/v1/credentials").await, all);
    // The same scope and kind: it is replaced.
    let secret = json!({"kind": "token", "token": "two", "username": "ada"});
    let again = set(&rig, "git.example.com/team", secret).await.expect(200);
    assert_eq!(
        (&again["id"], &again["username"]),
        (&json!(id), &json!("ada"))
    );
    assert_eq!(
        rig.get("/api/v1/credentials").await["items"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );

    let path = format!("/api/v1/credentials/{id}");
    let stranger = rig.stranger(PrincipalKind::User).await;
    assert_eq!(
        stranger.get("/api/v1/credentials").await.expect(200)["items"],
        json!([])
    );
    stranger
        .bare(Method::DELETE, &path)
        .await
        .problem(404, "not_found");
    rig.worker_client()
        .get("/api/v1/credentials")
        .await
        .problem(403, "forbidden");
    rig.user().bare(Method::DELETE, &path).await.expect(204);
    rig.user()
        .bare(Method::DELETE, &path)
        .await
        .problem(404, "not_found");
    assert_eq!(
        rig.get("/api/v1/credentials").await,
        json!({"items": [key]})
    );
    rig.stop().await;
}

#[tokio::test]
async fn each_repository_of_an_assignment_has_its_own() {
    let rig = Rig::start().await;
    let worker = Worker::register(&rig, "one").await;
    let model = json!({"base_url": "https://model.example/v1", "name": "m"});
    rig.user()
        .send(Method::PUT, "/api/v1/model", &model)
        .await
        .expect(200);
    let key = json!({"kind": "ssh_key", "private_key": KEY, "known_hosts": "git.example.com ssh-ed25519 AAAA"});
    set(&rig, "git.example.com", key.clone()).await.expect(200);
    set(&rig, "git.example.com", token("for-all"))
        .await
        .expect(200);
    let secret = json!({"kind": "token", "token": "for-the-team", "username": "ada"});
    set(&rig, "git.example.com/team", secret.clone())
        .await
        .expect(200);
    set(&rig, "images.example.com:5000/team", token("for-images"))
        .await
        .expect(200);

    let assigned = async |url: &str, image: Option<&str>| {
        let label = format!("{url} {image:?}");
        let body = json!({"label": label, "repository_url": url, "agent": {"name": "codex"}, "base_image": image});
        rig.user()
            .post("/api/v1/environments", &body)
            .await
            .expect(201);
        // A commit is taken as it is, so nobody is asked.
        let task = json!({"environment": label, "prompt": "p", "commit": COMMIT});
        rig.user().post("/api/v1/tasks", &task).await.expect(201);
        let assignment = worker.take().await.assignment;
        let of = |value: &Value, field: &str| value.get(field).cloned();
        (
            of(&assignment["repositories"][0], "credential"),
            of(&assignment, "image_credential"),
        )
    };
    let urls = [
        ("https://git.example.com/team/app.git", Some(secret)),
        (
            "https://git.example.com/teammate/app",
            Some(token("for-all")),
        ),
        ("git@git.example.com:team/app.git", Some(key)),
        ("https://example.com/git.example.com/team", None),
    ];
    for (url, expected) in urls {
        assert_eq!(assigned(url, None).await, (expected, None), "{url}");
    }
    let images = [
        (
            "images.example.com:5000/team/app:1",
            Some(token("for-images")),
        ),
        ("images.example.com:5000/other/app:1", None),
        ("images.example.com/team/app:1", None),
        ("debian:12", None),
    ];
    for (image, expected) in images {
        let assigned = assigned("https://example.com/app", Some(image)).await;
        assert_eq!(assigned, (None, expected), "{image}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_named_and_not_repeated() {
    let rig = Rig::start().await;
    let key = |key: &str| json!({"kind": "ssh_key", "private_key": key});
    let hosts = |hosts: &str| json!({"kind": "ssh_key", "private_key": KEY, "known_hosts": hosts});
    let named = |name: &str| json!({"kind": "token", "token": "canary", "username": name});
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\ncanary\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let cases = [
        ("/scope", "https://git.example.com", token("canary")),
        ("/scope", "", token("canary")),
        ("/scope", "ada@git.example.com", token("canary")),
        ("/secret/token", "host", token(" \n")),
        ("/secret/token", "host", token("canary\nhost=evil")),
        ("/secret/token", "host", token("canary\u{0}")),
        ("/secret/token", "host", token(&"canary".repeat(11_000))),
        ("/secret/username", "host", named("a\nb")),
        ("/secret/username", "host", named(&"a".repeat(256))),
        ("/secret/private_key", "host", key("canary")),
        ("/secret/private_key", "host", key("ssh-ed25519 canary ada")),
        ("/secret/private_key", "host", key(locked)),
        (
            "/secret/private_key",
            "host",
            key(&format!("{KEY}{}", "canary".repeat(11_000))),
        ),
        ("/secret/known_hosts", "host", hosts("canary")),
        ("/secret/known_hosts", "host", hosts("# nothing")),
    ];
    for (pointer, scope, secret) in cases {
        let problem = set(&rig, scope, secret).await.problem(422, "unprocessable");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem:#}");
        assert!(!problem.to_string().contains("canary"), "{problem}");
    }
    for secret in [
        json!({"kind": "token", "token": {"canary": 1}}),
        json!({"kind": "token", "token": 7, "username": "canary"}),
        json!({"kind": "ssh_key", "private_key": ["canary"]}),
        json!("canary"),
    ] {
        let problem = set(&rig, "host", secret)
            .await
            .problem(400, "invalid_request");
        assert!(!problem.to_string().contains("canary"), "{problem}");
    }
    assert_eq!(rig.get("/api/v1/credentials").await, json!({"items": []}));
    rig.stop().await;
}

#[tokio::test]
async fn a_credential_that_cannot_be_opened_is_named() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let worker = Worker::register(&rig, "one").await;
    set(&rig, "git.example.com", token("t")).await.expect(200);
    let body = json!({"label": "web", "repository_url": "https://git.example.com/web", "agent": {"name": "command", "command": "cat"}});
    rig.user()
        .post("/api/v1/environments", &body)
        .await
        .expect(201);
    let task = json!({"environment": "web", "prompt": "p", "commit": COMMIT});
    let before = rig.user().post("/api/v1/tasks", &task).await.expect(201);
    spoil(&rig).await;
    // Somebody who submits hears of it at once; a task that waits ends with the reason, and the next one is given out.
    let problem = rig
        .user()
        .post("/api/v1/tasks", &task)
        .await
        .problem(500, "internal");
    let detail = problem["detail"].as_str().expect("a text");
    assert!(
        detail.contains("The token for git.example.com cannot be opened"),
        "{problem:#}"
    );
    rig.task("app", "p").await;
    let claim = worker.take().await;
    assert_eq!(claim.assignment["environment"], "app");
    let id = before["id"].as_str().expect("an id");
    let attempt = rig.get(&format!("/api/v1/tasks/{id}")).await["turns"][0]["attempts"][0].clone();
    assert_eq!(
        (&attempt["state"], &attempt["tries"]),
        (&json!("failed"), &json!(1))
    );
    assert_eq!(attempt["failure"]["code"], "repository_unavailable");
    let hint = attempt["failure"]["hint"].as_str().expect("a hint");
    assert!(
        hint.contains("outwork credential set git.example.com"),
        "{attempt:#}"
    );
    rig.stop().await;
}

/// As if it had been sealed with another key.
async fn spoil(rig: &Rig) {
    let workspace = outwork_domain::WorkspaceId::from_uuid(uuid::Uuid::from_u128(1));
    let stored = rig.store.credentials(workspace).await.expect("works");
    for mut record in stored {
        record.sealed.reverse();
        rig.store.set_credential(record).await.expect("works");
    }
}
