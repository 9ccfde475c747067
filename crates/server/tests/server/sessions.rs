//! An agent's session: sent along with a task, handed to workers, and handed out.

use outwork_api::session::{self, Session, SessionFile};
use outwork_server::ModelDefault;
use serde_json::{Value, json};

use crate::rig::worker::{Worker, size};
use crate::rig::{Rig, Setting, repository};

async fn codex_rig() -> Rig {
    let model = ModelDefault {
        base_url: "http://127.0.0.1:1/v1".to_owned(),
        name: "m".to_owned(),
        api_key: None,
        context_window: 1000,
    };
    let rig = Rig::start_with(Setting {
        model: Some(model),
        ..Setting::default()
    })
    .await;
    let path = repository::make(rig.directory.path());
    let agent =
        |label: &str, agent: Value| json!({"label": label, "repository_url": path, "agent": agent});
    for body in [
        agent("app", json!({"name": "codex"})),
        agent("shell", json!({"name": "command", "command": "cat"})),
    ] {
        let made = rig.user().post("/api/v1/environments", &body).await;
        made.expect(201);
    }
    rig
}

fn packed(agent: &str, text: &str) -> String {
    let bytes = session::pack(&Session {
        agent: agent.to_owned(),
        thread_id: "t-1".to_owned(),
        files: vec![SessionFile {
            path: ".codex/sessions/x.jsonl".to_owned(),
            contents: text.as_bytes().to_vec(),
        }],
    });
    String::from_utf8(bytes).expect("text")
}

async fn submit(rig: &Rig, environment: &str, session: &str) -> crate::rig::http::Answer {
    let body = json!({"environment": environment, "prompt": "p", "starting_session": session});
    rig.user().post("/api/v1/tasks", &body).await
}

#[tokio::test]
async fn a_session_sent_along_is_where_the_first_turn_goes_on() {
    let rig = codex_rig().await;
    let worker = Worker::register(&rig, "one").await;
    let mine = packed("codex", "from home");
    let task = submit(&rig, "app", &mine).await.expect(201);
    let id = task["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/tasks/{id}/session");

    let claim = worker.take().await;
    assert_eq!(claim.assignment["has_session"], true);
    let given = worker.download(&claim, "session").await;
    assert_eq!(given.bytes, mine.as_bytes());
    let early = rig.user().get(&path).await.problem(404, "not_found");
    let hint = early["hint"].as_str().expect("a hint");
    assert!(hint.contains("--follow"), "{early}");

    // An attempt that comes to nothing leaves it for the next turn.
    worker.fail(&claim, "repository_unavailable").await;
    for route in ["retry", "turns"] {
        let route = format!("/api/v1/tasks/{id}/{route}");
        let body = match route.ends_with("retry") {
            true => json!({}),
            false => json!({"prompt": "again"}),
        };
        let task = rig.user().post(&route, &body).await.expect(201);
        let newest = task["turns"]
            .as_array()
            .expect("turns")
            .last()
            .expect("one");
        assert_eq!(newest["continues"], Value::Null, "{newest}");
        let claim = worker.take().await;
        let given = worker.download(&claim, "session").await;
        assert_eq!(given.bytes, mine.as_bytes());
        worker.fail(&claim, "repository_unavailable").await;
    }

    // What comes of it is handed out, and goes on in the next turn.
    let retry = format!("/api/v1/tasks/{id}/retry");
    rig.user().post(&retry, &json!({})).await.expect(201);
    let claim = worker.take().await;
    let after = packed("codex", "from home, and more");
    worker.upload(&claim, "session", &after).await.expect(204);
    let done = json!({"outcome": {"result": "succeeded"}, "has_session": true, "last_seq": 0,
        "diffs": [size("repository", 0)]});
    worker.upload(&claim, "diff", "").await.expect(204);
    worker.finish(&claim, done).await.expect(204);
    let answer = rig.user().get(&path).await;
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert_eq!(answer.bytes, after.as_bytes());
    let of_attempt = format!("/api/v1/attempts/{}/session", claim.attempt);
    assert_eq!(rig.user().get(&of_attempt).await.bytes, after.as_bytes());
    let first = rig.user().get(&format!("{path}?turn=1")).await;
    let none = first.problem(404, "not_found");
    assert!(
        none["hint"]
            .as_str()
            .expect("a hint")
            .contains("did not come so far")
    );
    rig.stop().await;
}

#[tokio::test]
async fn a_session_that_does_not_fit_is_refused() {
    let rig = codex_rig().await;
    let newer = "{\"outwork_session\":2}\n";
    let outside = packed("codex", "x").replace(".codex/", "../");
    for (environment, session, said) in [
        ("app", "nonsense", "not a session of Outwork"),
        ("app", newer, "format version 2"),
        ("app", outside.as_str(), "path"),
        ("app", &packed("claude", "x"), "of the agent `claude`"),
        (
            "shell",
            &packed("codex", "x"),
            "`command`, which keeps no conversation",
        ),
    ] {
        let refused = submit(&rig, environment, session).await;
        let problem = refused.problem(422, "unprocessable");
        let pointer = &problem["errors"][0]["pointer"];
        assert_eq!(pointer, "/starting_session", "{problem}");
        assert!(
            problem["detail"].as_str().expect("text").contains(said),
            "{problem}"
        );
    }
    let hint = submit(&rig, "shell", &packed("codex", "x")).await;
    let hint = hint.problem(422, "unprocessable")["hint"].clone();
    assert!(hint.as_str().expect("a hint").contains("`codex`"), "{hint}");
    assert_eq!(rig.get("/api/v1/tasks").await["items"], json!([]));
    rig.stop().await;
}

#[tokio::test]
async fn a_plain_command_has_none_to_take_home() {
    let rig = codex_rig().await;
    let worker = Worker::register(&rig, "one").await;
    let task = rig.task("shell", "p").await;
    let claim = worker.take().await;
    worker.succeed(&claim, "diff").await;
    let path = format!(
        "/api/v1/tasks/{}/session",
        task["id"].as_str().expect("an id")
    );
    let problem = rig.user().get(&path).await.problem(409, "conflict");
    assert!(
        problem["hint"]
            .as_str()
            .expect("a hint")
            .contains("`codex`"),
        "{problem}"
    );
    rig.stop().await;
}
