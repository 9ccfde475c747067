//! The addresses that answers name lead somewhere.

use outwork_api::problem::Code;
use reqwest::Method;

use crate::rig::{Rig, repository};

#[tokio::test]
async fn a_task_and_each_kind_of_problem_have_an_address() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let task = rig.task("app", "say hello").await;
    let id = task["id"].as_str().expect("an id");
    let url = task["url"].as_str().expect("an address");
    assert!(url.ends_with(&format!("/tasks/{id}")), "{url}");
    let text = async |path: &str| {
        let request = rig.nobody().request(Method::GET, path);
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    };
    let (status, page) = text(&format!("/tasks/{id}")).await;
    assert_eq!(status, 200);
    assert!(page.contains(&format!("outwork status {id}")), "{page}");
    assert!(!page.contains("say hello"), "it holds no data");
    for (code, title, _) in Code::ALL.map(Code::describe) {
        let (status, page) = text(&format!("/problems/{code}")).await;
        assert!(status == 200 && page.contains(title), "{code}: {page}");
    }
    rig.nobody()
        .get("/problems/nonsense")
        .await
        .problem(404, "not_found");
    rig.nobody()
        .get("/tasks/nonsense")
        .await
        .problem(404, "not_found");
}
