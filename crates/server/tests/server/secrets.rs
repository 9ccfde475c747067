//! Secrets of environments: their names, their versions, and edits at once. Where their values go is in `canary`.

use std::collections::BTreeSet;

use outwork_domain::{EnvironmentId, WorkspaceId};
use outwork_store::SecretChange;
use outwork_test_postgres::shared;
use reqwest::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::rig::http::Answer;
use crate::rig::worker::{Claim, Worker};
use crate::rig::{Database, Rig, Setting, repository};

/// A repository called `repository`, an environment `app` with these secrets, and its address.
pub async fn environment(rig: &Rig, secrets: Value) -> (Value, String) {
    let path = repository::make(rig.directory.path());
    let body = json!({"label": "app", "repository_url": path, "agent": {"name": "command", "command": "cat"},
        "variables": {"PLAIN": "1"}, "secrets": secrets});
    let made = rig
        .user()
        .post("/api/v1/environments", &body)
        .await
        .expect(201);
    let path = format!(
        "/api/v1/environments/{}",
        made["id"].as_str().expect("an id")
    );
    (made, path)
}

pub async fn edit(rig: &Rig, path: &str, patch: Value) -> Answer {
    rig.user().send(Method::PATCH, path, &patch).await
}

pub async fn assigned(rig: &Rig, worker: &Worker) -> (Claim, Vec<Value>) {
    rig.task("app", "p").await;
    let claim = worker.take().await;
    let secrets = claim.assignment["secrets"]
        .as_array()
        .expect("a list")
        .clone();
    (claim, secrets)
}

#[tokio::test]
async fn no_two_values_have_the_same_version() {
    let rig = Rig::start().await;
    let worker = Worker::register(&rig, "one").await;
    let (_, path) = environment(&rig, json!({"A": "1", "B": "1"})).await;
    let other = json!({"label": "other", "repository_url": "/r", "agent": {"name": "codex"}, "secrets": {"A": "x"}});
    rig.user()
        .post("/api/v1/environments", &other)
        .await
        .expect(201);
    let mut of_a = Vec::new();
    let mut of_b = BTreeSet::new();
    let steps = [
        json!({}),
        json!({"secrets": {"A": "2"}}),
        json!({"secrets": {"A": "2"}}),
        json!({"secrets": {"A": null}}),
        json!({"secrets": {"A": "3"}}),
        json!({"secrets": {"A": null, "C": "1"}}),
        json!({"secrets": {"A": "4", "C": null}}),
    ];
    for (step, patch) in steps.into_iter().enumerate() {
        let edited = edit(&rig, &path, patch).await.expect(200);
        assert_eq!(edited["revision"], step + 2);
        let (_, secrets) = assigned(&rig, &worker).await;
        let version = |name: &str| {
            let found = secrets.iter().find(|secret| secret["name"] == name);
            found.map(|secret| secret["version"].as_i64().expect("a number"))
        };
        of_a.extend(version("A"));
        of_b.extend(version("B"));
    }
    assert_eq!(of_b.len(), 1, "nobody set it again");
    // Setting it again to the same is a new version, too; an edit of something else is none.
    of_a.dedup();
    assert_eq!(of_a.len(), 5, "{of_a:?}");
    assert!(of_a.is_sorted_by(|one, next| one < next), "{of_a:?}");
    rig.stop().await;
}

#[tokio::test]
async fn a_name_is_a_variable_or_a_secret() {
    let rig = Rig::start().await;
    let (_, path) = environment(&rig, json!({"A": "1"})).await;
    let wrong = async |pointer: &str, patch: Value| {
        let problem = edit(&rig, &path, patch).await.problem(422, "unprocessable");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem:#}");
    };
    wrong("/secrets/PLAIN", json!({"secrets": {"PLAIN": "x"}})).await;
    wrong("/variables/A", json!({"variables": {"A": "x"}})).await;
    wrong(
        "/secrets/B",
        json!({"variables": {"B": "x"}, "secrets": {"B": "x"}}),
    )
    .await;
    wrong("/secrets/a~1b~0c", json!({"secrets": {"a/b~c": "x"}})).await;
    wrong("/secrets/", json!({"secrets": {"": "x"}})).await;
    wrong("/secrets/B", json!({"secrets": {"B": ""}})).await;
    wrong(
        "/secrets/B",
        json!({"secrets": {"B": "x".repeat(64 * 1024 + 1)}}),
    )
    .await;
    // From one to the other in a single edit.
    let moved = edit(
        &rig,
        &path,
        json!({"variables": {"A": "x"}, "secrets": {"A": null, "PLAIN": "y"}}),
    );
    let moved = moved.await.expect(200);
    assert_eq!(
        (&moved["variables"], &moved["secrets"][0]["name"]),
        (&json!({"A": "x"}), &json!("PLAIN"))
    );

    // As many and as long as may be, in one request; removing what is not there is no error.
    let hundred = |value: String| -> Map<String, Value> {
        (0..100)
            .map(|number| (format!("S{number}"), json!(value)))
            .collect()
    };
    wrong("/secrets", json!({"secrets": hundred("x".into())})).await;
    let mut patch = json!({"secrets": hundred("x".repeat(64 * 1024))});
    patch["secrets"]["PLAIN"] = Value::Null;
    patch["secrets"]["NEVER"] = Value::Null;
    let full = edit(&rig, &path, patch).await.expect(200);
    assert_eq!(full["secrets"].as_array().map(Vec::len), Some(100));
    rig.stop().await;
}

