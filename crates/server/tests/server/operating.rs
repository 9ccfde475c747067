//! How workers are let in, put out of work, and locked out.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::http::Client;
use crate::rig::worker::{Claim, Worker};
use crate::rig::{Rig, repository, until};

const KEY: &str = "0123456789abcdef0123456789abcdef";

async fn enrolment(rig: &Rig, body: Value) -> (String, Client) {
    let made = rig.user().post("/api/v1/enrolment-tokens", &body).await;
    let made = made.expect(201);
    let token = made["token"].as_str().expect("a token");
    let id = made["id"].as_str().expect("an id").to_owned();
    (id, Client::new(&rig.url, Some(token)))
}

fn enroll(key: &str) -> Value {
    json!({"key": key, "name": "own"})
}

/// A worker with a token of its own.
async fn enrolled(rig: &Rig) -> Worker {
    let (_, client) = enrolment(rig, json!({})).await;
    let own = client.post("/api/worker/v1/enroll", &enroll(KEY)).await;
    let own = own.expect(200);
    let client = Client::new(&rig.url, own["token"].as_str());
    let worker = Worker {
        client,
        id: own["worker"].as_str().expect("an id").to_owned(),
    };
    register(&worker, 4, None).await;
    worker
}

async fn register(worker: &Worker, protocol_version: u32, id: Option<&str>) {
    let mut body = json!({"protocol_version": protocol_version, "name": "own", "slots": 4,
        "agents": ["command"], "isolation": "namespaces"});
    if protocol_version == 4 {
        body["version"] = json!("1.2.3");
    }
    if let Some(id) = id {
        body["worker"] = json!(id);
    }
    let registered = worker.client.post("/api/worker/v1/register", &body).await;
    assert_eq!(registered.expect(200)["worker"], worker.id);
}

async fn with_task(rig: &Rig, tasks: usize) {
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    for _ in 0..tasks {
        rig.task("app", "p").await;
    }
}

async fn shown(rig: &Rig, worker: &Worker) -> Option<Value> {
    let listed = rig.get("/api/v1/workers").await;
    let listed = listed["items"].as_array().expect("a list").clone();
    listed.into_iter().find(|one| one["id"] == worker.id)
}

async fn order(rig: &Rig, worker: &Worker, what: &str, body: Value) {
    let path = format!("/api/v1/workers/{}/{what}", worker.id);
    rig.user().post(&path, &body).await.expect(204);
}

async fn beat(worker: &Worker, claims: &[&Claim], said: Value) -> Value {
    let leases: Vec<Value> = claims
        .iter()
        .map(|claim| json!({"attempt": claim.attempt, "epoch": claim.epoch}))
        .collect();
    let mut body = json!({"worker": worker.id, "leases": leases});
    for (name, value) in said.as_object().expect("an object") {
        body[name] = value.clone();
    }
    worker
        .client
        .post("/api/worker/v1/heartbeat", &body)
        .await
        .expect(200)
}

#[tokio::test]
async fn an_enrolment_token_is_exchanged_once_and_opens_nothing_else() {
    let rig = Rig::start().await;
    let (id, client) = enrolment(&rig, json!({"name": "rack 1"})).await;
    let path = "/api/worker/v1/enroll";
    let first = client.post(path, &enroll(KEY)).await.expect(200);
    let again = client.post(path, &enroll(KEY)).await.expect(200);
    assert_eq!(first, again, "its answer was lost");
    let other = client.post(path, &enroll(&"b".repeat(40))).await;
    let used_up = other.problem(401, "unauthorized");
    assert!(
        used_up["detail"]
            .as_str()
            .expect("a text")
            .contains("as many"),
        "{used_up}"
    );
    client
        .get("/api/v1/tasks")
        .await
        .problem(401, "unauthorized");
    client.get("/api/v1/me").await.problem(401, "unauthorized");
    let acquire = json!({"worker": first["worker"], "max": 1, "wait_ms": 0});
    client
        .post("/api/worker/v1/acquire", &acquire)
        .await
        .problem(401, "unauthorized");
    for wrong in [rig.worker_client(), rig.user()] {
        wrong
            .post(path, &enroll(KEY))
            .await
            .problem(401, "unauthorized");
    }
    let listed = rig.get("/api/v1/enrolment-tokens").await["items"][0].clone();
    assert_eq!(
        (&listed["id"], &listed["uses"], &listed["name"]),
        (&json!(id), &json!(1), &json!("rack 1"))
    );
    assert!(listed.get("token").is_none(), "{listed}");
    let tokens = rig.get("/api/v1/worker-tokens").await;
    assert_eq!(tokens["items"][0]["worker"], first["worker"]);
    for (field, value) in [
        ("key", json!("short")),
        ("key", json!("x".repeat(31) + " ")),
        ("name", json!("")),
    ] {
        let mut body = enroll(KEY);
        body[field] = value;
        let problem = client.post(path, &body).await.problem(422, "unprocessable");
        assert_eq!(problem["errors"][0]["pointer"], format!("/{field}"));
    }
    for wrong in [
        json!({"max_uses": 0}),
        json!({"expires_in_seconds": 59}),
        json!({"name": " "}),
    ] {
        let answer = rig.user().post("/api/v1/enrolment-tokens", &wrong).await;
        answer.problem(422, "unprocessable");
    }
    rig.stop().await;
}

