//! This server as the login provider.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::Rig;
use crate::rig::http::{Answer, Client, read};

struct Asked {
    device: String,
    code: String,
}

async fn ask(rig: &Rig) -> Asked {
    let body = json!({"client_id": "app_x"});
    let answer = rig
        .nobody()
        .post("/api/accounts/deviceauth/usercode", &body)
        .await
        .expect(200);
    assert_eq!(answer["interval"], "5", "a text");
    let text = |name: &str| answer[name].as_str().expect("a text").to_owned();
    Asked {
        device: text("device_auth_id"),
        code: text("user_code"),
    }
}

async fn poll(rig: &Rig, asked: &Asked) -> Answer {
    let body = json!({"device_auth_id": asked.device, "user_code": asked.code});
    rig.nobody()
        .post("/api/accounts/deviceauth/token", &body)
        .await
}

async fn form(rig: &Rig, path: &str, body: String) -> Answer {
    let request = rig.nobody().request(Method::POST, path);
    read(
        request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body),
    )
    .await
}

async fn exchange(rig: &Rig, code: &str, verifier: &str) -> Answer {
    let callback = "http%3A%2F%2Fx%2Fdeviceauth%2Fcallback";
    let body = format!(
        "grant_type=authorization_code&client_id=app_x&code={code}&redirect_uri={callback}&code_verifier={verifier}"
    );
    form(rig, "/oauth/token", body).await
}

fn claims(jwt: &Value) -> Value {
    let parts: Vec<&str> = jwt.as_str().expect("a text").split('.').collect();
    assert!(
        parts.len() == 3 && parts.iter().all(|part| !part.is_empty()),
        "{parts:?}"
    );
    let payload = BASE64_URL_SAFE_NO_PAD.decode(parts[1]).expect("base64");
    serde_json::from_slice(&payload).expect("JSON")
}

/// The login works, for the user of the rig, for a year.
async fn is_signed_in(rig: &Rig, login: &Value) {
    let me = rig.get("/api/v1/me").await;
    let id = claims(&login["id_token"])["https://api.openai.com/auth"].clone();
    assert_eq!(id["chatgpt_account_id"], me["workspace_id"]);
    assert_eq!(id["chatgpt_user_id"], me["principal_id"]);
    assert_eq!(login["refresh_token"], "");
    let access = login["access_token"].as_str().expect("a text");
    let until = claims(&login["access_token"])["exp"]
        .as_i64()
        .expect("a number");
    assert!(
        until > 1_795_186_420 + 10 * 365 * 24 * 3600,
        "the client never asks for another"
    );
    let client = Client::new(&rig.url, Some(access));
    client.get("/api/codex/environments").await.expect(200);
    client
        .get("/api/v1/tasks")
        .await
        .problem(401, "unauthorized");
    rig.pass(Duration::from_secs(366 * 24 * 3600)).await;
    client.get("/api/codex/environments").await.expect(401);
}

#[tokio::test]
async fn a_code_that_is_typed_signs_in_once() {
    let rig = Rig::start().await;
    let (asked, other) = (ask(&rig).await, ask(&rig).await);
    assert_eq!(poll(&rig, &asked).await.status, 403, "wait");
    exchange(&rig, &asked.device, "x").await.expect(400);
    let body = json!({"user_code": asked.code.to_lowercase().replace('-', " ")});
    let approve = "/api/v1/codex-logins/approve";
    rig.nobody()
        .post(approve, &body)
        .await
        .problem(401, "unauthorized");
    rig.worker_client()
        .post(approve, &body)
        .await
        .problem(403, "forbidden");
    rig.user().post(approve, &body).await.expect(204);
    rig.user()
        .post(approve, &body)
        .await
        .problem(404, "not_found");
    assert_eq!(poll(&rig, &other).await.status, 403, "another waits still");
    let approved = poll(&rig, &asked).await.expect(200);
    let [code, verifier] = ["authorization_code", "code_verifier"]
        .map(|name| approved[name].as_str().expect("a text"));
    assert!(approved["code_challenge"].is_string());
    exchange(&rig, code, "wrong").await.expect(400);
    let login = exchange(&rig, code, verifier).await.expect(200);
    exchange(&rig, code, verifier).await.expect(400);
    assert_eq!(poll(&rig, &asked).await.status, 400, "it is used up");
    is_signed_in(&rig, &login).await;
}

