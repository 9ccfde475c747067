//! A GitHub App: its tokens, and the form that makes it.

use outwork_test_github::{APP_KEY, GitHub};
use serde_json::json;

use super::{SECRET, Scene, change};
use crate::rig::Database;

const APP: u64 = 12_345;

async fn scene() -> Scene {
    let app = json!({"token": null, "app_id": APP, "app_key": APP_KEY});
    let scene = Scene::start_with(Database::Sqlite, app).await;
    scene.github.app(APP);
    scene
}

fn tokens_asked_for(github: &GitHub) -> usize {
    let seen = github.seen();
    seen.iter()
        .filter(|line| line.ends_with("/access_tokens"))
        .count()
}

#[tokio::test]
async fn an_app_asks_publishes_and_renews_with_its_own_tokens() {
    let scene = scene().await;
    let github = &scene.github;
    let issue = github.issue("ada", "x", "y");
    scene.mention(issue, "ada", "@outwork fix it").await;
    scene.work("So.", change).await;
    // There is no credential for publishing: the app's does.
    scene.pulls(1).await;
    scene.told(issue, "Pull request:").await;
    assert_eq!(tokens_asked_for(github), 1);
    // It ends before its time.
    github.revoke_tokens();
    scene.mention(issue, "ada", "@outwork and more").await;
    assert_eq!(
        scene.task().await["turns"].as_array().map(Vec::len),
        Some(2)
    );
    assert_eq!(tokens_asked_for(github), 2);
    // One that is at its end is not begun with.
    github.revoke_tokens();
    github.tokens_live(-30 * 24 * 3600);
    scene.mention(issue, "ada", "@outwork cancel").await;
    scene
        .until(
            async || tokens_asked_for(github),
            |count: &usize| *count >= 4,
        )
        .await;
    scene.check().await;
}

#[tokio::test]
async fn a_form_makes_an_app_and_its_integration() {
    let scene = scene().await;
    let user = scene.rig.user();
    let new = json!({"name": "made", "organization": "team", "web_url": "https://github.example",
        "settings": {"api_url": scene.github.api_url(), "permission": "maintain"}});
    let form = user
        .post("/api/v1/integrations/github-app", &new)
        .await
        .expect(200);
    let url = form["url"].as_str().expect("an address");
    let path = url.strip_prefix("https://outwork.example").expect("here");
    let nobody = scene.rig.nobody();
    let page = nobody.get(path).await;
    assert_eq!(page.status, 200);
    let policy = page.headers["content-security-policy"]
        .to_str()
        .expect("text");
    assert!(
        policy.contains("form-action https://github.example"),
        "{policy}"
    );
    let text = String::from_utf8(page.bytes).expect("text");
    assert!(
        text.contains("https://github.example/organizations/team/settings/apps/new?state="),
        "{text}"
    );
    assert!(
        text.contains("&quot;default_events&quot;") && text.contains("/hooks/int_"),
        "{text}"
    );

    let state = path.rsplit('/').next().expect("a state");
    let back = format!("/hooks/app?code=wrong&state={state}");
    assert_eq!(nobody.get(&back).await.status, 503);
    let back = format!("/hooks/app?code=a-code&state={state}");
    let done = nobody.get(&back).await;
    assert_eq!(done.status, 200, "{done:?}");
    let text = String::from_utf8(done.bytes).expect("text");
    assert!(
        text.contains("https://github.example/apps/outwork-team/installations/new"),
        "{text}"
    );
    // Loaded again it is what it is.
    assert_eq!(nobody.get(&back).await.status, 200);
    let all = scene.rig.get("/api/v1/integrations").await;
    let all = all["items"].as_array().expect("a list");
    let made = all.iter().find(|it| it["name"] == "made").expect("it");
    assert_eq!(
        made["settings"],
        json!({"api_url": scene.github.api_url(), "permission": "maintain", "mention": "outwork-team", "app_id": 77})
    );
    assert_eq!(made["secrets"], json!(["app_key", "webhook_secret"]));
    assert!(
        text.contains("It is added") && !text.contains("secret-of-the-app"),
        "{text}"
    );

    // Changed, of somebody else, or late: nothing.
    let odd = [
        format!("{path}x"),
        path.replace("int_", "int_0"),
        "/hooks/app/x".to_owned(),
    ];
    for odd in odd {
        assert_eq!(nobody.get(&odd).await.status, 404, "{odd}");
    }
    scene.rig.pass(std::time::Duration::from_secs(3601)).await;
    assert_eq!(nobody.get(path).await.status, 404);
    let member = json!({"name": "x", "settings": {"token": SECRET}});
    assert_eq!(
        nobody
            .post("/api/v1/integrations/github-app", &member)
            .await
            .status,
        401
    );
    scene.check().await;
}
