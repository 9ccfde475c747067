//! Cached snapshots: what workers say, what people see, and resetting.

use std::time::Duration;

use outwork_domain::principal::PrincipalKind;
use serde_json::{Value, json};

use crate::rig::worker::{AT, Worker};
use crate::rig::{Rig, repository};

const NONE: &str = "env_00000000000000000000000000000001";

fn snapshot(key: &str, environment: &Value, generation: i64, size_bytes: u64) -> Value {
    json!({"key": key, "environment_id": environment["id"], "cache_generation": generation, "reason": "the first",
        "built_at": AT, "last_used_at": AT, "size_bytes": size_bytes, "hits": 3, "in_use": 1})
}

fn uses(environment: &Value, hits: u64, builds: u64) -> Value {
    json!({"environment_id": environment["id"], "hits": hits, "builds": builds})
}

fn keys(cache: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let snapshots = cache["snapshots"].as_array().expect("a list");
    snapshots
        .iter()
        .map(|shown| (text(&shown["key"]), text(&shown["worker_name"])))
        .collect()
}

fn named(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(key, worker): &(&str, &str)| ((*key).to_owned(), (*worker).to_owned());
    pairs.iter().map(owned).collect()
}

#[tokio::test]
async fn a_snapshot_is_shown_until_it_is_reset_and_its_worker_is_told() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    let (app, web) = (
        rig.environment("app", &path).await,
        rig.environment("web", &path).await,
    );
    let (one, two) = (
        Worker::register(&rig, "one").await,
        Worker::register(&rig, "two").await,
    );
    let nothing = json!({"snapshots": [], "environments": []});
    assert_eq!(rig.get("/api/v1/cache").await, nothing);
    let kept = json!([snapshot("aa", &app, 0, 10), snapshot("bb", &web, 0, 5)]);
    let said = one.inventory(kept, json!([uses(&app, 3, 1), uses(&web, 0, 1)]));
    said.await.expect(204);
    let said = two.inventory(
        json!([snapshot("aa", &app, 0, 10)]),
        json!([uses(&app, 1, 1)]),
    );
    said.await.expect(204);

    let cache = rig.get("/api/v1/cache?environment=APP").await;
    let shown = json!({"key": "aa", "environment_id": app["id"], "environment_label": "app", "worker": one.id,
        "worker_name": "one", "reason": "the first", "built_at": AT, "last_used_at": AT, "size_bytes": 10, "hits": 3, "in_use": 1});
    assert_eq!(cache["snapshots"][0], shown);
    assert_eq!(keys(&cache), named(&[("aa", "one"), ("aa", "two")]));
    let used =
        json!({"environment_id": app["id"], "environment_label": "app", "hits": 4, "builds": 2});
    assert_eq!(cache["environments"], json!([used]));
    let all = named(&[("aa", "one"), ("aa", "two"), ("bb", "one")]);
    assert_eq!(keys(&rig.get("/api/v1/cache").await), all);
    assert_eq!(one.beat(&[]).await, json!({"leases": []}));

    // The next task's snapshots are of another generation.
    let assigned = async || {
        rig.task("app", "p").await;
        let claim = one.take().await;
        assert_eq!(claim.assignment["environment_id"], app["id"]);
        claim.assignment["cache_generation"].clone()
    };
    assert_eq!(assigned().await, 0);
    let reset = |body: Value| {
        let user = rig.user();
        async move { user.post("/api/v1/cache/reset", &body).await }
    };
    let done = reset(json!({"environment": app["id"]})).await.expect(200);
    assert_eq!(done, json!({"snapshots": 2, "size_bytes": 20}));
    assert_eq!(assigned().await, 1);
    let rest = named(&[("bb", "one")]);
    assert_eq!(keys(&rig.get("/api/v1/cache").await), rest);
    for worker in [&one, &two] {
        assert_eq!(worker.beat(&[]).await["reset_snapshots"], json!(["aa"]));
    }
    // While it is in use it stays on the disk, and is neither shown nor forgotten; the new one is shown.
    let kept = json!([
        snapshot("aa", &app, 0, 10),
        snapshot("ac", &app, 1, 11),
        snapshot("bb", &web, 0, 5)
    ]);
    one.inventory(kept, json!([])).await.expect(204);
    let shown = named(&[("ac", "one"), ("bb", "one")]);
    assert_eq!(keys(&rig.get("/api/v1/cache").await), shown);
    assert_eq!(one.beat(&[]).await["reset_snapshots"], json!(["aa"]));
    let kept = json!([snapshot("ac", &app, 1, 11), snapshot("bb", &web, 0, 5)]);
    one.inventory(kept, json!([])).await.expect(204);
    assert_eq!(one.beat(&[]).await, json!({"leases": []}));

    let done = reset(json!({})).await.expect(200);
    assert_eq!(done, json!({"snapshots": 2, "size_bytes": 16}));
    assert_eq!(rig.get("/api/v1/cache").await["snapshots"], json!([]));
    let nothing = json!({"snapshots": 0, "size_bytes": 0});
    assert_eq!(reset(json!({})).await.expect(200), nothing);
    for name in ["nope", NONE] {
        reset(json!({"environment": name}))
            .await
            .problem(404, "not_found");
        let path = format!("/api/v1/cache?environment={name}");
        rig.user().get(&path).await.problem(404, "not_found");
    }
    // The revision is for edits: a reset is none.
    assert_eq!(
        rig.get("/api/v1/environments").await["items"][0]["revision"],
        1
    );
    rig.stop().await;
}

