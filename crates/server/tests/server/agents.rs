//! The agents of single attempts.

use outwork_server::ModelDefault;
use serde_json::{Value, json};

use crate::rig::worker::Worker;
use crate::rig::{Rig, repository};

fn task(agents: Value) -> Value {
    json!({"environment": "app", "prompt": "p", "agents": agents})
}

#[tokio::test]
async fn each_attempt_goes_to_a_worker_that_has_its_agent() {
    let rig = Rig::start_with(crate::rig::Setting {
        model: Some(ModelDefault {
            base_url: "http://127.0.0.1:9/v1".to_owned(),
            name: "gpt-5".to_owned(),
            api_key: None,
            context_window: 100_000,
        }),
        ..Default::default()
    })
    .await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let agents = json!([
        {"name": "codex", "model": "gpt-big"}, {"name": "command", "command": "one"}, {"name": "command", "command": "two"},
    ]);
    let task = rig.user().post("/api/v1/tasks", &task(agents)).await;
    let task = task.expect(201);
    let shown = |task: &Value| {
        let attempts = task["turns"][0]["attempts"].as_array().expect("a list");
        let agents = attempts.iter().map(|attempt| attempt["agent"].clone());
        agents.collect::<Vec<_>>()
    };
    let codex = json!({"name": "codex", "model": "gpt-big"});
    let expected = vec![
        codex,
        json!({"name": "command"}),
        json!({"name": "command"}),
    ];
    assert_eq!(shown(&task), expected);
    let id = task["id"].as_str().expect("an id").to_owned();

    let commands = Worker::register_with(&rig, "commands", &["command"]).await;
    let told = rig.get(&format!("/api/v1/tasks/{id}")).await;
    assert_eq!(shown(&told), expected);
    assert_eq!(
        told["waiting_for"]["reason"], "agent",
        "{}",
        told["waiting_for"]
    );
    let mut claims = Vec::new();
    while claims.len() < 2 {
        claims.extend(commands.acquire(4, 10_000).await);
    }
    let given: Vec<_> = claims
        .iter()
        .map(|claim| &claim.assignment["agent"]["command"])
        .collect();
    assert_eq!(given, ["one", "two"]);
    assert!(
        claims
            .iter()
            .all(|claim| claim.assignment["model"].is_null())
    );
    assert!(
        commands.acquire(4, 0).await.is_empty(),
        "the third is not for it"
    );

    let other = Worker::register_with(&rig, "codex", &["codex"]).await;
    let claim = other.take().await;
    assert_eq!(claim.assignment["agent"], json!({"name": "codex"}));
    assert_eq!(claim.assignment["model"]["name"], "gpt-big");

    // What goes on from an attempt goes on with its agent.
    claims.push(claim);
    let finish = json!({"outcome": {"result": "succeeded"}, "has_session": false, "last_seq": 0});
    for (worker, claim) in [
        (&commands, &claims[0]),
        (&commands, &claims[1]),
        (&other, &claims[2]),
    ] {
        worker.finish(claim, finish.clone()).await.expect(204);
    }
    let next = format!("/api/v1/tasks/{id}/turns");
    let turn = json!({"prompt": "more", "attempt": 3});
    rig.user().post(&next, &turn).await.expect(201);
    assert_eq!(commands.take().await.assignment["agent"]["command"], "two");
    rig.stop().await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_its_field() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let command = |command: &str| json!({"name": "command", "command": command});
    let codex = json!({"name": "codex"});
    for (body, pointer) in [
        (task(json!([command(" ")])), "/agents"),
        (task(json!([{"name": "codex", "model": "a\nb"}])), "/agents"),
        (task(json!(vec![command("x"); 5])), "/agents"),
        (
            json!({"environment": "app", "prompt": "p", "attempts": 2, "agents": [command("x")]}),
            "/attempts",
        ),
    ] {
        let answer = rig.user().post("/api/v1/tasks", &body).await.expect(422);
        assert_eq!(answer["errors"][0]["pointer"], pointer, "{answer}");
    }
    let unknown = task(json!([{"name": "claude"}]));
    rig.user().post("/api/v1/tasks", &unknown).await.expect(400);
    // One that needs a model, and none is set.
    let answer = rig
        .user()
        .post("/api/v1/tasks", &task(json!([command("x"), codex])))
        .await;
    let answer = answer.expect(409);
    assert!(
        answer["detail"]
            .as_str()
            .expect("a text")
            .contains("needs a model"),
        "{answer}"
    );
    rig.stop().await;
}
