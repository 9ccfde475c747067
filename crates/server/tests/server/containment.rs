//! What agents may reach and use: said of an environment, checked, and handed to the worker.

use outwork_domain::environment::InjectionTarget;
use outwork_domain::principal;
use outwork_domain::{EnvironmentId, WorkspaceId};
use outwork_store::{InjectionChange, SealedChanges};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::rig::worker::Worker;
use crate::rig::{Rig, repository};

/// An environment `app` with these fields, and its address.
async fn environment(rig: &Rig, fields: Value) -> (Value, String) {
    let repository = repository::make(rig.directory.path());
    let mut body = json!({"label": "app", "repository_url": repository,
        "agent": {"name": "command", "command": "cat"}});
    let all = body.as_object_mut().expect("an object");
    all.extend(fields.as_object().expect("an object").clone());
    let made = rig.user().post("/api/v1/environments", &body).await;
    let made = made.expect(201);
    let id = made["id"].as_str().expect("an id");
    let path = format!("/api/v1/environments/{id}");
    (made, path)
}

async fn edit(rig: &Rig, path: &str, patch: Value) -> Value {
    let edited = rig.user().send(Method::PATCH, path, &patch).await;
    edited.expect(200)
}

/// What the worker is given of it.
fn given(assignment: &Value) -> Value {
    let fields = [
        "network",
        "resources",
        "nested_namespaces",
        "max_tokens",
        "injections",
    ];
    fields
        .into_iter()
        .filter_map(|field| Some((field.to_owned(), assignment.get(field)?.clone())))
        .collect()
}

