//! The stock client's API over plain HTTP: what it may rely on, in both styles. The real clients are driven in `tests/codex_client`.

mod environments;
mod login;
mod pages;
mod submission;
mod tasks;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use outwork_domain::principal::PrincipalKind;
use serde_json::{Value, json};

use crate::rig::http::Client;
use crate::rig::{Rig, repository};

const STYLES: [&str; 2] = ["/backend-api/wham", "/api/codex"];

pub const DIFF: &str = "diff --git a/file b/file\nindex f719efd..2bdf67a 100644\n--- a/file\n+++ b/file\n@@ -1 +1 @@\n-two\n+three\n";

/// Submits as the client does; the task's id.
async fn submit(rig: &Rig, environment: &str, attempts: u32) -> String {
    let content = json!([{"content_type": "text", "text": "do it\n"}]);
    let body = json!({
        "new_task": {"environment_id": environment, "branch": "main", "run_environment_in_qa_mode": false},
        "input_items": [{"type": "message", "role": "user", "content": content}],
        "metadata": {"best_of_n": attempts}});
    let created = rig.user().post("/backend-api/wham/tasks", &body).await;
    let created = created.expect(200);
    created["task"]["id"].as_str().expect("an id").to_owned()
}

async fn details(rig: &Rig, id: &str) -> Value {
    rig.get(&format!("/api/codex/tasks/{id}")).await
}

#[tokio::test]
async fn every_style_and_prefix_leads_to_the_same() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let id = submit(&rig, "app", 1).await;
    for end in [
        "environments".to_owned(),
        "environments/by-repo/github/o/r".to_owned(),
        "tasks/list?limit=20&task_filter=current".to_owned(),
        format!("tasks/{id}"),
    ] {
        let expected = rig.get(&format!("/backend-api/wham/{end}")).await;
        for before in [
            "/api/codex",
            "/p/backend-api/wham",
            "/p/q/api/codex",
            "/api/codex/api/codex",
        ] {
            assert_eq!(
                rig.get(&format!("{before}/{end}")).await,
                expected,
                "{before}"
            );
        }
    }
    let expected = details(&rig, &id).await;
    assert_eq!(expected["task"]["id"], id);
    for path in ["/wham/tasks", "/p/wham/tasks"] {
        assert_eq!(rig.get(&format!("{path}/{id}")).await, expected);
    }
    for path in [
        "/backend-api/wham/nonsense",
        "/api/codex/config/bundle",
        "/p/api/v1/tasks",
    ] {
        rig.user().get(path).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn errors_are_short_and_say_what_to_do() {
    let rig = Rig::start().await;
    for style in STYLES {
        let answer = rig.nobody().get(&format!("{style}/tasks/list")).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("content-type"), "application/json");
        let number = answer.header("x-request-id").to_owned();
        let expected = json!({"code": "unauthorized", "request_id": number,
            "detail": "The request has no token. Sign in with `outwork login --codex`, and run `outwork codex -- …`."});
        assert_eq!(answer.json(), expected);
        for (path, status, code) in [
            ("tasks/nonsense", 404, "not_found"),
            (
                "tasks/task_00000000000000000000000000000001",
                404,
                "not_found",
            ),
            ("tasks/list?limit=0", 400, "invalid_request"),
            ("tasks/list?limit=21", 400, "invalid_request"),
            ("tasks/list?cursor=nonsense", 400, "invalid_request"),
            ("tasks/list?task_filter=archived", 400, "invalid_request"),
            ("tasks/list?environment_id=nonsense", 404, "not_found"),
        ] {
            let answer = rig.user().get(&format!("{style}/{path}")).await;
            assert_eq!(answer.expect(status)["code"], code, "{path}");
        }
        rig.worker_client()
            .get(&format!("{style}/environments"))
            .await
            .expect(403);
    }
}

#[tokio::test]
async fn a_token_is_taken_in_every_wrapping_and_no_other() {
    let rig = Rig::start().await;
    let wrapped = |token: &str| {
        let payload = json!({"outwork_token": token, "exp": 1}).to_string();
        format!("e30.{}.x", BASE64_URL_SAFE_NO_PAD.encode(payload))
    };
    let ask = async |token: &str| {
        let client = Client::new(&rig.url, Some(token));
        client.get("/backend-api/wham/environments").await.status
    };
    let token = &rig.user_token;
    let other = format!("{}0", &token[..token.len() - 1]);
    for (token, status) in [
        (token.clone(), 200),
        (format!("at-{token}"), 200),
        (wrapped(token), 200),
        (other.clone(), if other == *token { 200 } else { 401 }),
        (wrapped("sk-canary"), 401),
        (format!("at-at-{token}"), 401),
        ("e30.e30.x".to_owned(), 401),
        ("sk-canary".to_owned(), 401),
    ] {
        assert_eq!(ask(&token).await, status);
    }
    // The wrapping is for the client; elsewhere the token is itself.
    let client = Client::new(&rig.url, Some(&format!("at-{token}")));
    client
        .get("/api/v1/tasks")
        .await
        .problem(401, "unauthorized");
}

#[tokio::test]
async fn nothing_of_another_workspace_is_seen() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    let environment = rig.environment("app", &path).await;
    let id = submit(&rig, "app", 2).await;
    let stranger = rig.stranger(PrincipalKind::User).await;
    let turn = details(&rig, &id).await["current_assistant_turn"]["id"].clone();
    let turn = turn.as_str().expect("an id");
    for style in STYLES {
        let list = stranger
            .get(&format!("{style}/tasks/list"))
            .await
            .expect(200);
        assert_eq!(list, json!({"items": [], "cursor": null}));
        let all = stranger.get(&format!("{style}/environments")).await;
        assert_eq!(all.expect(200), json!([]));
        for path in [
            format!("tasks/{id}"),
            format!("tasks/{id}/turns/{turn}/sibling_turns"),
        ] {
            stranger.get(&format!("{style}/{path}")).await.expect(404);
        }
        let body = json!({"new_task": {"environment_id": environment["id"]},
            "input_items": [{"type": "message", "content": [{"text": "x"}]}]});
        stranger
            .post(&format!("{style}/tasks"), &body)
            .await
            .expect(404);
    }
}
