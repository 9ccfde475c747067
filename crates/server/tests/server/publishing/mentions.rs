//! A mention on GitLab and on Gitea becomes a task, a comment and a pull request, as on GitHub.

use std::time::{Duration, Instant};

use outwork_test_github::sign;
use reqwest::Method;
use serde_json::{Value, json};

use super::forge::{Kind, PUSH_TOKEN};
use super::{PATIENCE, Scene, change};
use crate::rig::http::read;

const SECRET: &str = "canary-of-a-webhook-secret";

/// What the server delivers, and how it proves it.
fn delivery(kind: Kind, url: &str, text: &str) -> (Vec<(&'static str, String)>, Vec<u8>) {
    let user = json!({"id": 3, "username": "ada", "login": "ada"});
    let body = match kind {
        Kind::GitLab => json!({"object_kind": "note", "user": user,
            "project": {"path_with_namespace": "team/repo", "git_http_url": url},
            "object_attributes": {"id": 55, "note": text, "noteable_type": "Issue", "author_id": 3, "system": false, "action": "create"},
            "issue": {"iid": 1}}),
        Kind::Gitea | Kind::GitHub => json!({"action": "created", "sender": user, "is_pull": false,
            "repository": {"full_name": "team/repo", "clone_url": url},
            "issue": {"number": 1, "body": "By one.", "user": user, "pull_request": null},
            "comment": {"id": 55, "body": text, "user": user}}),
    };
    let body = serde_json::to_vec(&body).expect("JSON");
    let headers = match kind {
        Kind::GitLab => vec![
            ("x-gitlab-event", "Note Hook".to_owned()),
            ("x-gitlab-token", SECRET.to_owned()),
        ],
        Kind::Gitea | Kind::GitHub => vec![
            ("x-gitea-event", "issue_comment".to_owned()),
            ("x-gitea-delivery", "d-1".to_owned()),
            ("x-gitea-signature", sign(SECRET, &body)),
        ],
    };
    (headers, body)
}

async fn mention(kind: Kind, name: &str) {
    let scene = Scene::start(kind).await;
    let user = scene.rig.user();
    let api = scene.forge.settings()["api_url"].clone();
    let new = json!({"name": "hub", "settings": {"kind": name, "api_url": api, "webhook_secret": SECRET, "token": PUSH_TOKEN}});
    let added = user.post("/api/v1/integrations", &new).await.expect(201);
    let hook = format!("/hooks/{}", added["id"].as_str().expect("an id"));
    let (headers, body) = delivery(kind, &scene.forge.url(), "@outwork fix the sum");
    let send = async |headers: &[(&'static str, String)], body: &[u8]| {
        let mut request = scene
            .rig
            .nobody()
            .request(Method::POST, &hook)
            .body(body.to_vec());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        read(request).await
    };
    let mut forged = headers.clone();
    forged.last_mut().expect("a proof").1 = "another".to_owned();
    assert_eq!(send(&forged, &body).await.status, 401);
    for _ in 0..2 {
        assert_eq!(send(&headers, &body).await.status, 202);
    }
    let deliveries = format!(
        "{}/deliveries",
        hook.replace("/hooks", "/api/v1/integrations")
    );
    let wait = async |done: &dyn Fn(&Scene) -> bool| {
        let (begun, mut passed) = (Instant::now(), Instant::now());
        while !done(&scene) {
            if begun.elapsed() > PATIENCE {
                let said = scene.rig.get(&deliveries).await;
                panic!("{said:#}\n{:#?}", scene.forge.seen());
            }
            if passed.elapsed() > Duration::from_millis(300) {
                passed = Instant::now();
                scene.rig.pass(Duration::from_secs(1)).await;
            }
            tokio::task::yield_now().await;
        }
    };
    wait(&|scene| scene.forge.comments().len() == 1).await;
    let tasks = scene.rig.get("/api/v1/tasks?limit=5").await;
    assert_eq!(
        tasks["items"].as_array().map(Vec::len),
        Some(1),
        "{tasks:#}"
    );
    assert_eq!(tasks["items"][0]["title"], Value::from("fix the sum"));
    scene.work(change).await;
    wait(&|scene| scene.forge.comments()[0].1.contains("Pull request: [#1]")).await;
    assert_eq!(
        (scene.forge.comments().len(), scene.forge.pulls().len()),
        (1, 1)
    );
    let (_, said) = scene.forge.comments().remove(0);
    assert!(
        said.contains("> The sum is right now, @\u{200b}ada."),
        "{said}"
    );
    let eyes = scene
        .forge
        .seen()
        .into_iter()
        .filter(|line| line.ends_with("/award_emoji") || line.ends_with("/reactions"));
    assert_eq!(eyes.count(), 1);
}

#[tokio::test]
async fn a_mention_on_gitlab_becomes_a_merge_request() {
    mention(Kind::GitLab, "gitlab").await;
}

#[tokio::test]
async fn a_mention_on_gitea_becomes_a_pull_request() {
    mention(Kind::Gitea, "gitea").await;
}
