//! What the addresses that the client prints lead to.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;

use super::submit;
use crate::rig::http::{Answer, read};
use crate::rig::{Rig, repository};

fn text(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert!(
        answer
            .header("content-security-policy")
            .contains("default-src 'none'")
    );
    String::from_utf8(answer.bytes.clone()).expect("text")
}

#[tokio::test]
async fn a_task_has_a_page_whose_status_is_for_those_with_a_token() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("<canary>", &path).await;
    let id = submit(&rig, "<canary>", 2).await;
    for before in ["", "/p"] {
        let page = rig
            .nobody()
            .get(&format!("{before}/codex/tasks/{id}"))
            .await;
        assert_eq!(page.status, 200);
        let page = text(&page);
        assert!(page.contains(&format!("outwork status {id}")), "{page}");
        assert!(
            !page.contains("do it") && !page.contains("canary"),
            "it holds no data: {page}"
        );
    }
    let status = format!("/codex/tasks/{id}/status");
    let refused = rig.nobody().get(&status).await;
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").starts_with("Basic "));
    let basic = |token: &str| {
        let value = BASE64_STANDARD.encode(format!("anybody:{token}"));
        let request = rig.nobody().request(Method::GET, &status);
        read(request.header("authorization", format!("Basic {value}")))
    };
    assert_eq!(basic("sk-canary").await.status, 401);
    for page in [basic(&rig.user_token).await, rig.user().get(&status).await] {
        assert_eq!(page.status, 200);
        let page = text(&page);
        for part in [
            "<h1>do it</h1>",
            "<dd>pending </dd>",
            "<dd>&lt;canary&gt;</dd>",
            "<dd>2</dd>",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }
    rig.nobody()
        .get("/codex/tasks/nonsense")
        .await
        .problem(404, "not_found");
}
