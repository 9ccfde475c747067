//! Lists, details and attempts.

use serde_json::{Value, json};

use super::{DIFF, STYLES, details, submit};
use crate::rig::worker::{Worker, size};
use crate::rig::{Rig, repository};

async fn listed(rig: &Rig, query: &str) -> Value {
    let [one, other] = STYLES.map(|style| format!("{style}/tasks/list?{query}"));
    let list = rig.get(&one).await;
    assert_eq!(rig.get(&other).await, list);
    list
}

fn titles(list: &Value) -> Vec<&str> {
    let rows = list["items"].as_array().expect("a list").iter();
    rows.map(|row| row["title"].as_str().expect("a text"))
        .collect()
}

#[tokio::test]
async fn pages_come_newest_first_and_by_environment() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    let app = rig.environment("app", &path).await;
    rig.environment("site", &path).await;
    for (environment, prompt) in [
        ("app", "1"),
        ("site", "2"),
        ("app", "3\u{202e}\u{1b}]0;x\u{7}"),
        ("app", "4"),
    ] {
        rig.task(environment, prompt).await;
    }
    let first = listed(&rig, "limit=2&task_filter=current").await;
    assert_eq!(titles(&first), ["4", "3]0;x"]);
    let cursor = first["cursor"].as_str().expect("there is more");
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_.~-".contains(&byte);
    assert!(cursor.bytes().all(safe), "{cursor}");
    let second = listed(
        &rig,
        &format!("limit=2&task_filter=current&cursor={cursor}"),
    )
    .await;
    assert_eq!(titles(&second), ["2", "1"]);
    assert_eq!(second["cursor"], Value::Null, "there is no more");
    let app = app["id"].as_str().expect("an id");
    let filtered = listed(
        &rig,
        &format!("limit=2&task_filter=current&environment_id={app}"),
    )
    .await;
    assert_eq!(titles(&filtered), ["4", "3]0;x"]);
    let cursor = filtered["cursor"].as_str().expect("there is more");
    let rest = format!("limit=2&task_filter=current&cursor={cursor}&environment_id={app}");
    assert_eq!(titles(&listed(&rig, &rest).await), ["1"]);
    assert_eq!(
        titles(&listed(&rig, "environment_id=site&cursor=").await),
        ["2"]
    );
}

/// The status of the only task, in the list and in its details, and that of its first attempt.
async fn status(rig: &Rig, id: &str) -> [Value; 3] {
    let list = listed(rig, "").await;
    let details = details(rig, id).await;
    let of = |row: &Value| {
        row["task_status_display"]["latest_turn_status_display"]["turn_status"].clone()
    };
    [
        of(&list["items"][0]),
        of(&details["task"]),
        details["current_assistant_turn"]["turn_status"].clone(),
    ]
}

#[tokio::test]
async fn a_task_is_shown_through_its_life() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    let environment = rig.environment("app", &path).await;
    let id = submit(&rig, "app", 1).await;
    assert_eq!(status(&rig, &id).await, ["pending"; 3]);
    let pending = details(&rig, &id).await;
    let waits = &pending["current_assistant_turn"]["output_items"];
    assert_eq!(
        waits[0]["content"][0]["text"],
        "Waiting: No worker is connected; start one with `outwork worker`."
    );
    assert_eq!(pending["current_diff_task_turn"], Value::Null);
    assert_eq!(
        pending["task"]["task_status_display"]["latest_turn_status_display"]["diff_stats"],
        Value::Null
    );

    let worker = Worker::register(&rig, "w").await;
    let claim = worker.take().await;
    worker.step(&claim, "preparing").await.expect(200);
    assert_eq!(status(&rig, &id).await, ["in_progress"; 3]);
    worker.upload(&claim, "diff", DIFF).await.expect(204);
    let result = json!({"outcome": {"result": "succeeded"}, "has_session": false, "last_seq": 0, "message": "Done.\u{1b}[2J\nReally.",
        "diffs": [size("repository", 1)]});
    worker.finish(&claim, result).await.expect(204);
    assert_eq!(status(&rig, &id).await, ["completed"; 3]);

    let attempt = claim.attempt.clone();
    let seconds = 1_795_186_420.0;
    let row = json!({"id": id, "title": "do it", "has_generated_title": true, "archived": false, "has_unread_turn": false,
        "created_at": seconds, "updated_at": seconds, "environment_id": environment["id"], "pull_requests": [],
        "task_status_display": {"environment_label": "app", "latest_turn_status_display": {"turn_status": "completed",
            "diff_stats": {"files_modified": 1, "lines_added": 1, "lines_removed": 1}, "sibling_turn_ids": []}}});
    assert_eq!(
        listed(&rig, "").await,
        json!({"items": [row], "cursor": null})
    );
    let mut whole = details(&rig, &id).await;
    let user = whole["current_user_turn"]["id"].take();
    assert!(user.as_str().expect("an id").starts_with("turn_"));
    assert_eq!(
        whole,
        json!({"task": row,
        "current_user_turn": {"id": null, "input_items": [message("user", "do it\n")]},
        "current_assistant_turn": {"id": attempt, "turn_status": "completed", "attempt_placement": 0, "created_at": seconds,
            "sibling_turn_ids": [], "worklog": null, "error": null, "output_items": [message("assistant", "Done.[2J\nReally.")]},
        "current_diff_task_turn": {"id": attempt, "output_items": [{"type": "pr", "output_diff": {"diff": DIFF}}]}})
    );
    for style in STYLES {
        let path = format!("{style}/tasks/{id}/turns/{attempt}/sibling_turns");
        assert_eq!(rig.get(&path).await, json!({"sibling_turns": []}));
    }
}

