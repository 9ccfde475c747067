//! The schema of a turn's answer.

use serde_json::{Value, json};

use crate::rig::Rig;
use crate::rig::worker::Worker;

fn schema() -> Value {
    json!({"type": "object", "required": ["risk"], "properties": {"risk": {"type": "string"}}})
}

fn task(output_schema: &Value) -> Value {
    json!({"environment": "app", "prompt": "p", "output_schema": output_schema})
}

#[tokio::test]
async fn it_goes_to_the_worker_and_the_answer_is_shown_as_json() {
    let rig = Rig::start().await;
    let path = crate::rig::repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let worker = Worker::register(&rig, "one").await;
    let task = rig.user().post("/api/v1/tasks", &task(&schema())).await;
    let task = task.expect(201);
    assert_eq!(task["turns"][0]["output_schema"], schema());
    let id = task["id"].as_str().expect("an id").to_owned();

    let claim = worker.take().await;
    assert_eq!(claim.assignment["output_schema"], schema());
    let finish = |outcome: Value, message: &str| json!({"outcome": outcome, "message": message, "has_session": false, "last_seq": 0});
    let mismatch = json!({"code": "output_mismatch", "message": "it does not match"});
    let failed = json!({"result": "failed", "failure": mismatch});
    let finished = worker
        .finish(&claim, finish(failed, r#"{"risk": 1}"#))
        .await;
    finished.expect(204);
    let task = rig.get(&format!("/api/v1/tasks/{id}")).await;
    let attempt = &task["turns"][0]["attempts"][0];
    assert_eq!(attempt["failure"]["code"], "output_mismatch");
    assert_eq!(attempt["output"], Value::Null, "it does not match");

    // Once more means with the same schema; a new turn says for itself what it wants.
    let retry = format!("/api/v1/tasks/{id}/retry");
    rig.user().post(&retry, &json!({})).await.expect(201);
    let claim = worker.take().await;
    assert_eq!(claim.assignment["output_schema"], schema());
    let succeeded = json!({"result": "succeeded"});
    let finished = worker
        .finish(&claim, finish(succeeded, r#"{"risk": "low"}"#))
        .await;
    finished.expect(204);
    let next = format!("/api/v1/tasks/{id}/turns");
    let answer = rig.user().post(&next, &json!({"prompt": "talk"})).await;
    let task = answer.expect(201);
    assert_eq!(
        task["turns"][1]["attempts"][0]["output"],
        json!({"risk": "low"})
    );
    assert_eq!(task["turns"][2]["output_schema"], Value::Null);
    let claim = worker.take().await;
    assert_eq!(claim.assignment["output_schema"], Value::Null);
    rig.stop().await;
}

#[tokio::test]
async fn what_cannot_be_checked_is_refused() {
    let rig = Rig::start().await;
    let path = crate::rig::repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let cases = [
        (json!([]), "which is an object"),
        (
            json!({"type": "objekt"}),
            "/type: must be the name of a type",
        ),
        (
            json!({"unevaluatedItems": false}),
            "`unevaluatedItems` cannot be checked",
        ),
        (
            json!({"title": "x".repeat(70_000)}),
            "at most 65536 are taken",
        ),
    ];
    for (output_schema, said) in cases {
        let refused = rig
            .user()
            .post("/api/v1/tasks", &task(&output_schema))
            .await;
        let problem = refused.problem(422, "unprocessable");
        assert_eq!(
            problem["errors"][0]["pointer"], "/output_schema",
            "{problem}"
        );
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains(said), "{problem}");
    }
    rig.stop().await;
}
