//! Who may do what.

use outwork_domain::principal::PrincipalKind;
use reqwest::Method;
use serde_json::json;

use crate::rig::http::Client;
use crate::rig::worker::Worker;
use crate::rig::{Rig, repository};

#[tokio::test]
async fn without_a_valid_token_nothing_is_answered() {
    let rig = Rig::start().await;
    let (body, last) = rig.user_token.split_at(rig.user_token.len() - 1);
    let forged = format!("{body}{}", if last == "0" { "1" } else { "0" });
    let (other, _) = outwork_server::new_token(PrincipalKind::User, [9; 32]);
    let clients = [
        rig.nobody(),
        Client::new(&rig.url, Some("")),
        Client::new(&rig.url, Some("sk-of-another-service")),
        Client::new(&rig.url, Some(&forged)),
        Client::new(&rig.url, Some(other.reveal())),
        rig.nobody()
            .with("authorization", &format!("Basic {}", rig.user_token)),
    ];
    for client in clients {
        for path in [
            "/api/v1/tasks",
            "/api/v1/me",
            "/api/v1/model",
            "/api/v1/attempts/att_00000000000000000000000000000001/events",
        ] {
            let answer = client.get(path).await;
            assert_eq!(answer.header("www-authenticate"), "Bearer");
            let problem = answer.problem(401, "unauthorized");
            assert!(
                problem["hint"]
                    .as_str()
                    .expect("a hint")
                    .contains("outwork login"),
                "{problem}"
            );
        }
        client
            .post("/api/v1/tasks", &json!({"nonsense": 1}))
            .await
            .problem(401, "unauthorized");
        client
            .post("/api/worker/v1/register", &json!({}))
            .await
            .problem(401, "unauthorized");
    }
    rig.stop().await;
}

#[tokio::test]
async fn each_kind_of_token_has_its_own_api() {
    let rig = Rig::start().await;
    let worker = rig.worker_client();
    worker.get("/api/v1/tasks").await.problem(403, "forbidden");
    worker
        .post("/api/v1/tasks", &json!({}))
        .await
        .problem(403, "forbidden");
    rig.user()
        .post("/api/worker/v1/acquire", &json!({}))
        .await
        .problem(403, "forbidden");
    let me = rig.get("/api/v1/me").await;
    assert_eq!(
        (&me["kind"], &me["workspace_name"], &me["server_version"]),
        (&json!("user"), &json!("first"), &json!("0.0.0-test"))
    );
    assert_eq!(worker.get("/api/v1/me").await.expect(200)["kind"], "worker");
    rig.stop().await;
}

#[tokio::test]
async fn another_workspace_sees_and_changes_nothing() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    let environment = rig.environment("app", &path).await;
    let worker = Worker::register(&rig, "one").await;
    let task = rig.task("app", "p").await;
    let claim = worker.take().await;
    let model = json!({"base_url": "https://model.example/v1", "name": "m", "api_key": "sk-1"});
    rig.user()
        .send(Method::PUT, "/api/v1/model", &model)
        .await
        .expect(200);
    let stranger = rig.stranger(PrincipalKind::User).await;
    let (environment, id, attempt) = (
        environment["id"].as_str().expect("an id"),
        task["id"].as_str().expect("an id"),
        &claim.attempt,
    );

    for list in [
        "/api/v1/tasks",
        "/api/v1/environments",
        "/api/v1/workers",
        "/api/v1/environments?label=app",
        &format!("/api/v1/tasks?environment={environment}"),
    ] {
        assert_eq!(
            stranger.get(list).await.expect(200)["items"],
            json!([]),
            "{list}"
        );
    }
    for path in [
        format!("/api/v1/environments/{environment}"),
        format!("/api/v1/tasks/{id}"),
        format!("/api/v1/tasks/{id}/diff"),
        format!("/api/v1/attempts/{attempt}"),
        format!("/api/v1/attempts/{attempt}/diff"),
        format!("/api/v1/attempts/{attempt}/events"),
        "/api/v1/model".to_owned(),
        "/api/v1/tasks?environment=app".to_owned(),
    ] {
        stranger.get(&path).await.problem(404, "not_found");
    }
    stranger
        .post(
            "/api/v1/tasks",
            &json!({"environment": environment, "prompt": "p"}),
        )
        .await
        .problem(404, "not_found");
    stranger
        .post(
            &format!("/api/v1/tasks/{id}/turns"),
            &json!({"prompt": "p"}),
        )
        .await
        .problem(404, "not_found");
    stranger
        .post(&format!("/api/v1/tasks/{id}/cancel"), &json!({}))
        .await
        .problem(404, "not_found");
    stranger
        .post(&format!("/api/v1/attempts/{attempt}/cancel"), &json!({}))
        .await
        .problem(404, "not_found");
    stranger
        .send(
            Method::PATCH,
            &format!("/api/v1/environments/{environment}"),
            &json!({"label": "mine"}),
        )
        .await
        .problem(404, "not_found");
    stranger
        .bare(
            Method::DELETE,
            &format!("/api/v1/environments/{environment}"),
        )
        .await
        .problem(404, "not_found");

    let foreign = Worker {
        client: rig.stranger(PrincipalKind::Worker).await,
        id: worker.id.clone(),
    };
    foreign
        .client
        .post(
            "/api/worker/v1/acquire",
            &json!({"worker": foreign.id, "max": 1, "wait_ms": 0}),
        )
        .await
        .problem(404, "not_found");
    foreign
        .client
        .post(
            "/api/worker/v1/heartbeat",
            &json!({"worker": foreign.id, "leases": []}),
        )
        .await
        .problem(404, "not_found");
    foreign
        .step(&claim, "running")
        .await
        .problem(404, "not_found");
    foreign
        .append(&claim, 1, &[json!({"type": "message", "text": "x"})])
        .await
        .problem(404, "not_found");
    foreign
        .upload(&claim, "diff", "x")
        .await
        .problem(404, "not_found");
    foreign.release(&claim).await.problem(404, "not_found");
    assert_eq!(
        rig.get(&format!("/api/v1/tasks/{id}")).await["turns"][0]["attempts"][0]["state"],
        "leased"
    );
    rig.stop().await;
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    let body = json!({"label": "app", "repository_url": path, "agent": {"name": "codex"}});
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        rig.user()
            .with(name, value)
            .post("/api/v1/environments", &body)
            .await
            .problem(403, "forbidden");
        let answer = rig
            .user()
            .with(name, value)
            .get("/api/v1/environments")
            .await;
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
    let preflight = rig
        .user()
        .with("origin", "https://evil.example")
        .bare(Method::OPTIONS, "/api/v1/environments")
        .await;
    assert!(preflight.status >= 400, "{preflight:?}");
    rig.user()
        .with("origin", "https://outwork.example")
        .post("/api/v1/environments", &body)
        .await
        .expect(201);
    rig.stop().await;
}