#[tokio::test]
async fn an_enrolment_token_ends_with_its_time_or_by_hand() {
    let rig = Rig::start().await;
    let path = "/api/worker/v1/enroll";
    let (_, brief) = enrolment(&rig, json!({"expires_in_seconds": 60, "max_uses": 2})).await;
    let (id, revoked) = enrolment(&rig, json!({})).await;
    let own = brief.post(path, &enroll(KEY)).await.expect(200);
    let gone = format!("/api/v1/enrolment-tokens/{id}");
    rig.user().bare(Method::DELETE, &gone).await.expect(204);
    revoked
        .post(path, &enroll(KEY))
        .await
        .problem(401, "token_revoked");
    rig.pass(Duration::from_secs(60)).await;
    let late = brief.post(path, &enroll(&"b".repeat(32))).await;
    late.problem(401, "unauthorized");
    assert_eq!(brief.post(path, &enroll(KEY)).await.expect(200), own);
    rig.stop().await;
}

#[tokio::test]
async fn a_worker_speaks_for_itself_alone() {
    let rig = Rig::start().await;
    with_task(&rig, 1).await;
    let own = enrolled(&rig).await;
    let other = Worker::register(&rig, "other").await;
    let held = other.take().await;
    let pretending = Worker {
        client: own.client.clone(),
        id: other.id.clone(),
    };
    let register = json!({"protocol_version": 4, "worker": other.id, "name": "x", "slots": 1,
        "agents": [], "isolation": "namespaces"});
    let acquire = json!({"worker": other.id, "max": 1, "wait_ms": 0});
    let heartbeat = json!({"worker": other.id, "leases": []});
    let deregister = json!({"worker": other.id});
    for (verb, body) in [
        ("register", register),
        ("acquire", acquire),
        ("heartbeat", heartbeat),
        ("deregister", deregister),
    ] {
        let path = format!("/api/worker/v1/{verb}");
        let answer = pretending.client.post(&path, &body).await;
        answer.problem(403, "forbidden");
    }
    pretending
        .inventory(json!([]), json!([]))
        .await
        .problem(403, "forbidden");
    let commands = format!("/api/worker/v1/commands?worker={}", other.id);
    pretending
        .client
        .get(&commands)
        .await
        .problem(403, "forbidden");
    pretending
        .step(&held, "preparing")
        .await
        .problem(403, "forbidden");
    pretending
        .append(&held, 1, &[])
        .await
        .problem(403, "forbidden");
    pretending
        .upload(&held, "diff", "x")
        .await
        .problem(403, "forbidden");
    pretending
        .download(&held, "session")
        .await
        .problem(403, "forbidden");
    pretending.release(&held).await.problem(403, "forbidden");
    let finish = json!({"outcome": {"result": "cancelled"}, "has_session": false, "last_seq": 0});
    pretending
        .finish(&held, finish)
        .await
        .problem(403, "forbidden");
    let checkpoint = format!("/api/worker/v1/attempts/{}/checkpoint", held.attempt);
    let body = json!({"epoch": held.epoch});
    pretending
        .client
        .post(&checkpoint, &body)
        .await
        .problem(403, "forbidden");
    assert_eq!(
        other.heartbeat(&[&held]).await,
        ["run"],
        "it is still its own"
    );
    // A claim that another has now is stale, as for every worker.
    other.release(&held).await.expect(204);
    let mine = own.take().await;
    own.step(&mine, "preparing").await.expect(200);
    own.step(&held, "preparing")
        .await
        .problem(409, "stale_lease");
    rig.stop().await;
}

