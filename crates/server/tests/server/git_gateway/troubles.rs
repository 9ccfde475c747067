//! What is said when the repository's server does not do its part, and where the gateway does not go.

use std::time::Duration;

use outwork_server::{GitGatewayConfig, GitGatewayPatience};

use super::upstream::{Mode, Upstream};
use super::{Scene, text, token};
use crate::rig::Setting;

fn setting(git_gateway: GitGatewayConfig) -> Setting {
    Setting {
        git_gateway,
        ..Setting::default()
    }
}

#[tokio::test]
async fn each_answer_of_the_repositorys_server_has_its_word() {
    let scene = Scene::start().await;
    let claim = scene.claim().await;
    for (mode, status, word) in [
        (Mode::Status(401), 502, "denied"),
        (Mode::Status(403), 502, "denied"),
        (Mode::Status(404), 404, "not-found"),
        (Mode::Status(503), 502, "failing 503"),
        (Mode::Status(429), 502, "failing 429"),
        (Mode::Status(204), 502, "not-git"),
        // What is behind the server and no git server is nobody's to read.
        (Mode::Page, 502, "not-git"),
    ] {
        scene.upstream.behave(mode.clone());
        let answer = scene.refs(&claim, token(&claim)).await;
        let text = text(&answer);
        assert_eq!(answer.status, status, "{mode:?}: {text}");
        assert!(
            text.starts_with(&format!("outwork[{word}]: ")),
            "{mode:?}: {text}"
        );
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        assert!(!text.contains("Sign in"));
    }
    // And to a person, as if the worker had asked the server itself.
    let host = &scene.upstream.host;
    for (mode, expected) in [
        (
            Mode::Status(401),
            format!("refuses the stored credential for {host}"),
        ),
        (
            Mode::Status(404),
            format!("that the stored credential for {host} may read it"),
        ),
        (
            Mode::Status(503),
            "does not hand it out now (HTTP 503)".to_owned(),
        ),
        (Mode::Page, "does not speak git's smart HTTP".to_owned()),
    ] {
        scene.upstream.behave(mode);
        let fault = scene.copied(&claim).await.expect_err("refused").to_string();
        assert!(fault.contains(&expected), "{fault}");
    }
    scene.rig.stop().await;
}

#[tokio::test]
async fn a_redirect_is_followed_on_the_same_host_only() {
    let scene = Scene::start().await;
    let elsewhere = tempfile::tempdir().expect("a directory");
    let other = Upstream::start(elsewhere.path()).await;
    let claim = scene.claim().await;
    scene.upstream.behave(Mode::Moved(other.host.clone()));
    let answer = scene.refs(&claim, token(&claim)).await;
    assert!(
        text(&answer).starts_with(&format!("outwork[redirected {}]: ", other.host)),
        "{}",
        text(&answer)
    );
    // By another name of the same machine, too.
    let named = scene.upstream.host.replace("127.0.0.1", "localhost");
    scene.upstream.behave(Mode::Moved(named.clone()));
    let answer = scene.refs(&claim, token(&claim)).await;
    assert!(text(&answer).contains(&named), "{}", text(&answer));
    assert_eq!(other.seen().len(), 0);
    // In a circle.
    let host = scene.upstream.host.clone();
    scene.upstream.seen();
    scene.upstream.behave(Mode::Moved(host));
    let answer = scene.refs(&claim, token(&claim)).await;
    assert!(text(&answer).starts_with("outwork[not-git]: "));
    assert_eq!(scene.upstream.seen().len(), 6);
    scene.rig.stop().await;
}

/// Git asks for the pack where the first request was answered, and so does the gateway.
#[tokio::test]
async fn a_renamed_repository_is_copied() {
    let mut scene = Scene::start().await;
    let user = scene.rig.user();
    let listed = user.get("/api/v1/environments").await.expect(200);
    let id = listed["items"][0]["id"].as_str().expect("an id").to_owned();
    let old = scene.upstream.url().replace("repo.git", "old");
    let edit = serde_json::json!({"repository_url": old});
    let path = format!("/api/v1/environments/{id}");
    user.send(reqwest::Method::PATCH, &path, &edit)
        .await
        .expect(200);
    scene.upstream.behave(Mode::Renamed);
    let claim = scene.claim().await;
    assert_eq!(claim.assignment["repositories"][0]["url"], old);
    scene.copied(&claim).await.expect("copied");
    // Another server is asked for the pack: it finds out, and git begins again.
    scene.rig = scene.rig.restart(Duration::from_secs(1)).await;
    let path = format!("{}/git-upload-pack", super::at(&claim));
    for status in [503, 200] {
        let request = scene.request(reqwest::Method::POST, &path, token(&claim));
        let request = request.header("content-type", "application/x-git-upload-pack-request");
        let request = request.header("git-protocol", "version=2");
        let answer = crate::rig::http::read(request.body("0014command=ls-refs\n0000")).await;
        assert_eq!(answer.status, status, "{}", text(&answer));
    }
    scene.rig.stop().await;
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_and_one_that_never_answers() {
    let patience = GitGatewayPatience {
        head: Duration::from_millis(300),
        ..GitGatewayPatience::default()
    };
    let scene = Scene::start_with(setting(GitGatewayConfig {
        patience,
        ..GitGatewayConfig::default()
    }))
    .await;
    let claim = scene.claim().await;
    scene.upstream.behave(Mode::Silent);
    let answer = scene.refs(&claim, token(&claim)).await;
    assert_eq!(answer.status, 504);
    assert!(text(&answer).starts_with("outwork[timed-out 300]: "));
    crate::rig::until(async || scene.upstream.open(), |open| *open == 0).await;
    scene.rig.stop().await;
}

#[tokio::test]
async fn the_operator_says_where_the_gateway_goes() {
    let mut scene = Scene::start().await;
    let claim = scene.claim().await;
    scene.rig.setting.git_gateway.addresses = Vec::new();
    scene.rig = scene.rig.restart(Duration::from_secs(1)).await;
    let answer = scene.refs(&claim, token(&claim)).await;
    assert_eq!(answer.status, 502);
    assert!(
        text(&answer).starts_with("outwork[address 127.0.0.1]: "),
        "{}",
        text(&answer)
    );
    let fault = scene.copied(&claim).await.expect_err("refused").to_string();
    assert!(fault.contains("`--git-address`"), "{fault}");
    // Whoever submits a task is told at once.
    let task = serde_json::json!({"environment": "app", "prompt": "p"});
    let refused = scene.rig.user().post("/api/v1/tasks", &task).await;
    let refused = refused.problem(422, "repository");
    let hint = refused["hint"].as_str().expect("a hint");
    assert!(hint.contains("`--git-address`"), "{refused:#}");
    assert_eq!(scene.upstream.seen().len(), 0);
    scene.rig.stop().await;
}
