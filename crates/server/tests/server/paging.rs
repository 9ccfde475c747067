//! Pages.

use serde_json::{Value, json};

use crate::rig::{Rig, repository};

async fn walk(rig: &Rig, first: &str, field: &str) -> (Vec<String>, usize) {
    let (mut all, mut pages, mut next) = (Vec::new(), 0, first.to_owned());
    loop {
        let answer = rig.user().get(&next).await;
        let page = answer.json();
        pages += 1;
        all.extend(
            page["items"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|item: &Value| item[field].as_str().expect("text").to_owned()),
        );
        if page.get("next_cursor").is_none() {
            assert!(!answer.headers.contains_key("link"));
            return (all, pages);
        }
        let link = answer.header("link");
        next = link
            .strip_prefix('<')
            .and_then(|rest| rest.strip_suffix(">; rel=\"next\""))
            .expect("a link")
            .to_owned();
    }
}

#[tokio::test]
async fn every_item_is_on_exactly_one_page() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    for label in ["c", "A", "b"] {
        rig.environment(label, &path).await;
    }
    let mut made = Vec::new();
    for number in 0..5 {
        let task = rig
            .task(
                if number == 3 { "a" } else { "b" },
                &format!("number {number}"),
            )
            .await;
        made.push(task["title"].as_str().expect("a title").to_owned());
    }
    made.reverse();
    assert_eq!(
        walk(&rig, "/api/v1/tasks?limit=2", "title").await,
        (made.clone(), 3)
    );
    assert_eq!(
        walk(&rig, "/api/v1/tasks", "title").await,
        (made.clone(), 1)
    );
    made.retain(|title| title != "number 3");
    assert_eq!(
        walk(&rig, "/api/v1/tasks?environment=B&limit=3", "title").await,
        (made, 2)
    );
    let (labels, pages) = walk(&rig, "/api/v1/environments?limit=1", "label").await;
    assert_eq!(
        (
            labels
                .iter()
                .map(|label| label.to_lowercase())
                .collect::<Vec<_>>(),
            pages
        ),
        (vec!["a".into(), "b".into(), "c".into()], 3)
    );
    for query in [
        "limit=0",
        "limit=101",
        "limit=x",
        "limit=-1",
        "cursor=nonsense",
        "colour=red",
    ] {
        for list in ["tasks", "environments"] {
            rig.user()
                .get(&format!("/api/v1/{list}?{query}"))
                .await
                .problem(400, "invalid_request");
        }
    }
    rig.stop().await;
}

#[tokio::test]
async fn reviews_stand_apart_in_lists() {
    let rig = Rig::start().await;
    rig.environment("app", &repository::make(rig.directory.path()))
        .await;
    let code = rig.task("app", "change it").await;
    assert_eq!(code["is_review"], false);
    let submit = async |kind: &str| {
        let body = json!({"environment": "app", "prompt": "look at it", "kind": kind});
        rig.user().post("/api/v1/tasks", &body).await
    };
    let review = submit("review").await.expect(201);
    assert_eq!(review["is_review"], true);
    let refused = submit("poem").await;
    assert!((400..500).contains(&refused.status), "{}", refused.status);
    let (review, code) = ("look at it".to_owned(), "change it".to_owned());
    for (query, expected) in [
        ("", vec![review.clone(), code.clone()]),
        ("&kind=code", vec![code.clone()]),
        ("&kind=review&environment=app", vec![review]),
    ] {
        let found = walk(&rig, &format!("/api/v1/tasks?limit=1{query}"), "title").await;
        assert_eq!(found.0, expected, "{query}");
    }
    let refused = rig.user().get("/api/v1/tasks?kind=poem").await;
    refused.problem(400, "invalid_request");
    // The stock client's list has no place for them.
    let listed = rig.get("/api/codex/tasks/list").await;
    let titles: Vec<_> = listed["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| &item["title"])
        .collect();
    assert_eq!(titles, [&json!(code)]);
}