#[tokio::test]
async fn what_is_said_is_shown_and_handed_to_the_worker() {
    let rig = Rig::start().await;
    let worker = Worker::register(&rig, "one").await;
    let fields = json!({
        "network": {"mode": "on", "preset": "common", "allow": ["*.B.example", "a.example."],
            "ports": [8443, 443], "methods": "read_only", "git_push": true},
        "resources": {"memory_bytes": 1_073_741_824, "cpu_millis": 1500},
        "nested_namespaces": true, "max_tokens": 100_000,
        "injections": [{"host": "API.b.example", "header": "Authorization", "value": "Bearer x"}]});
    let (made, path) = environment(&rig, fields).await;
    let network = json!({"mode": "on", "preset": "common", "allow": ["a.example", "b.example"],
        "ports": [443, 8443], "methods": "read_only", "git_push": true, "websocket": false,
        "tls": "inspect"});
    assert_eq!(made["network"], network);
    let injection = json!({"host": "api.b.example", "header": "authorization"});
    let shown = json!([{"host": injection["host"], "header": injection["header"],
        "updated_at": made["updated_at"]}]);
    assert_eq!(made["injections"], shown);
    assert_eq!(rig.get(&path).await, made);

    rig.task("app", "p").await;
    let mut wanted = json!({"network": network, "resources": made["resources"],
        "nested_namespaces": true, "max_tokens": 100_000,
        "injections": [{"host": "api.b.example", "header": "authorization", "value": "Bearer x"}]});
    assert_eq!(given(&worker.take().await.assignment), wanted);

    // What is left out stays; a part that is given is given whole.
    let patch = json!({"resources": {"processes": 64}, "max_tokens": 0,
        "injections": [{"host": "b.example", "header": "x-key", "value": "k"}]});
    let edited = edit(&rig, &path, patch).await;
    assert_eq!(edited["network"], network);
    assert_eq!(edited["resources"], json!({"processes": 64}));
    assert_eq!(edited.get("max_tokens"), None);
    assert_eq!(edited["injections"].as_array().map(Vec::len), Some(2));

    // A worker is not given what it has no use for.
    let patch = json!({"network": {"mode": "off"}, "nested_namespaces": false,
        "injections": [{"host": "api.b.example", "header": "AUTHORIZATION", "value": null}]});
    let edited = edit(&rig, &path, patch).await;
    assert_eq!(edited["network"], json!({"mode": "off"}));
    assert_eq!(edited["injections"][0]["host"], "b.example");
    assert_eq!(edited["injections"].as_array().map(Vec::len), Some(1));
    rig.task("app", "p").await;
    wanted = json!({"network": {"mode": "off"}, "resources": {"processes": 64},
        "nested_namespaces": false, "injections": []});
    assert_eq!(given(&worker.take().await.assignment), wanted);
    rig.stop().await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_its_name() {
    let rig = Rig::start().await;
    let (_, path) = environment(&rig, json!({})).await;
    let wrong = async |pointer: &str, says: &str, patch: Value| {
        let answer = rig.user().send(Method::PATCH, &path, &patch).await;
        let problem = answer.problem(422, "unprocessable");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem:#}");
        let detail = problem["detail"].as_str().expect("a text");
        assert!(detail.contains(says), "{detail}");
    };
    let on = |fields: Value| {
        let mut network = json!({"mode": "on"});
        let all = network.as_object_mut().expect("an object");
        all.extend(fields.as_object().expect("an object").clone());
        json!({"network": network})
    };
    for (name, says) in [
        ("https://a.example", "write the host alone"),
        ("a.example:443", "write the host alone"),
        ("10.0.0.1", "only names can be allowed"),
        ("a.*.example", "covers its subdomains"),
        ("com", "has no dot"),
    ] {
        wrong("/network/allow", says, on(json!({"allow": [name]}))).await;
    }
    let many: Vec<_> = (0..501)
        .map(|number| format!("d{number}.example"))
        .collect();
    wrong(
        "/network/allow",
        "more than 500",
        on(json!({"allow": many})),
    )
    .await;
    wrong("/network/ports", "1 to 20 ports", on(json!({"ports": []}))).await;
    wrong("/network/ports", "1 to 20 ports", on(json!({"ports": [0]}))).await;
    let unseen = json!({"tls": "tunnel", "methods": "read_only"});
    wrong("/network/methods", "TLS tunnels", on(unseen)).await;
    let limit = |name: &str, value: u64| json!({"resources": {name: value}});
    for (name, value) in [
        ("memory_bytes", 1024),
        ("cpu_millis", 99),
        ("processes", 15),
        ("disk_bytes", 1),
        ("open_files", 1),
    ] {
        let pointer = format!("/resources/{name}");
        wrong(&pointer, "must be between", limit(name, value)).await;
    }
    let tokens = json!({"max_tokens": 1_u64 << 60});
    wrong("/max_tokens", "must be between", tokens).await;

    let inject = |host: &str, header: &str, value: &str| json!({"injections": [{"host": host, "header": header, "value": value}]});
    let host = "/injections/0/host";
    wrong(host, "has a star", inject("*.a.example", "x", "v")).await;
    let header = "/injections/0/header";
    wrong(
        header,
        "how a request is sent",
        inject("a.example", "Host", "v"),
    )
    .await;
    wrong(
        header,
        "not the name of a header",
        inject("a.example", "x y", "v"),
    )
    .await;
    let value = "/injections/0/value";
    wrong(
        value,
        "printable ASCII",
        inject("a.example", "x", "v\r\nHost: b"),
    )
    .await;
    let twice = json!({"injections": [{"host": "a.example", "header": "X", "value": "1"},
        {"host": "A.example", "header": "x", "value": "2"}]});
    wrong("/injections/1", "can be named once", twice).await;

    // Each may be alone, and both together not, whichever comes last.
    edit(&rig, &path, inject("a.example", "x", "v")).await;
    let tunnel = on(json!({"tls": "tunnel"}));
    wrong("/injections", "TLS tunnels", tunnel.clone()).await;
    let removal = json!({"injections": [{"host": "a.example", "header": "x"}],
        "network": tunnel["network"]});
    edit(&rig, &path, removal).await;
    wrong("/injections", "TLS tunnels", inject("a.example", "x", "v")).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_value_that_cannot_be_opened_ends_the_attempt() {
    let rig = Rig::start().await;
    let (made, path) = environment(&rig, json!({"network": {"mode": "on"}})).await;
    let worker = Worker::register(&rig, "one").await;
    let workspace = WorkspaceId::from_uuid(Uuid::from_u128(1));
    let id: EnvironmentId = made["id"].as_str().expect("an id").parse().expect("an id");
    let stored = rig.store.environment(workspace, id).await;
    let stored = stored.expect("works").expect("there");
    // As if it had been sealed with another key.
    let spoiled = SealedChanges {
        injections: vec![InjectionChange::Set {
            target: InjectionTarget::parse("a.example", "x-key").expect("a target"),
            sealed: vec![1; 60],
        }],
        ..SealedChanges::default()
    };
    let written = rig
        .store
        .update_environment(&stored.environment, spoiled, None)
        .await;
    written.expect("works");
    let task = rig.task("app", "p").await;
    assert!(worker.acquire(1, 0).await.is_empty());
    let task = rig
        .get(&format!(
            "/api/v1/tasks/{}",
            task["id"].as_str().expect("an id")
        ))
        .await;
    let failure = &task["turns"][0]["attempts"][0]["failure"];
    let hint = failure["hint"].as_str().expect("a hint");
    assert!(
        hint.contains("outwork env edit app --inject a.example:x-key=@FILE"),
        "{failure:#}"
    );
    // Off needs none of them.
    edit(&rig, &path, json!({"network": {"mode": "off"}})).await;
    rig.task("app", "p").await;
    worker.take().await;
    rig.stop().await;
}

#[tokio::test]
async fn a_worker_that_does_not_say_how_it_isolates_is_given_nothing_new() {
    let rig = Rig::start().await;
    environment(&rig, json!({})).await;
    let worker = Worker::register(&rig, "one").await;
    rig.task("app", "p").await;
    let claim = worker.take().await;
    let attempt = format!("/api/v1/attempts/{}", claim.attempt);
    assert_eq!(rig.get(&attempt).await["isolation"], "namespaces");
    // As a worker stands in the database that an older server left.
    let workspace_id = WorkspaceId::from_uuid(Uuid::from_u128(1));
    let older = principal::Worker {
        id: worker.id.parse().expect("an id"),
        workspace_id,
        name: "one".into(),
        slots: 4,
        agents: vec!["command".into()],
        isolation: None,
        labels: Default::default(),
        versions: Default::default(),
    };
    let now = outwork_domain::Timestamp::from_millis(1_795_186_420_000);
    let registered = rig.store.register_worker(&older, now).await;
    registered.expect("known");
    let task = rig.task("app", "p").await;
    let body = json!({"worker": worker.id, "max": 1, "wait_ms": 0});
    let answer = worker.client.post("/api/worker/v1/acquire", &body).await;
    assert_eq!(answer.problem(404, "not_found")["hint"], "Register again.");
    assert_eq!(worker.heartbeat(&[&claim]).await, ["run"]);

    let again = json!({"protocol_version": 3, "worker": worker.id, "name": "one", "slots": 4,
        "agents": ["command"], "isolation": "oci:crun"});
    let register = worker.client.post("/api/worker/v1/register", &again).await;
    assert_eq!(register.expect(200)["worker"], worker.id);
    worker.take().await;
    let task = format!("/api/v1/tasks/{}", task["id"].as_str().expect("an id"));
    let isolation = rig.get(&task).await["turns"][0]["attempts"][0]["isolation"].clone();
    assert_eq!(isolation, "oci:crun");
    // What the first attempt's worker said then is still so.
    assert_eq!(rig.get(&attempt).await["isolation"], "namespaces");
    for unusable in ["", " ", "a\u{1b}[2J", &"x".repeat(101)] {
        let mut body = again.clone();
        body["isolation"] = json!(unusable);
        let answer = worker.client.post("/api/worker/v1/register", &body).await;
        let problem = answer.problem(422, "unprocessable");
        assert_eq!(problem["errors"][0]["pointer"], "/isolation");
    }
    rig.stop().await;
}

#[tokio::test]
async fn an_attempt_waits_for_a_worker_with_the_labels_that_its_environment_asks_for() {
    let rig = Rig::start().await;
    let wanted = json!({"gpu": "true"});
    let (made, path) = environment(&rig, json!({"required_labels": wanted})).await;
    assert_eq!(made["required_labels"], wanted);
    let plain = Worker::register(&rig, "plain").await;
    rig.task("app", "p").await;
    assert_eq!(plain.acquire(1, 0).await.len(), 0);
    let client = rig.worker_client();
    let body = json!({"protocol_version": 3, "name": "gpu", "slots": 1, "agents": ["command"],
        "isolation": "namespaces", "labels": {"gpu": "true", "zone": "a"}});
    let registered = client
        .post("/api/worker/v1/register", &body)
        .await
        .expect(200);
    let id = registered["worker"].as_str().expect("an id").to_owned();
    let listed = rig.get("/api/v1/workers").await;
    let listed = listed["items"].as_array().expect("a list").clone();
    let of = |name: &str| listed.iter().find(|worker| worker["name"] == name).cloned();
    assert_eq!(of("gpu").expect("listed")["labels"], body["labels"]);
    assert_eq!(of("plain").expect("listed")["labels"], json!({}));
    Worker { client, id }.take().await;

    // What is left out stays; an empty object asks for nothing.
    assert_eq!(
        edit(&rig, &path, json!({"label": "app"})).await["required_labels"],
        wanted
    );
    rig.task("app", "q").await;
    assert_eq!(plain.acquire(1, 0).await.len(), 0);
    assert_eq!(
        edit(&rig, &path, json!({"required_labels": {}})).await["required_labels"],
        json!({})
    );
    plain.take().await;

    for unusable in [
        json!({"": "a"}),
        json!({"a": ""}),
        json!({"a b": "c"}),
        json!({"a": "x".repeat(64)}),
    ] {
        let mut body = body.clone();
        body["labels"] = unusable.clone();
        let answer = plain.client.post("/api/worker/v1/register", &body).await;
        let problem = answer.problem(422, "unprocessable");
        assert_eq!(problem["errors"][0]["pointer"], "/labels");
        let answer = rig
            .user()
            .send(Method::PATCH, &path, &json!({"required_labels": unusable}))
            .await;
        let problem = answer.problem(422, "unprocessable");
        assert_eq!(problem["errors"][0]["pointer"], "/required_labels");
    }
    rig.stop().await;
}
