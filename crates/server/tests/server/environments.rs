//! Environments.

use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::worker::Worker;
use crate::rig::{Rig, repository};

#[tokio::test]
async fn an_environment_from_making_to_deletion() {
    let rig = Rig::start().await;
    let repository = repository::make(rig.directory.path());
    let body = json!({"label": "App", "repository_url": repository, "branch": "refs/heads/other", "agent": {"name": "codex"},
        "further_repositories": [{"name": "docs", "url": "https://git.example.com/docs", "branch": "refs/heads/next"},
            {"name": "web", "url": "git@git.example.com:web"}],
        "base_image": "debian:12", "runtimes": {"python": "3.11", "node": "22"}, "setup_script": "true",
        "maintenance_script": "make deps", "verify_command": "make test", "variables": {"B": "2", "A": "1"},
        "secrets": {"NPM_TOKEN": "x"}, "setup_timeout_seconds": 90, "timeout_seconds": 60});
    let made = rig.user().post("/api/v1/environments", &body).await;
    assert_eq!(made.header("etag"), "\"1\"");
    let path = made.header("location").to_owned();
    let made = made.expect(201);
    insta::assert_json_snapshot!(made, {".id" => "[id]", ".repository_url" => "[path]"});
    assert_eq!(
        path,
        format!(
            "/api/v1/environments/{}",
            made["id"].as_str().expect("an id")
        )
    );
    let shown = rig.user().get(&path).await;
    assert_eq!(shown.header("etag"), "\"1\"");
    assert_eq!(shown.expect(200), made);
    assert_eq!(
        rig.get("/api/v1/environments?label=aPP").await["items"],
        json!([made])
    );
    assert_eq!(
        rig.get("/api/v1/environments?label=ap").await["items"],
        json!([])
    );

    let taken = rig
        .user()
        .post(
            "/api/v1/environments",
            &json!({"label": "aPP", "repository_url": "/r", "agent": {"name": "codex"}}),
        )
        .await;
    assert_eq!(
        taken.problem(409, "conflict")["errors"][0]["pointer"],
        "/label"
    );

    let edit = |client: crate::rig::http::Client, body: Value| {
        let path = path.clone();
        async move { client.send(Method::PATCH, &path, &body).await }
    };
    let edited = edit(
        rig.user().with("if-match", "\"1\""),
        json!({"label": "two", "branch": "", "variables": {}, "base_image": "", "runtimes": {"go": "1"},
            "further_repositories": [], "verify_command": "", "setup_timeout_seconds": 86400}),
    )
    .await;
    assert_eq!(edited.header("etag"), "\"2\"");
    let edited = edited.expect(200);
    assert_eq!(
        (
            &edited["label"],
            &edited["revision"],
            &edited["setup_script"]
        ),
        (&json!("two"), &json!(2), &json!("true"))
    );
    for gone in ["branch", "base_image", "verify_command"] {
        assert_eq!(edited.get(gone), None, "{gone}");
    }
    for (field, value) in [
        ("variables", json!({})),
        ("runtimes", json!({"go": "1"})),
        ("further_repositories", json!([])),
        ("setup_timeout_seconds", json!(86400)),
        ("maintenance_script", made["maintenance_script"].clone()),
        ("secrets", made["secrets"].clone()),
    ] {
        assert_eq!(edited[field], value, "{field}");
    }
    for stale in ["\"1\"", "\"x\"", "W/\"2\""] {
        edit(
            rig.user().with("if-match", stale),
            json!({"label": "three"}),
        )
        .await
        .problem(412, "precondition_failed");
    }
    edit(
        rig.user().with("if-match", "*"),
        json!({"setup_script": ""}),
    )
    .await
    .expect(200);
    assert_eq!(
        edit(rig.user(), json!({})).await.expect(200)["label"],
        "two"
    );

    rig.user().bare(Method::DELETE, &path).await.expect(204);
    for answer in [
        rig.user().bare(Method::DELETE, &path).await,
        rig.user().get(&path).await,
    ] {
        answer.problem(404, "not_found");
    }
    rig.user()
        .post(
            "/api/v1/environments",
            &json!({"label": "TWO", "repository_url": "/r", "agent": {"name": "codex"}}),
        )
        .await
        .expect(201);
    rig.stop().await;
}