#[tokio::test]
async fn a_revoked_worker_is_refused_and_its_attempts_go_elsewhere() {
    let rig = Rig::start().await;
    with_task(&rig, 1).await;
    let own = enrolled(&rig).await;
    let held = own.take().await;
    let mut commands = own.commands().await;
    let other = Worker::register(&rig, "other").await;
    let no_token = format!("/api/v1/workers/{}/revoke", other.id);
    rig.user()
        .post(&no_token, &json!({}))
        .await
        .problem(404, "not_found");
    order(&rig, &own, "revoke", json!({})).await;
    assert_eq!(
        commands.next().await,
        None,
        "it is to come again and hear why"
    );
    let body = json!({"worker": own.id, "leases": []});
    let refused = own.client.post("/api/worker/v1/heartbeat", &body).await;
    let refused = refused.problem(401, "token_revoked");
    assert!(
        refused["hint"].as_str().expect("a hint").contains("Enrol"),
        "{refused}"
    );
    own.step(&held, "preparing")
        .await
        .problem(401, "token_revoked");
    assert_eq!(shown(&rig, &own).await, None);
    // Not before the worker has had the time to hear of it.
    assert_eq!(other.acquire(1, 0).await.len(), 0);
    rig.pass(Duration::from_secs(11)).await;
    let next = other.take().await;
    assert_eq!((&next.attempt, next.epoch), (&held.attempt, held.epoch + 1));
    let attempt = rig.get(&format!("/api/v1/attempts/{}", held.attempt)).await;
    assert_eq!(attempt["tries"], 1, "it counts as no failure");
    let tokens = rig.get("/api/v1/worker-tokens").await;
    assert!(tokens["items"][0]["revoked_at"].is_string(), "{tokens}");
    rig.stop().await;
}

#[tokio::test]
async fn a_draining_worker_is_told_and_given_nothing() {
    let rig = Rig::start().await;
    with_task(&rig, 1).await;
    let own = enrolled(&rig).await;
    let held = own.take().await;
    let mut commands = own.commands().await;
    rig.task("app", "waits").await;
    order(&rig, &own, "drain", json!({"deadline_seconds": 90})).await;
    let told = commands.next().await.expect("orders");
    assert_eq!(told.kind, "orders");
    assert_eq!(
        told.data,
        json!({"desired": "drain", "deadline_ms": 90_000})
    );
    assert_eq!(own.acquire(1, 0).await.len(), 0);
    rig.pass(Duration::from_secs(5)).await;
    let said = json!({"slots": 4, "free_slots": 3, "draining": true});
    let answer = beat(&own, &[&held], said).await;
    assert_eq!(
        answer["orders"],
        json!({"desired": "drain", "deadline_ms": 85_000})
    );
    assert_eq!(answer["leases"][0]["desired"], "run");
    let worker = shown(&rig, &own).await.expect("listed");
    let seen = ["state", "desired", "free_slots", "version", "enrolled"].map(|name| &worker[name]);
    assert_eq!(json!(seen), json!(["draining", "drain", 3, "1.2.3", true]));
    assert!(worker["drain_deadline_at"].is_string(), "{worker}");
    own.release(&held).await.expect(204);
    assert_eq!(shown(&rig, &own).await.expect("listed")["state"], "drained");
    order(&rig, &own, "undrain", json!({})).await;
    assert_eq!(commands.next().await.expect("orders").data, json!({}));
    assert!(beat(&own, &[], json!({})).await.get("orders").is_none());
    assert_eq!(own.acquire(5, 0).await.len(), 2);
    rig.stop().await;
}

