//! Nothing leaves without the approvals that it needs.

use reqwest::Method;
use serde_json::json;

use super::forge::{Fault, Kind};
use super::{Scene, change};

impl Scene {
    async fn need_approvals(&self, number: u32) {
        let user = self.rig.user();
        let all = self.rig.get("/api/v1/environments").await;
        let id = all["items"][0]["id"].as_str().expect("an id");
        let path = format!("/api/v1/environments/{id}");
        let patch = json!({"approvals": number});
        user.send(Method::PATCH, &path, &patch).await.expect(200);
    }
}

#[tokio::test]
async fn a_result_is_published_once_somebody_else_approved_it() {
    let scene = Scene::start(Kind::GitHub).await;
    let (_, ada) = scene.rig.member("Ada", "reviewer").await;
    scene.rig.member("Vi", "viewer").await;
    scene.need_approvals(1).await;
    let task = scene.done(change).await;
    let path = format!("/api/v1/tasks/{task}/publications");
    let user = scene.rig.user();
    let refused = user.post(&path, &json!({})).await;
    let problem = refused.problem(409, "approval_missing");
    let hint = problem["hint"].as_str().expect("a hint");
    assert!(hint.starts_with("Ada may, with `outwork approve"), "{hint}");
    let approvals = format!("/api/v1/tasks/{task}/approvals");
    let yes = json!({"verdict": "approve"});
    ada.post(&approvals, &yes).await.expect(200);
    let published = scene.publish(&task, json!({})).await;
    assert_eq!(published["state"], "published", "{published:#}");

    let no = json!({"verdict": "reject"});
    ada.post(&approvals, &no).await.expect(200);
    let refused = user.post(&path, &json!({})).await;
    let problem = refused.problem(409, "approval_missing");
    assert_eq!(problem["detail"], "The result was rejected by Ada.");
    scene.rig.stop().await;
}

#[tokio::test]
async fn a_publication_ends_when_its_approval_is_withdrawn() {
    let scene = Scene::start(Kind::GitHub).await;
    let (_, ada) = scene.rig.member("Ada", "reviewer").await;
    scene.need_approvals(1).await;
    let task = scene.done(change).await;
    let approvals = format!("/api/v1/tasks/{task}/approvals");
    let say = async |verdict: &str| {
        let body = json!({"verdict": verdict});
        ada.post(&approvals, &body).await.expect(200)
    };
    say("approve").await;
    let oops = Fault::Answer(500, Vec::new(), json!({"message": "oops"}));
    scene.forge.fail(Method::GET, oops);
    let asked = scene.ask(&task, json!({})).await;
    crate::rig::until(async || scene.waits(&asked).await, |waits| *waits == 1).await;
    say("withdraw").await;
    let ended = scene.ended(&asked).await;
    assert_eq!(ended["state"], "failed", "{ended:#}");
    assert_eq!(ended["failure"]["code"], "approval_missing");
    assert!(scene.forge.pulls().is_empty());
    scene.rig.stop().await;
}
