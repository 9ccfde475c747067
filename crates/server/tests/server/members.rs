//! Members: what each role may, and how somebody gets one and loses it.

use std::fmt::Write as _;

use outwork_server::task_api_document;
use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::http::Client;
use crate::rig::{Rig, repository};

impl Rig {
    /// A member of that role: its id, and what it does.
    pub async fn member(&self, name: &str, role: &str) -> (String, Client) {
        let body = json!({"name": name, "role": role});
        let made = self.user().post("/api/v1/members", &body).await.expect(201);
        let id = made["id"].as_str().expect("an id").to_owned();
        let path = format!("/api/v1/members/{id}/tokens");
        let body = json!({"label": "laptop"});
        let token = self.user().post(&path, &body).await.expect(201);
        let token = token["token"].as_str().expect("a token");
        (id, Client::new(&self.url, Some(token)))
    }
}

/// An operation that is added is in here with a role that somebody has thought about.
#[tokio::test]
async fn each_operation_wants_a_role() {
    let rig = Rig::start().await;
    let mut clients = Vec::new();
    for role in ["viewer", "reviewer", "member", "admin"] {
        clients.push((role, rig.member(role, role).await.1));
    }
    let document: Value = serde_json::from_str(&task_api_document()).expect("JSON");
    let mut table = String::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let operations = item.as_object().expect("operations");
        for (method, operation) in operations.iter().filter(|_| path.starts_with("/api/")) {
            let address = path.replace("{id}", "x");
            let method: Method = method.to_uppercase().parse().expect("a method");
            let mut least = "nobody";
            for (role, client) in &clients {
                let request = client.request(method.clone(), &address);
                let request = match operation.get("requestBody") {
                    Some(_) => request.json(&json!({})),
                    None => request,
                };
                // A stream that is given does not end: its status says enough.
                let answer = request.send().await.expect("an answer");
                if answer.status() != 403 {
                    least = role;
                    break;
                }
                let problem: Value = answer.json().await.expect("a problem");
                assert_eq!(problem["code"], "forbidden", "{problem:#}");
            }
            let id = operation["operationId"].as_str().expect("an id");
            writeln!(table, "{least:8} {id}").expect("memory");
        }
    }
    insta::assert_snapshot!(table);
    rig.stop().await;
}

#[tokio::test]
async fn a_member_is_added_changed_and_removed() {
    let rig = Rig::start().await;
    let (id, ada) = rig.member("Ada", "viewer").await;
    let me = ada.get("/api/v1/me").await.expect(200);
    assert_eq!(
        (
            &me["id"],
            &me["name"],
            &me["role"],
            &me["workspace"]["name"]
        ),
        (&json!(id), &json!("Ada"), &json!("viewer"), &json!("first"))
    );
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let task = json!({"environment": "app", "prompt": "p"});
    let refused = ada.post("/api/v1/tasks", &task).await;
    let problem = refused.problem(403, "forbidden");
    let detail = "This needs the role `member`, and yours is `viewer`.";
    assert_eq!(problem["detail"], detail);

    let member = format!("/api/v1/members/{id}");
    let changed = rig
        .user()
        .send(Method::PATCH, &member, &json!({"role": "member"}))
        .await;
    assert_eq!(changed.expect(200)["role"], "member");
    let made = ada.post("/api/v1/tasks", &task).await.expect(201);
    let by = json!({"id": id, "name": "Ada"});
    assert_eq!(made["created_by"], by);

    rig.user().bare(Method::DELETE, &member).await.expect(204);
    ada.get("/api/v1/me").await.problem(401, "unauthorized");
    let tasks = rig.get("/api/v1/tasks").await;
    assert_eq!(tasks["items"][0]["created_by"], by);
    let again = rig.user().bare(Method::DELETE, &member).await;
    again.problem(404, "not_found");
    rig.stop().await;
}

