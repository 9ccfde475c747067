//! Pages.

use serde_json::Value;

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
