//! When a lease token holds, and when it does not any more.

use std::time::Duration;

use serde_json::json;

use super::upstream::Upstream;
use super::{Scene, at, text, token};
use crate::rig::http::Answer;
use crate::rig::until;
use crate::rig::worker::{Claim, Worker};

fn is_not_held(answer: &Answer) {
    assert_eq!(answer.status, 403, "{}", text(answer));
    assert!(text(answer).starts_with("outwork[not-held]: "));
}

#[tokio::test]
async fn a_token_is_for_one_repository_of_one_attempt() {
    let scene = Scene::start().await;
    let (one, two) = (scene.claim().await, scene.claim().await);
    for claim in [&one, &two] {
        assert_eq!(scene.refs(claim, token(claim)).await.status, 200);
    }
    scene.upstream.seen();
    let mut changed = token(&one).to_owned();
    let last = if changed.pop() == Some('A') { 'B' } else { 'A' };
    changed.push(last);
    for wrong in [token(&two), &changed, "ow_l", ""] {
        let answer = scene.refs(&one, wrong).await;
        assert_eq!(answer.status, 401, "{wrong}");
    }
    // Another repository of the same attempt.
    let mut other = Claim {
        assignment: one.assignment.clone(),
        ..one.clone()
    };
    other.assignment["repositories"][0]["name"] = json!("other");
    assert_eq!(scene.refs(&other, token(&one)).await.status, 401);
    assert_eq!(scene.upstream.seen().len(), 0);
    scene.rig.stop().await;
}

#[tokio::test]
async fn a_token_ends_with_its_claim() {
    let scene = Scene::start().await;
    // The attempt ended.
    let ended = scene.claim().await;
    scene.worker.fail(&ended, "agent_failed").await;
    is_not_held(&scene.refs(&ended, token(&ended)).await);

    // It was given back, and is claimed again: the old claim reads no more, the new one does.
    let given_back = scene.claim().await;
    scene.worker.release(&given_back).await.expect(204);
    is_not_held(&scene.refs(&given_back, token(&given_back)).await);
    let again = scene.take().await;
    assert_eq!(again.attempt, given_back.attempt);
    is_not_held(&scene.refs(&again, token(&given_back)).await);
    assert_eq!(scene.refs(&again, token(&again)).await.status, 200);

    // Somebody cancelled it; its worker has not heard yet.
    let path = format!("/api/v1/attempts/{}/cancel", again.attempt);
    let user = scene.rig.user();
    user.post(&path, &json!({})).await.expect(200);
    is_not_held(&scene.refs(&again, token(&again)).await);
    scene.upstream.seen();
    let fault = scene.copied(&again).await.expect_err("refused");
    assert!(
        fault.to_string().contains("does not know this worker"),
        "{fault}"
    );
    assert_eq!(scene.upstream.seen().len(), 0);
    scene.rig.stop().await;
}

#[tokio::test]
async fn a_token_ends_with_its_lease() {
    let scene = Scene::start().await;
    let lost = scene.claim().await;
    assert_eq!(scene.refs(&lost, token(&lost)).await.status, 200);
    scene.rig.pass(Duration::from_secs(31)).await;
    is_not_held(&scene.refs(&lost, token(&lost)).await);
    let path = format!(
        "/api/v1/tasks/{}",
        lost.assignment["task"].as_str().expect("an id")
    );
    until(
        async || scene.rig.get(&path).await,
        |task| task["status"] == "pending",
    )
    .await;
    is_not_held(&scene.refs(&lost, token(&lost)).await);
    scene.rig.stop().await;
}

#[tokio::test]
async fn a_credential_that_is_taken_back_is_used_no_more() {
    let scene = Scene::start().await;
    let claim = scene.claim().await;
    assert_eq!(scene.refs(&claim, token(&claim)).await.status, 200);
    // Another one takes its place at once.
    scene.credential("another").await;
    let answer = scene.refs(&claim, token(&claim)).await;
    assert_eq!(answer.status, 502);
    assert!(
        text(&answer).starts_with("outwork[denied]: "),
        "{}",
        text(&answer)
    );
    scene.upstream.seen();
    let user = scene.rig.user();
    let listed = user.get("/api/v1/credentials").await.expect(200);
    let id = listed["items"][0]["id"].as_str().expect("an id").to_owned();
    let removed = user
        .bare(
            reqwest::Method::DELETE,
            &format!("/api/v1/credentials/{id}"),
        )
        .await;
    assert!(removed.status < 300, "{}", text(&removed));
    let answer = scene.refs(&claim, token(&claim)).await;
    assert_eq!(answer.status, 403);
    assert!(text(&answer).starts_with("outwork[no-credential]: "));
    assert_eq!(scene.upstream.seen().len(), 0);
    scene.rig.stop().await;
}

/// What was assigned is what is read: the worker keeps it under that address.
#[tokio::test]
async fn an_environment_that_is_edited_meanwhile_changes_nothing() {
    let scene = Scene::start().await;
    let claim = scene.claim().await;
    let elsewhere = tempfile::tempdir().expect("a directory");
    let other = Upstream::start(elsewhere.path()).await;
    let environment = claim.assignment["environment_id"].as_str().expect("an id");
    let path = format!("/api/v1/environments/{environment}");
    let user = scene.rig.user();
    let edit = json!({"repository_url": other.url()});
    let edited = user.send(reqwest::Method::PATCH, &path, &edit).await;
    edited.expect(200);
    let answer = scene.refs(&claim, token(&claim)).await;
    assert_eq!(answer.status, 200, "{}", at(&claim));
    assert_eq!(other.seen().len(), 0);
    scene.rig.stop().await;
}

/// Workers of one workspace share a right, but a claim has one holder.
#[tokio::test]
async fn a_server_that_was_restarted_knows_its_tokens() {
    let mut scene = Scene::start().await;
    let claim = scene.claim().await;
    scene.rig = scene.rig.restart(Duration::from_secs(1)).await;
    assert_eq!(scene.refs(&claim, token(&claim)).await.status, 200);
    let second = Worker::register(&scene.rig, "second").await;
    second.heartbeat(&[&claim]).await;
    scene.rig.stop().await;
}
