//! The shape of every kind of error, whoever made it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::http::{Answer, read};
use crate::rig::{Rig, repository};

#[tokio::test]
async fn every_error_is_a_problem() {
    let rig = Rig::start().await;
    let user = rig.user();
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let text = |body: &'static str, kind: &'static str| {
        read(
            user.request(Method::POST, "/api/v1/tasks")
                .header("content-type", kind)
                .body(body),
        )
    };
    let none = "task_00000000000000000000000000000001";
    let seen: Vec<(&str, Answer)> = vec![
        ("an unknown address", user.get("/nowhere").await),
        (
            "an unknown address of the API",
            user.get("/api/v1/nowhere").await,
        ),
        (
            "a method that is not taken",
            user.bare(Method::DELETE, "/api/v1/tasks").await,
        ),
        ("no token", rig.nobody().get("/api/v1/tasks").await),
        (
            "a token of another kind",
            rig.worker_client().get("/api/v1/tasks").await,
        ),
        (
            "another site",
            user.clone()
                .with("sec-fetch-site", "cross-site")
                .post("/api/v1/tasks", &json!({}))
                .await,
        ),
        ("not JSON by its type", text("{}", "text/plain").await),
        ("not JSON", text("{", "application/json").await),
        (
            "a missing field",
            text("{\"environment\":\"app\"}", "application/json").await,
        ),
        (
            "an unknown field",
            text(
                "{\"environment\":\"app\",\"prompt\":\"p\",\"model\":\"m\"}",
                "application/json",
            )
            .await,
        ),
        (
            "a field of another kind",
            text(
                "{\"environment\":\"app\",\"prompt\":[]}",
                "application/json",
            )
            .await,
        ),
        (
            "several wrong values",
            user.post(
                "/api/v1/tasks",
                &json!({"environment": "app", "prompt": "", "attempts": 9}),
            )
            .await,
        ),
        ("a bad query", user.get("/api/v1/tasks?limit=many").await),
        (
            "an id of no task",
            user.get(&format!("/api/v1/tasks/{none}")).await,
        ),
        ("a text that is no id", user.get("/api/v1/tasks/1").await),
        (
            "an unknown environment",
            user.post(
                "/api/v1/tasks",
                &json!({"environment": "nope", "prompt": "p"}),
            )
            .await,
        ),
        (
            "a body that is too large",
            user.post(
                "/api/v1/environments",
                &json!({"label": "x".repeat(17 << 20)}),
            )
            .await,
        ),
        (
            "an unknown worker",
            rig.worker_client()
                .post(
                    "/api/worker/v1/acquire",
                    &json!({"worker": "wkr_1", "max": 1, "wait_ms": 0}),
                )
                .await,
        ),
        (
            "another version",
            rig.worker_client()
                .post(
                    "/api/worker/v1/register",
                    &json!({"protocol_version": 1, "name": "n", "slots": 1, "agents": [], "isolation": "namespaces"}),
                )
                .await,
        ),
    ];
    let mut shapes = serde_json::Map::new();
    for (name, answer) in seen {
        let status = answer.status;
        let code = answer.json()["code"]
            .as_str()
            .unwrap_or_else(|| panic!("{name}: {answer:?}"))
            .to_owned();
        shapes.insert(name.to_owned(), answer.problem(status, &code));
    }
    insta::assert_json_snapshot!(Value::Object(shapes), {".*.request_id" => "[id]"});
    rig.stop().await;
}

#[tokio::test]
async fn the_number_of_a_request_is_the_callers_if_it_is_plain() {
    let rig = Rig::start().await;
    let answer = rig
        .user()
        .with("x-request-id", "abc-1.2_3")
        .get("/api/v1/nowhere")
        .await;
    assert_eq!(answer.header("x-request-id"), "abc-1.2_3");
    assert_eq!(answer.problem(404, "not_found")["request_id"], "abc-1.2_3");
    for strange in ["a b", "<script>", &"x".repeat(129)] {
        let answer = rig
            .user()
            .with("x-request-id", strange)
            .get("/api/v1/me")
            .await;
        assert_eq!(answer.header("x-request-id").len(), 32);
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    assert_eq!(
        rig.user()
            .bare(Method::DELETE, "/api/v1/tasks")
            .await
            .header("allow"),
        "GET,HEAD,POST"
    );
    rig.stop().await;
}
