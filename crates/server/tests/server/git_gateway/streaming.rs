//! Large answers: they pass in pieces, no faster than they are taken, and end with either side.

use std::time::{Duration, Instant};

use outwork_server::{GitGatewayConfig, GitGatewayPatience};
use reqwest::{Method, Response};
use serde_json::json;

use super::upstream::{ENDLESS_BYTES, Mode};
use super::{Scene, at, token};
use crate::rig::worker::Claim;
use crate::rig::{Setting, until};

/// Far above what sockets hold between the three, far below what is to be sent.
const HELD_BYTES: u64 = 64 << 20;

async fn scene(patience: GitGatewayPatience) -> (Scene, Claim) {
    let scene = Scene::start_with(Setting {
        git_gateway: GitGatewayConfig {
            patience,
            ..GitGatewayConfig::default()
        },
        ..Setting::default()
    })
    .await;
    let claim = scene.claim().await;
    (scene, claim)
}

async fn pack(scene: &Scene, claim: &Claim) -> Response {
    let path = format!("{}/git-upload-pack", at(claim));
    let request = scene.request(Method::POST, &path, token(claim));
    let request = request.header("content-type", "application/x-git-upload-pack-request");
    let response = request.body("0000").send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    response
}

/// How the answer ended, and after how many bytes.
async fn drained(response: &mut Response) -> (Result<(), reqwest::Error>, u64) {
    let mut bytes = 0;
    loop {
        match response.chunk().await {
            Ok(Some(piece)) => bytes += piece.len() as u64,
            Ok(None) => return (Ok(()), bytes),
            Err(error) => return (Err(error), bytes),
        }
    }
}

/// The number after it has not changed for a while: whoever made it grow waits.
async fn settled(number: impl Fn() -> u64) -> u64 {
    let mut last = (number(), Instant::now());
    until(
        async || {
            tokio::task::yield_now().await;
            if number() != last.0 {
                last = (number(), Instant::now());
            }
            last
        },
        |(number, since)| *number > 0 && since.elapsed() > Duration::from_millis(500),
    )
    .await
    .0
}

#[tokio::test]
async fn a_huge_pack_is_not_kept_anywhere_and_ends_when_nobody_wants_it() {
    let (scene, claim) = scene(GitGatewayPatience::default()).await;
    scene.upstream.behave(Mode::Endless);
    let mut response = pack(&scene, &claim).await;
    let sent = settled(|| scene.upstream.sent()).await;
    assert!(
        sent < HELD_BYTES,
        "{sent} of {ENDLESS_BYTES} bytes are somewhere between"
    );
    // It goes on when the worker does, at the worker's pace.
    let mut taken = 0;
    while taken < 4 * HELD_BYTES {
        let piece = response.chunk().await.expect("more").expect("more");
        taken += piece.len() as u64;
        let between = scene.upstream.sent() - taken;
        assert!(
            between < HELD_BYTES,
            "{between} bytes are somewhere between"
        );
    }
    assert_eq!(scene.upstream.open(), 1);
    drop(response);
    until(async || scene.upstream.open(), |open| *open == 0).await;
    assert!(scene.upstream.sent() < ENDLESS_BYTES);
    scene.rig.stop().await;
}

#[tokio::test]
async fn an_answer_ends_when_the_claim_does() {
    let (scene, claim) = scene(GitGatewayPatience {
        look: Duration::from_millis(50),
        // Nothing else may end it.
        idle: Duration::from_secs(3600),
        ..GitGatewayPatience::default()
    })
    .await;
    scene.upstream.behave(Mode::Stalls);
    for revoke in ["cancel", "credential"] {
        let claim = if revoke == "cancel" {
            claim.clone()
        } else {
            scene.claim_again().await
        };
        let mut response = pack(&scene, &claim).await;
        assert!(response.chunk().await.expect("a piece").is_some());
        if revoke == "cancel" {
            let path = format!("/api/v1/attempts/{}/cancel", claim.attempt);
            let user = scene.rig.user();
            user.post(&path, &json!({})).await.expect(200);
        } else {
            scene.rig.pass(Duration::from_millis(1)).await;
            scene.credential("another").await;
        }
        let drained = tokio::time::timeout(Duration::from_secs(60), drained(&mut response));
        let (ended, _) = drained.await.expect("it ends");
        ended.expect_err("it broke off");
        until(async || scene.upstream.open(), |open| *open == 0).await;
    }
    scene.rig.stop().await;
}

#[tokio::test]
async fn silence_length_and_time_are_bounded() {
    let short = Duration::from_millis(300);
    let patient = GitGatewayPatience::default();
    for (mode, patience) in [
        (
            Mode::Stalls,
            GitGatewayPatience {
                idle: short,
                ..patient
            },
        ),
        (
            Mode::Stalls,
            GitGatewayPatience {
                whole: short,
                ..patient
            },
        ),
        (
            Mode::Endless,
            GitGatewayPatience {
                answer_bytes: 1 << 20,
                ..patient
            },
        ),
    ] {
        let (scene, claim) = scene(patience).await;
        scene.upstream.behave(mode);
        let (ended, bytes) = drained(&mut pack(&scene, &claim).await).await;
        ended.expect_err("it broke off");
        assert!(bytes <= 1 << 20, "{bytes}");
        until(async || scene.upstream.open(), |open| *open == 0).await;
        scene.rig.stop().await;
    }
}

/// The worker takes nothing more, and does not hang up either.
#[tokio::test]
async fn a_worker_that_stops_reading_is_given_up() {
    let (scene, claim) = scene(GitGatewayPatience {
        idle: Duration::from_millis(300),
        ..GitGatewayPatience::default()
    })
    .await;
    scene.upstream.behave(Mode::Endless);
    let mut response = pack(&scene, &claim).await;
    until(async || scene.upstream.open(), |open| *open == 0).await;
    let (ended, _) = drained(&mut response).await;
    ended.expect_err("it broke off");
    scene.rig.stop().await;
}

#[tokio::test]
async fn a_request_without_an_end_is_refused() {
    let (scene, claim) = scene(GitGatewayPatience {
        request_bytes: 1 << 20,
        ..GitGatewayPatience::default()
    })
    .await;
    let path = format!("{}/git-upload-pack", at(&claim));
    let request = scene.request(Method::POST, &path, token(&claim));
    let request = request.header("content-type", "application/x-git-upload-pack-request");
    let pieces = (0..64).map(|_| Ok::<_, std::io::Error>(vec![b'0'; 64 << 10]));
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let answer = request.body(body).send().await;
    // Refused while it is still being sent, which a client may not live to read.
    if let Ok(answer) = answer {
        assert_eq!(answer.status(), 502);
    }
    scene.rig.stop().await;
}