/// A token may less than its member.
#[tokio::test]
async fn a_token_may_what_its_scopes_say() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let (id, _) = rig.member("ci", "admin").await;
    let tokens = format!("/api/v1/members/{id}/tokens");
    let with = async |scopes: Value| {
        let body = json!({"label": "job", "scopes": scopes, "expires_in_days": 1});
        let made = rig.user().post(&tokens, &body).await.expect(201);
        let client = Client::new(&rig.url, Some(made["token"].as_str().expect("a token")));
        (made, client)
    };
    let (made, ci) = with(json!(["publish", "tasks"])).await;
    assert_eq!(made["scopes"], json!(["tasks", "publish"]));
    let me = ci.get("/api/v1/me").await.expect(200);
    assert_eq!(
        (&me["role"], &me["scopes"]),
        (&json!("admin"), &json!(["tasks", "publish"]))
    );
    let task = json!({"environment": "app", "prompt": "p"});
    let given = ci.post("/api/v1/tasks", &task).await.expect(201);
    let task_path = format!("/api/v1/tasks/{}", given["id"].as_str().expect("an id"));
    ci.get(&task_path).await.expect(200);
    let approval = format!("{task_path}/approvals");
    let refused = ci.post(&approval, &json!({"verdict": "approve"})).await;
    let problem = refused.problem(403, "forbidden");
    let detail = "This needs the scope `review`, and the token has `tasks publish`.";
    assert_eq!(problem["detail"], detail);
    // It gets nowhere from there: no other token, no member, no secret.
    for (method, path, body) in [
        (Method::POST, tokens.as_str(), json!({"label": "more"})),
        (
            Method::POST,
            "/api/v1/members",
            json!({"name": "x", "role": "admin"}),
        ),
        (
            Method::POST,
            "/api/v1/environments",
            json!({"label": "b", "repository_url": path}),
        ),
        (Method::POST, "/api/v1/codex-logins", json!({})),
        (
            Method::PUT,
            "/api/v1/credentials",
            json!({"scope": "h", "secret": {"kind": "token", "token": "t"}}),
        ),
        (
            Method::PUT,
            "/api/v1/model",
            json!({"base_url": "https://m.example/v1", "name": "m"}),
        ),
    ] {
        let refused = ci.send(method, path, &body).await;
        refused.problem(403, "forbidden");
    }
    ci.get("/api/v1/audit").await.problem(403, "forbidden");
    // The stock client's API has the same scopes.
    let (_, reads) = with(json!(["read"])).await;
    reads.get("/api/v1/tasks").await.expect(200);
    reads
        .post("/api/v1/tasks", &task)
        .await
        .problem(403, "forbidden");
    reads.get("/api/codex/tasks/list").await.expect(200);
    let stock = json!({"new_task": {"environment_id": given["environment_id"], "branch": "main"}, "input_items": []});
    let refused = reads.post("/api/codex/tasks", &stock).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    // Nor does it count as a way to sign in as an admin.
    let me = rig.get("/api/v1/me").await["id"].clone();
    let (other, _) = rig.member("Grace", "member").await;
    let member = format!("/api/v1/members/{id}");
    let user = rig.user();
    user.send(Method::PATCH, &member, &json!({"role": "member"}))
        .await
        .expect(200);
    let grace = format!("/api/v1/members/{other}");
    let raise = json!({"role": "admin"});
    user.send(Method::PATCH, &grace, &raise).await.expect(200);
    let listed = rig.get(&format!("{grace}/tokens")).await;
    let limited = json!({"label": "job", "scopes": ["admin"]});
    user.post(&format!("{grace}/tokens"), &limited)
        .await
        .expect(201);
    let first = listed["items"][0]["id"].as_str().expect("an id");
    user.bare(Method::DELETE, &format!("/api/v1/tokens/{first}"))
        .await
        .expect(204);
    let lower = format!("/api/v1/members/{}", me.as_str().expect("an id"));
    let role = json!({"role": "member"});
    let lowered = user.send(Method::PATCH, &lower, &role).await;
    lowered.problem(409, "conflict");
    // A day later it is over.
    rig.pass(std::time::Duration::from_secs(25 * 3600)).await;
    ci.get("/api/v1/me").await.problem(401, "unauthorized");
    rig.stop().await;
}

#[tokio::test]
async fn the_last_admin_stays_one() {
    let rig = Rig::start().await;
    let me = rig.get("/api/v1/me").await;
    let member = format!("/api/v1/members/{}", me["id"].as_str().expect("an id"));
    let lower = json!({"role": "member"});
    let lowered = rig.user().send(Method::PATCH, &member, &lower).await;
    let problem = lowered.problem(409, "conflict");
    let detail = problem["detail"].as_str().expect("text");
    assert!(detail.contains("make somebody else an admin"), "{detail}");
    let removed = rig.user().bare(Method::DELETE, &member).await;
    removed.problem(409, "conflict");
    rig.member("Grace", "admin").await;
    let lowered = rig.user().send(Method::PATCH, &member, &lower).await;
    lowered.expect(200);
    let again = rig.user().bare(Method::DELETE, &member).await;
    again.problem(403, "forbidden");
    rig.stop().await;
}

#[tokio::test]
async fn ones_own_tokens_are_listed_and_revoked_and_those_of_others_by_admins() {
    let rig = Rig::start().await;
    let (ada_id, ada) = rig.member("Ada", "viewer").await;
    let (_, grace) = rig.member("Grace", "member").await;
    let path = format!("/api/v1/members/{ada_id}/tokens");
    let listed = ada.get(&path).await.expect(200);
    assert_eq!(listed["items"][0]["label"], "laptop");
    assert!(listed["items"][0].get("token").is_none(), "{listed}");
    grace.get(&path).await.problem(403, "forbidden");
    ada.post(&path, &json!({"label": "another"}))
        .await
        .problem(403, "forbidden");
    let token = format!(
        "/api/v1/tokens/{}",
        listed["items"][0]["id"].as_str().expect("an id")
    );
    let by_grace = grace.bare(Method::DELETE, &token).await;
    by_grace.problem(403, "forbidden");
    ada.bare(Method::DELETE, &token).await.expect(204);
    ada.get(&path).await.problem(401, "unauthorized");
    for (body, pointer) in [
        (json!({"label": " "}), "/label"),
        (
            json!({"label": "x", "expires_in_days": 0}),
            "/expires_in_days",
        ),
    ] {
        let wrong = rig.user().post(&path, &body).await;
        let problem = wrong.problem(422, "unprocessable");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    rig.stop().await;
}
