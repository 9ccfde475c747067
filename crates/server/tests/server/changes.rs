//! The stream of a workspace's changes.

use outwork_domain::principal::PrincipalKind;
use outwork_test_postgres::shared;
use serde_json::{Value, json};

use crate::rig::sse::{Event, Events};
use crate::rig::worker::Worker;
use crate::rig::{Database, Rig, Setting, repository, until};

const PATH: &str = "/api/v1/changes";

async fn open(rig: &Rig) -> Events {
    Events::new(rig.user().stream(PATH).await)
}

fn task(event: Option<Event>) -> String {
    let event = event.expect("a change");
    assert_eq!((event.kind.as_str(), event.id), ("task", 0));
    assert_eq!(event.data["type"], "task");
    assert!(event.data["updated_at"].is_string(), "{event:?}");
    event.data["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_stream_names_each_task_that_changes_and_only_those_of_the_workspace() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let mut changes = open(&rig).await;
    let stranger = rig.stranger(PrincipalKind::User).await;
    let mut elsewhere = Events::new(stranger.stream(PATH).await);

    let first = rig.task("app", "one").await["id"].clone();
    assert_eq!(task(changes.next().await), first);
    let worker = Worker::register(&rig, "w").await;
    let claim = worker.take().await;
    assert_eq!(task(changes.next().await), first, "it was leased");
    // What the agent says is no change of the task; the end is.
    worker
        .append(&claim, 1, &[json!({"type": "message", "text": "hello"})])
        .await
        .expect(200);
    let second = rig.task("app", "two").await["id"].clone();
    assert_eq!(task(changes.next().await), second);
    let result = json!({"outcome": {"result": "succeeded"}, "has_session": false, "last_seq": 1});
    worker.finish(&claim, result).await.expect(204);
    assert_eq!(task(changes.next().await), first);

    // Of all this the other workspace hears nothing: the first thing it hears is the stream's end.
    rig.stop().await;
    assert_eq!(elsewhere.next().await, None);
    assert_eq!(changes.next().await, None);
}

#[tokio::test]
async fn a_principal_has_at_most_64_streams_and_closed_ones_do_not_count() {
    let rig = Rig::start().await;
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(rig.user().stream(PATH).await);
    }
    let refused = rig.user().get(PATH).await.problem(503, "unavailable");
    let detail = "64 streams of changes are open for this principal.";
    assert_eq!(refused["detail"], detail);
    let stranger = rig.stranger(PrincipalKind::User).await;
    drop(stranger.stream(PATH).await);
    streams.pop();
    until(
        async || {
            let request = rig.user().request(reqwest::Method::GET, PATH);
            request.send().await.expect("an answer").status().as_u16()
        },
        |status| *status == 200,
    )
    .await;
    drop(streams);
    rig.stop().await;
}

#[tokio::test]
async fn a_worker_does_not_follow_changes() {
    let rig = Rig::start().await;
    rig.worker_client()
        .get(PATH)
        .await
        .problem(403, "forbidden");
    rig.nobody().get(PATH).await.problem(401, "unauthorized");
    rig.stop().await;
}

/// The second server here is only its store: what it writes the first one is not told of.
#[tokio::test]
async fn what_another_server_writes_is_told_too_and_once() {
    let database = Database::Postgres(shared().new_database());
    let rig = Rig::start_with(Setting {
        database,
        ..Setting::default()
    })
    .await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let Database::Postgres(url) = &rig.setting.database else {
        unreachable!("it was made so");
    };
    let other = outwork_store::Store::open_postgres(url)
        .await
        .expect("it opens");
    let made: Value = rig.task("app", "one").await;
    let mut changes = open(&rig).await;
    assert_eq!(task(changes.next().await), made["id"], "it is that new");
    let attempt = made["turns"][0]["attempts"][0]["id"]
        .as_str()
        .expect("an id");
    let workspace = "00000000000000000000000000000001";
    let workspace = format!("ws_{workspace}").parse().expect("a workspace");
    // Later than all before: a change has a time of its own.
    rig.pass(std::time::Duration::from_secs(1)).await;
    other
        .cancel(workspace, attempt.parse().expect("an id"), {
            use outwork_server::Clock as _;
            rig.clock.now()
        })
        .await
        .expect("it can be cancelled");
    assert_eq!(task(changes.next().await), made["id"]);
    let second = rig.task("app", "two").await;
    assert_eq!(task(changes.next().await), second["id"], "each comes once");
    drop(changes);
    other.close().await;
    rig.stop().await;
}
