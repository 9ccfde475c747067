//! What the log must not hold.

use reqwest::Method;
use serde_json::json;

use crate::rig::{Rig, log, repository};

#[tokio::test]
async fn no_token_key_or_prompt_is_ever_logged() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let model =
        json!({"base_url": "http://model.example/v1", "name": "m", "api_key": "sk-canary-logged"});
    rig.user()
        .send(Method::PUT, "/api/v1/model", &model)
        .await
        .expect(200);
    rig.task("app", "prompt-canary-logged").await;
    let foreign = "ow_u-foreign-canary-logged";
    crate::rig::http::Client::new(&rig.url, Some(foreign))
        .get("/api/v1/tasks")
        .await
        .problem(401, "unauthorized");
    rig.user()
        .get("/api/v1/nowhere?token=query-canary-logged")
        .await
        .problem(404, "not_found");
    let (user, worker) = (rig.user_token.clone(), rig.worker_token.clone());
    let id = rig
        .user()
        .with("x-request-id", "looked-for")
        .get("/api/v1/tasks")
        .await
        .header("x-request-id")
        .to_owned();
    rig.stop().await;
    let log = log::text();
    assert!(log.contains(&id), "nothing is logged at all");
    for secret in ["canary-logged", &user, &worker] {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{line:?}");
    }
}