fn message(role: &str, text: &str) -> Value {
    json!({"type": "message", "role": role, "content": [{"content_type": "text", "text": text}]})
}

#[tokio::test]
async fn what_went_wrong_is_said_as_a_message() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let worker = Worker::register(&rig, "w").await;
    let id = submit(&rig, "app", 1).await;
    let claim = worker.take().await;
    worker.fail(&claim, "agent_failed").await;
    assert_eq!(status(&rig, &id).await, ["failed"; 3]);
    let turn = details(&rig, &id).await["current_assistant_turn"].clone();
    assert_eq!(
        turn["error"],
        json!({"code": "agent_failed", "message": "it failed"})
    );
    let said = turn["output_items"][0]["content"][0]["text"]
        .as_str()
        .expect("a text");
    assert!(said.starts_with("The attempt failed: it failed"), "{said}");

    let id = submit(&rig, "app", 1).await;
    let cancelled = rig
        .user()
        .post(&format!("/api/v1/tasks/{id}/cancel"), &json!({}))
        .await;
    cancelled.expect(200);
    assert_eq!(status(&rig, &id).await, ["cancelled"; 3]);
}

#[tokio::test]
async fn attempts_are_siblings_and_the_one_that_stands_for_the_task_is_first() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let worker = Worker::register(&rig, "w").await;
    let id = submit(&rig, "app", 4).await;
    let mut claims = worker.acquire(4, 10_000).await;
    claims.sort_by_key(|claim| claim.assignment["attempt_number"].as_i64());
    let task = rig.get(&format!("/api/v1/tasks/{id}")).await;
    let attempts = task["turns"][0]["attempts"].as_array().expect("a list");
    let id_of = |number: usize| {
        attempts[number - 1]["id"]
            .as_str()
            .expect("an id")
            .to_owned()
    };
    for claim in &claims {
        match claim.attempt {
            ref attempt if *attempt == id_of(1) => worker.fail(claim, "agent_failed").await,
            ref attempt if *attempt == id_of(4) => {}
            _ => {
                worker
                    .succeed(claim, &DIFF.replace("three", &claim.attempt))
                    .await
            }
        }
    }
    let whole = details(&rig, &id).await;
    let turn = &whole["current_assistant_turn"];
    assert_eq!(turn["id"], id_of(2), "the first that succeeded");
    assert_eq!(turn["attempt_placement"], 0);
    assert_eq!(
        turn["sibling_turn_ids"],
        json!([id_of(1), id_of(3), id_of(4)])
    );
    let display = &whole["task"]["task_status_display"]["latest_turn_status_display"];
    assert_eq!(display["sibling_turn_ids"], turn["sibling_turn_ids"]);
    assert_eq!(display["turn_status"], "in_progress", "one is left");
    let diff = &whole["current_diff_task_turn"]["output_items"][0]["output_diff"]["diff"];
    assert_eq!(*diff, DIFF.replace("three", &id_of(2)));

    let path = |turn: &str| format!("/backend-api/wham/tasks/{id}/turns/{turn}/sibling_turns");
    let siblings = rig.get(&path(&id_of(2))).await;
    let siblings = siblings["sibling_turns"].as_array().expect("a list");
    let brief = |turn: &Value| {
        let items = turn["output_items"].as_array().expect("a list");
        let kinds: Vec<Value> = items.iter().map(|item| item["type"].clone()).collect();
        json!([
            turn["id"],
            turn["attempt_placement"],
            turn["turn_status"],
            kinds
        ])
    };
    let shown: Vec<Value> = siblings.iter().map(brief).collect();
    let expected = [
        json!([id_of(1), 1, "failed", ["message"]]),
        json!([id_of(3), 2, "completed", ["pr"]]),
        json!([id_of(4), 3, "in_progress", []]),
    ];
    assert_eq!(shown, expected);
    let diff = &siblings[1]["output_items"][0]["output_diff"]["diff"];
    assert_eq!(*diff, DIFF.replace("three", &id_of(3)));
    for (turn, status) in [
        (id_of(4), 200),
        ("nonsense".to_owned(), 404),
        (format!("att_{:032}", 1), 404),
    ] {
        rig.user().get(&path(&turn)).await.expect(status);
    }
}

#[tokio::test]
async fn a_diff_that_json_cannot_carry_is_left_out_and_said() {
    let rig = Rig::start().await;
    let path = repository::make(rig.directory.path());
    rig.environment("app", &path).await;
    let worker = Worker::register(&rig, "w").await;
    let id = submit(&rig, "app", 1).await;
    let claim = worker.take().await;
    let bytes = DIFF.replace("three", "\u{e9}").into_bytes();
    let latin: Vec<u8> = bytes.into_iter().filter(|byte| *byte != 0xc3).collect();
    let address = format!(
        "/api/worker/v1/attempts/{}/objects/diff?epoch={}",
        claim.attempt, claim.epoch
    );
    worker
        .client
        .bytes(reqwest::Method::PUT, &address, latin)
        .await
        .expect(204);
    let result = json!({"outcome": {"result": "succeeded"}, "has_session": false, "last_seq": 0, "diffs": [size("repository", 1)]});
    worker.finish(&claim, result).await.expect(204);
    let whole = details(&rig, &id).await;
    assert_eq!(whole["current_diff_task_turn"], Value::Null);
    let said = &whole["current_assistant_turn"]["output_items"][0]["content"][0]["text"];
    assert!(
        said.as_str()
            .expect("a text")
            .contains(&format!("outwork apply {id}")),
        "{said}"
    );
}
