//! Results of schedules as pull requests.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{Scene, change};
use crate::publishing::forge::Kind;
use crate::rig::until;

impl Scene {
    /// What became of the schedule's last time, once it has ended; the server's clock goes on meanwhile.
    async fn last_firing(&self, schedule: &str) -> Value {
        let path = format!("/api/v1/schedules/{schedule}/firings");
        let ask = async || {
            self.rig.pass(Duration::from_secs(6)).await;
            self.rig.get(&path).await["items"][0].clone()
        };
        until(ask, |firing| firing["ended_at"].is_string()).await
    }
}

#[tokio::test]
async fn a_result_of_a_schedule_becomes_a_pull_request() {
    let scene = Scene::start(Kind::GitHub).await;
    let body = json!({"timetable": "@monthly", "environment": "app", "prompt": "Fix the sum", "pull_request": true});
    let user = scene.rig.user();
    let made = user.post("/api/v1/schedules", &body).await.expect(201);
    let id = made["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/schedules/{id}/firings");
    user.bare(Method::POST, &path).await.expect(201);
    let ask = async || scene.rig.get(&path).await["items"][0].clone();
    let follows = until(ask, |firing| firing["state"] == "following").await;
    assert!(follows["task_id"].is_string(), "{follows:#}");
    scene.work(change).await;
    let ended = scene.last_firing(&id).await;
    let message = ended["message"].as_str().expect("a text");
    let publication = message
        .strip_prefix("Its pull request: ")
        .and_then(|rest| rest.strip_suffix('.'));
    let publication = json!({"id": publication.expect("an id")});
    let published = scene.ended(&publication).await;
    assert_eq!(published["state"], "published", "{published:#}");
    assert_eq!(scene.forge.pulls().len(), 1);

    // What changed nothing is none.
    user.bare(Method::POST, &path).await.expect(201);
    let ask = async || scene.rig.get(&path).await["items"][0].clone();
    until(ask, |firing| firing["state"] == "following").await;
    let claim = crate::git_gateway::acquire(&scene.worker.client, &scene.worker.id, true).await;
    let claim = claim.into_iter().next().expect("an attempt waits");
    scene.worker.fail(&claim, "agent_failed").await;
    let ended = scene.last_firing(&id).await;
    assert_eq!(
        (&ended["state"], &ended["message"]),
        (
            &json!("started"),
            &json!("No pull request: the task did not succeed.")
        )
    );
    assert_eq!(scene.forge.pulls().len(), 1);
    scene.rig.stop().await;
}