#[tokio::test]
async fn what_a_worker_that_is_gone_keeps_is_not_shown() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    let app = rig.environment("app", &path).await;
    let (gone, silent) = (
        Worker::register(&rig, "gone").await,
        Worker::register(&rig, "silent").await,
    );
    for worker in [&gone, &silent] {
        let kept = json!([snapshot("aa", &app, 0, 10)]);
        worker
            .inventory(kept, json!([uses(&app, 1, 1)]))
            .await
            .expect(204);
    }
    let deregister = json!({"worker": gone.id});
    let said = gone.client.post("/api/worker/v1/deregister", &deregister);
    said.await.expect(204);
    assert_eq!(
        keys(&rig.get("/api/v1/cache").await),
        named(&[("aa", "silent")])
    );
    gone.inventory(json!([]), json!([]))
        .await
        .problem(404, "not_found");
    rig.pass(Duration::from_secs(31)).await;
    assert_eq!(rig.get("/api/v1/cache").await["snapshots"], json!([]));
    // What it keeps is reset all the same, and it hears of that when it is back.
    let reset = rig.user().post("/api/v1/cache/reset", &json!({})).await;
    assert_eq!(reset.expect(200)["snapshots"], 0);
    assert_eq!(silent.beat(&[]).await["reset_snapshots"], json!(["aa"]));
    assert_eq!(rig.get("/api/v1/cache").await["snapshots"], json!([]));
    rig.stop().await;
}