#[tokio::test]
async fn edits_at_once_keep_what_each_said() {
    at_once(Rig::start().await).await;
}

#[tokio::test]
async fn edits_at_once_keep_what_each_said_on_postgresql() {
    let database = Database::Postgres(shared().new_database());
    let setting = Setting {
        database,
        ..Setting::default()
    };
    at_once(Rig::start_with(setting).await).await;
}

async fn at_once(rig: Rig) {
    let (_, path) = environment(&rig, json!({})).await;
    let set = |name: String| {
        let (user, path) = (rig.user(), path.clone());
        async move {
            user.send(Method::PATCH, &path, &json!({"secrets": {name: "x"}}))
                .await
        }
    };
    let all = futures_util::future::join_all((0..8).map(|number| set(format!("S{number}"))));
    for answer in all.await {
        answer.expect(200);
    }
    let shown = rig.get(&path).await;
    let names = shown["secrets"].as_array().expect("a list").iter();
    let names: Vec<_> = names
        .map(|secret| secret["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(names, ["S0", "S1", "S2", "S3", "S4", "S5", "S6", "S7"]);
    assert_eq!(shown["revision"], 9);
    // Of two edits of the same revision one is told that it comes second.
    let edit = |name: &'static str| {
        let (user, path) = (rig.user().with("if-match", "\"9\""), path.clone());
        async move {
            user.send(Method::PATCH, &path, &json!({"secrets": {name: "x"}}))
                .await
                .status
        }
    };
    let (one, two) = tokio::join!(edit("ONE"), edit("TWO"));
    assert_eq!(BTreeSet::from([one, two]), BTreeSet::from([200, 412]));
    assert_eq!(rig.get(&path).await["revision"], 10);
    rig.stop().await;
}

#[tokio::test]
async fn a_secret_that_cannot_be_opened_ends_the_attempt_and_not_the_queue() {
    let rig = Rig::start().await;
    let (made, path) = environment(&rig, json!({"GOOD": "1", "BAD": "1"})).await;
    let repository = rig.directory.path().join("repository");
    rig.environment("fine", &repository).await;
    let worker = Worker::register(&rig, "one").await;
    // As if it had been sealed with another key.
    let workspace = WorkspaceId::from_uuid(Uuid::from_u128(1));
    let id: EnvironmentId = made["id"].as_str().expect("an id").parse().expect("an id");
    let stored = rig
        .store
        .environment(workspace, id)
        .await
        .expect("works")
        .expect("there");
    let spoiled = SecretChange::Set {
        name: "BAD".into(),
        sealed: vec![1; 60],
    };
    rig.store
        .update_environment(&stored.environment, vec![spoiled], None)
        .await
        .expect("works");

    let tasks = [rig.task("app", "p").await, rig.task("app", "p").await];
    rig.task("fine", "p").await;
    // The environments take turns; what cannot be given out is passed over.
    assert_eq!(worker.take().await.assignment["environment"], "fine");
    assert_eq!(worker.acquire(1, 0).await.len(), 0);
    for task in tasks {
        let id = task["id"].as_str().expect("an id");
        let task = rig.get(&format!("/api/v1/tasks/{id}")).await;
        assert_eq!(
            (&task["status"], &task["outcome"]),
            (&json!("failed"), &json!("failed"))
        );
        let attempt = &task["turns"][0]["attempts"][0];
        assert_eq!(
            (&attempt["state"], &attempt["tries"]),
            (&json!("failed"), &json!(1))
        );
        let failure = &attempt["failure"];
        let message = failure["message"].as_str().expect("a text");
        assert!(message.contains("The secret `BAD`"), "{failure:#}");
        let hint = failure["hint"].as_str().expect("a hint");
        assert!(
            hint.contains("outwork env secret set app BAD"),
            "{failure:#}"
        );
    }
    edit(&rig, &path, json!({"secrets": {"BAD": "2"}}))
        .await
        .expect(200);
    let (_, secrets) = assigned(&rig, &worker).await;
    assert_eq!(secrets[0]["value"], "2");
    rig.stop().await;
}