#[tokio::test]
async fn a_worker_that_knows_no_orders_is_given_nothing_all_the_same() {
    let rig = Rig::start().await;
    with_task(&rig, 1).await;
    let old = Worker::register(&rig, "old").await;
    let mut commands = old.commands().await;
    let pending = async { old.acquire(1, 30_000).await };
    order(&rig, &old, "drain", json!({})).await;
    assert_eq!(old.acquire(1, 0).await.len(), 0);
    // It is given what waits as soon as it may; without a word on a stream that it would not understand.
    let (taken, ()) = tokio::join!(pending, order(&rig, &old, "undrain", json!({})));
    assert_eq!(taken.len(), 1);
    let attempt = &taken[0].attempt;
    let cancel = format!("/api/v1/attempts/{attempt}/cancel");
    rig.user().post(&cancel, &json!({})).await.expect(200);
    let told = commands.next().await.expect("a command");
    assert_eq!(
        (told.kind.as_str(), &told.data["attempt"]),
        ("command", &json!(attempt))
    );
    rig.stop().await;
}

#[tokio::test]
async fn slots_are_set_from_afar() {
    let rig = Rig::start().await;
    with_task(&rig, 3).await;
    let own = enrolled(&rig).await;
    let path = format!("/api/v1/workers/{}/slots", own.id);
    let set = async |slots: Value| {
        let body = json!({"slots": slots});
        rig.user().send(Method::PUT, &path, &body).await
    };
    set(json!(0)).await.problem(422, "unprocessable");
    set(json!(1)).await.expect(204);
    let answer = beat(&own, &[], json!({"slots": 4, "free_slots": 4})).await;
    assert_eq!(answer["orders"], json!({"slots": 1}));
    assert_eq!(own.acquire(3, 0).await.len(), 1, "whatever it asks for");
    beat(&own, &[], json!({"slots": 1, "free_slots": 0})).await;
    let worker = shown(&rig, &own).await.expect("listed");
    let seen = ["slots", "free_slots", "desired_slots", "state"].map(|name| &worker[name]);
    assert_eq!(json!(seen), json!([1, 0, 1, "online"]));
    set(json!(null)).await.expect(204);
    beat(&own, &[], json!({"slots": 4, "free_slots": 3})).await;
    assert_eq!(own.acquire(3, 0).await.len(), 2);
    let wrong = json!({"worker": own.id, "leases": [], "slots": 0});
    let answer = own.client.post("/api/worker/v1/heartbeat", &wrong).await;
    answer.problem(422, "unprocessable");
    rig.stop().await;
}

#[tokio::test]
async fn a_retired_worker_ends_for_good_however_it_goes() {
    let rig = Rig::start().await;
    with_task(&rig, 1).await;
    let own = enrolled(&rig).await;
    order(&rig, &own, "retire", json!({})).await;
    let answer = beat(&own, &[], json!({"draining": true})).await;
    assert_eq!(answer["orders"], json!({"desired": "retire"}));
    let deregister = json!({"worker": own.id});
    own.client
        .post("/api/worker/v1/deregister", &deregister)
        .await
        .expect(204);
    let late = own
        .client
        .post("/api/worker/v1/deregister", &deregister)
        .await;
    late.problem(401, "token_revoked");
    assert_eq!(shown(&rig, &own).await, None);

    // One that dies meanwhile is a lost worker; then nothing is left of it.
    let dies = Worker::register(&rig, "dies").await;
    let held = dies.take().await;
    order(&rig, &dies, "retire", json!({})).await;
    rig.pass(Duration::from_secs(11)).await;
    until(async || shown(&rig, &dies).await, Option::is_none).await;
    let other = Worker::register(&rig, "other").await;
    rig.pass(Duration::from_secs(5)).await;
    assert_eq!(other.take().await.attempt, held.attempt);
    rig.stop().await;
}

#[tokio::test]
async fn what_a_worker_that_is_gone_held_is_given_out_at_once() {
    let rig = Rig::start().await;
    with_task(&rig, 1).await;
    let gone = Worker::register(&rig, "gone").await;
    let held = gone.take().await;
    let other = Worker::register(&rig, "other").await;
    let forget = format!("/api/v1/workers/{}", gone.id);
    rig.user().bare(Method::DELETE, &forget).await.expect(204);
    let next = other.take().await;
    assert_eq!((&next.attempt, next.epoch), (&held.attempt, held.epoch + 1));
    gone.step(&held, "preparing")
        .await
        .problem(409, "stale_lease");
    rig.user()
        .bare(Method::DELETE, &forget)
        .await
        .problem(404, "not_found");
    rig.stop().await;
}