#[tokio::test]
async fn what_belongs_to_no_environment_of_the_workspace_goes() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    let app = rig.environment("app", &path).await;
    let worker = Worker::register(&rig, "one").await;
    let foreign = json!({"id": NONE});
    let kept = json!([snapshot("aa", &app, 0, 1), snapshot("bb", &foreign, 0, 1)]);
    let said = worker.inventory(kept, json!([uses(&foreign, 1, 1)]));
    said.await.expect(204);
    assert_eq!(worker.beat(&[]).await["reset_snapshots"], json!(["bb"]));
    assert_eq!(
        keys(&rig.get("/api/v1/cache").await),
        named(&[("aa", "one")])
    );
    let path = format!(
        "/api/v1/environments/{}",
        app["id"].as_str().expect("an id")
    );
    let deleted = rig.user().bare(reqwest::Method::DELETE, &path).await;
    deleted.expect(204);
    assert_eq!(
        worker.beat(&[]).await["reset_snapshots"],
        json!(["aa", "bb"])
    );
    assert_eq!(rig.get("/api/v1/cache").await["snapshots"], json!([]));

    // Another workspace sees and resets nothing of this one.
    let app = rig
        .environment(
            "app",
            &repository::make(&rig.directory.path().join("objects")),
        )
        .await;
    worker
        .inventory(json!([snapshot("cc", &app, 0, 1)]), json!([]))
        .await
        .expect(204);
    let stranger = rig.stranger(PrincipalKind::User).await;
    assert_eq!(
        stranger.get("/api/v1/cache").await.expect(200)["snapshots"],
        json!([])
    );
    let reset = stranger.post("/api/v1/cache/reset", &json!({})).await;
    assert_eq!(reset.expect(200)["snapshots"], 0);
    let foreign = Worker {
        client: rig.stranger(PrincipalKind::Worker).await,
        id: worker.id.clone(),
    };
    foreign
        .inventory(json!([]), json!([]))
        .await
        .problem(404, "not_found");
    assert_eq!(
        keys(&rig.get("/api/v1/cache").await),
        named(&[("cc", "one")])
    );
    rig.stop().await;
}

#[tokio::test]
async fn an_inventory_is_bounded_and_checked() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    let app = rig.environment("app", &path).await;
    let worker = Worker::register(&rig, "one").await;
    let with = |field: &str, value: Value| {
        let mut snapshot = snapshot("aa", &app, 0, 1);
        snapshot[field] = value;
        json!([snapshot])
    };
    let one = snapshot("aa", &app, 0, 1);
    let cases = [
        ("/snapshots/0/key", with("key", json!("")), json!([])),
        ("/snapshots/0/key", with("key", json!("../x")), json!([])),
        (
            "/snapshots/0/key",
            with("key", json!("a".repeat(201))),
            json!([]),
        ),
        (
            "/snapshots/0/environment_id",
            with("environment_id", json!("app")),
            json!([]),
        ),
        (
            "/snapshots/0/cache_generation",
            with("cache_generation", json!(-1)),
            json!([]),
        ),
        ("/snapshots/1", json!([one, one]), json!([])),
        ("/snapshots", json!(vec![&one; 10_001]), json!([])),
        (
            "/uses/1",
            json!([]),
            json!([uses(&app, 1, 1), uses(&app, 2, 2)]),
        ),
        (
            "/uses/0/environment_id",
            json!([]),
            json!([{"environment_id": "x", "hits": 0, "builds": 0}]),
        ),
    ];
    for (pointer, snapshots, uses) in cases {
        let problem = worker
            .inventory(snapshots, uses)
            .await
            .problem(422, "unprocessable");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem:#}");
    }
    // As many as may be, with the largest numbers that there are: their sum fits.
    let most: Vec<Value> = (0..10_000)
        .map(|number| {
            let mut snapshot = snapshot(&format!("{number:064x}"), &app, 0, u64::MAX);
            snapshot["hits"] = json!(u64::MAX);
            snapshot["reason"] = json!("because\u{0}".repeat(100));
            snapshot
        })
        .collect();
    worker
        .inventory(json!(most), json!([uses(&app, u64::MAX, u64::MAX)]))
        .await
        .expect(204);
    let cache = rig.get("/api/v1/cache").await;
    assert_eq!(cache["snapshots"].as_array().map(Vec::len), Some(10_000));
    let reset = rig.user().post("/api/v1/cache/reset", &json!({})).await;
    assert_eq!(reset.expect(200)["snapshots"], 10_000);
    let told = worker.beat(&[]).await;
    assert_eq!(told["reset_snapshots"].as_array().map(Vec::len), Some(1000));
    rig.stop().await;
}