#[tokio::test]
async fn an_environment_in_use_stays() {
    let rig = Rig::start().await;
    let repository = repository::make(rig.directory.path());
    let environment = rig.environment("app", &repository).await;
    let path = format!(
        "/api/v1/environments/{}",
        environment["id"].as_str().expect("an id")
    );
    let task = rig.task("app", "p").await;
    let id = task["id"].as_str().expect("an id");
    let used = rig
        .user()
        .bare(Method::DELETE, &path)
        .await
        .problem(409, "conflict");
    assert!(
        used["hint"].as_str().expect("a hint").contains(id),
        "{used}"
    );
    let worker = Worker::register(&rig, "one").await;
    let claim = worker.take().await;
    worker.succeed(&claim, "d").await;
    rig.user().bare(Method::DELETE, &path).await.expect(204);
    // What was done there can still be read.
    assert_eq!(
        rig.get(&format!("/api/v1/tasks/{id}")).await["environment_label"],
        "app"
    );
    assert_eq!(
        rig.user()
            .get(&format!("/api/v1/tasks/{id}/diff"))
            .await
            .bytes,
        b"d"
    );
    let listed = rig
        .get(&format!(
            "/api/v1/tasks?environment={}",
            environment["id"].as_str().expect("an id")
        ))
        .await;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
    rig.user()
        .get("/api/v1/tasks?environment=app")
        .await
        .problem(404, "not_found");
    rig.user()
        .post(
            &format!("/api/v1/tasks/{id}/turns"),
            &json!({"prompt": "p"}),
        )
        .await
        .problem(404, "not_found");
    rig.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let rig = Rig::start().await;
    let good = json!({"label": "app", "repository_url": "/r", "agent": {"name": "command", "command": "cat"}});
    let further = |name: &str, url: &str| json!({"name": name, "url": url});
    let cases = [
        ("/label", json!("")),
        ("/label", json!(" x")),
        ("/label", json!("x".repeat(101))),
        ("/label", json!("a\u{0}b")),
        ("/repository_url", json!("")),
        ("/repository_url", json!("https://user:secret@host/x")),
        ("/repository_url", json!("ext::sh -c id")),
        ("/repository_url", json!("-uhost")),
        ("/repository_url", json!("relative")),
        ("/branch", json!("a b")),
        ("/branch", json!("-x")),
        ("/branch", json!("a\u{3000}b")),
        ("/agent/command", json!({"name": "command", "command": " "})),
        ("/variables", json!({"A-B": "1"})),
        ("/variables", json!({"A": "\u{0}"})),
        ("/setup_script", json!("a\u{0}b")),
        ("/maintenance_script", json!("x".repeat(256 * 1024 + 1))),
        ("/verify_command", json!("a\u{0}b")),
        ("/base_image", json!("no image")),
        ("/base_image", json!("a\u{0}b")),
        ("/runtimes/perl", json!({"perl": "5"})),
        ("/runtimes", json!({"node": "latest"})),
        (
            "/further_repositories",
            json!([further("docs", "/r"), further("docs", "/s")]),
        ),
        ("/further_repositories", json!([further("r", "/s")])),
        ("/further_repositories", json!([further("..", "/s")])),
        ("/further_repositories", json!([further("a/b", "/s")])),
        ("/further_repositories", json!([further("docs", "")])),
        (
            "/further_repositories",
            json!(
                (0..10)
                    .map(|n| further(&format!("d{n}"), "/s"))
                    .collect::<Vec<_>>()
            ),
        ),
        (
            "/further_repositories/1/url",
            json!([
                further("a", "/s"),
                further("b", "https://user:secret@host/x")
            ]),
        ),
        (
            "/further_repositories/0/url",
            json!([further("a", "relative")]),
        ),
        (
            "/further_repositories/0/branch",
            json!([{"name": "a", "url": "/s", "branch": "-x"}]),
        ),
        ("/setup_timeout_seconds", json!(0)),
        ("/setup_timeout_seconds", json!(86401)),
        ("/timeout_seconds", json!(0)),
        ("/timeout_seconds", json!(86401)),
    ];
    for (pointer, value) in cases {
        let mut body = good.clone();
        let field = pointer
            .trim_start_matches('/')
            .split('/')
            .next()
            .expect("a field");
        body[field] = value;
        let problem = rig
            .user()
            .post("/api/v1/environments", &body)
            .await
            .problem(422, "unprocessable");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem:#}");
        assert!(!problem.to_string().contains("secret"), "{problem}");
    }
    rig.stop().await;
}