#[tokio::test]
async fn a_login_is_ended_by_whoever_has_its_token() {
    let rig = Rig::start().await;
    let none = json!({});
    let login = async || {
        let login = rig.user().post("/api/v1/codex-logins", &none).await;
        let token = login.expect(201)["access_token"].clone();
        token.as_str().expect("a text").to_owned()
    };
    let status = async |token: &str| {
        let client = Client::new(&rig.url, Some(token));
        client.get("/api/codex/environments").await.status
    };
    let (first, second, third, fourth) =
        (login().await, login().await, login().await, login().await);
    assert_eq!(status(&first).await, 200);
    let end = async |token: &str| {
        let body =
            json!({"token": token, "token_type_hint": "refresh_token", "client_id": "app_x"});
        rig.nobody().post("/oauth/revoke", &body).await.expect(200);
    };
    end(&first).await;
    assert_eq!(status(&first).await, 401, "at once");
    form(&rig, "/oauth/revoke", format!("token={second}"))
        .await
        .expect(200);
    assert_eq!(status(&second).await, 401);
    // What is no login's token ends nothing, and nothing is said of it: not that of the server's own user either.
    let own = format!("at-{}", rig.user_token);
    for other in ["", "x", "ow_u", &first, &own] {
        end(other).await;
    }
    rig.user().get("/api/v1/me").await.expect(200);
    assert_eq!(status(&own).await, 200);
    rig.nobody()
        .post("/oauth/revoke", &json!([]))
        .await
        .expect(400);
    // Or all of one's own.
    let all = "/api/v1/codex-logins";
    rig.nobody()
        .bare(Method::DELETE, all)
        .await
        .problem(401, "unauthorized");
    assert_eq!(status(&third).await, 200);
    rig.user().bare(Method::DELETE, all).await.expect(204);
    for token in [&third, &fourth] {
        assert_eq!(status(token).await, 401);
    }
    rig.user().get("/api/v1/me").await.expect(200);
}

#[tokio::test]
async fn a_code_is_typed_on_a_page_with_a_token() {
    let rig = Rig::start().await;
    let asked = ask(&rig).await;
    for path in ["/codex/device", "/p/codex/device"] {
        let page = rig.nobody().get(path).await;
        assert_eq!(page.status, 200);
        let text = String::from_utf8(page.bytes).expect("text");
        assert!(
            text.contains("name=\"user_code\"") && text.contains("name=\"token\""),
            "{text}"
        );
    }
    let typed = async |code: &str, token: &str| {
        form(
            &rig,
            "/codex/device",
            format!("user_code={code}&token={token}"),
        )
        .await
    };
    for (code, token, status) in [
        (asked.code.as_str(), "sk-canary", 401),
        (&asked.code, &rig.worker_token, 403),
        ("%3Cb%3E", &rig.user_token, 404),
    ] {
        let refused = typed(code, token).await;
        assert_eq!(refused.status, status);
        let text = String::from_utf8(refused.bytes).expect("text");
        assert!(
            text.contains("role=\"alert\"") && !text.contains("canary"),
            "{text}"
        );
    }
    assert_eq!(poll(&rig, &asked).await.status, 403, "wait");
    let request = rig.nobody().with("origin", "https://evil.example");
    let body = format!("user_code={}&token={}", asked.code, rig.user_token);
    let elsewhere = read(request.request(Method::POST, "/codex/device").body(body)).await;
    assert_eq!(elsewhere.status, 403, "a page of another site");
    assert_eq!(poll(&rig, &asked).await.status, 403, "wait");
    assert_eq!(typed(&asked.code, &rig.user_token).await.status, 200);
    poll(&rig, &asked).await.expect(200);
}

#[tokio::test]
async fn codes_expire_and_are_limited() {
    let rig = Rig::start().await;
    let asked = ask(&rig).await;
    rig.pass(Duration::from_secs(15 * 60)).await;
    assert_eq!(poll(&rig, &asked).await.status, 400);
    let body = json!({"user_code": asked.code});
    rig.user()
        .post("/api/v1/codex-logins/approve", &body)
        .await
        .problem(404, "not_found");
    for _ in 0..1_000 {
        ask(&rig).await;
    }
    let body = json!({"client_id": "app_x"});
    let refused = rig
        .nobody()
        .post("/api/accounts/deviceauth/usercode", &body)
        .await;
    assert_eq!(refused.expect(409)["code"], "conflict");
    rig.pass(Duration::from_secs(15 * 60)).await;
    ask(&rig).await;
}

#[tokio::test]
async fn who_is_signed_in_makes_a_login() {
    let rig = Rig::start().await;
    rig.nobody()
        .post("/api/v1/codex-logins", &json!({}))
        .await
        .problem(401, "unauthorized");
    rig.worker_client()
        .post("/api/v1/codex-logins", &json!({}))
        .await
        .problem(403, "forbidden");
    let login = rig
        .user()
        .post("/api/v1/codex-logins", &json!({}))
        .await
        .expect(201);
    let me = rig.get("/api/v1/me").await;
    assert_eq!(login["account_id"], me["workspace_id"]);
    is_signed_in(&rig, &login).await;
}

#[tokio::test]
async fn a_personal_token_says_whose_it_is_and_nothing_is_renewed() {
    let rig = Rig::start().await;
    let path = "/api/accounts/v1/user-auth-credential/whoami";
    let me = rig.get("/api/v1/me").await;
    let personal = Client::new(&rig.url, Some(&format!("at-{}", rig.user_token)));
    let expected = json!({"email": me["name"], "chatgpt_user_id": me["principal_id"], "chatgpt_account_id": me["workspace_id"],
        "chatgpt_plan_type": "pro", "chatgpt_account_is_fedramp": false});
    assert_eq!(personal.get(path).await.expect(200), expected);
    rig.nobody().get(path).await.expect(401);
    let renewal =
        json!({"client_id": "app_x", "grant_type": "refresh_token", "refresh_token": "canary"});
    assert_eq!(
        rig.nobody()
            .post("/oauth/token", &renewal)
            .await
            .expect(200),
        json!({})
    );
    let other = json!({"grant_type": "client_credentials"});
    rig.nobody().post("/oauth/token", &other).await.expect(400);
}
