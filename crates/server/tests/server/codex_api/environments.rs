//! Which environments there are.

use serde_json::{Value, json};

use super::STYLES;
use crate::rig::Rig;

#[tokio::test]
async fn all_come_in_one_bare_list() {
    let rig = Rig::start().await;
    let mut expected = Vec::new();
    // More than a page of the store.
    for number in 0..103 {
        let label = format!("env-{number:03}");
        let body = json!({"label": label, "repository_url": "/srv/r", "agent": {"name": "command", "command": "cat"}});
        let made = rig
            .user()
            .post("/api/v1/environments", &body)
            .await
            .expect(201);
        expected.push(json!({"id": made["id"], "label": label, "is_pinned": false}));
    }
    for style in STYLES {
        let all = rig.get(&format!("{style}/environments")).await;
        assert_eq!(all, Value::Array(expected.clone()));
    }
}

#[tokio::test]
async fn those_of_a_repository_are_found_by_its_name() {
    let rig = Rig::start().await;
    for (label, url) in [
        ("one", "https://github.com/Ada/Engine.git"),
        ("two", "git@github.com:ada/engine"),
        ("other", "https://github.com/ada/notes"),
        ("elsewhere", "https://git.example/ada/engine"),
        ("local", "/srv/ada/engine"),
    ] {
        let further = json!([{"name": "notes", "url": "https://github.com/ada/papers"}]);
        let body = json!({"label": label, "repository_url": url, "agent": {"name": "command", "command": "cat"},
            "further_repositories": if label == "local" { further } else { json!([]) }});
        rig.user()
            .post("/api/v1/environments", &body)
            .await
            .expect(201);
    }
    let found = async |tail: &str| {
        let rows = rig
            .get(&format!(
                "/backend-api/wham/environments/by-repo/github/{tail}"
            ))
            .await;
        let rows = rows.as_array().expect("a list").clone();
        let label = |row: &Value| row["label"].as_str().expect("a text").to_owned();
        rows.iter().map(label).collect::<Vec<_>>()
    };
    for tail in [
        "ada/engine",
        "Ada/Engine",
        "ada/engine/",
        "ada/engine.git/",
        "22/ada/engine",
        "ada/engine/sub",
    ] {
        assert_eq!(found(tail).await, ["one", "two"], "{tail}");
    }
    assert_eq!(found("ada/papers").await, ["local"]);
    for tail in ["ada/unknown", "ada", "22/ada", "%00/%00"] {
        assert_eq!(found(tail).await, [""; 0], "{tail}");
    }
}
