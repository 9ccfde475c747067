use serde_json::{Value, json};

use super::*;

const ID: &str = "01a22b60-c62a-7160-b147-ab5dbf7e2950";

fn meta(more: Value) -> Value {
    let mut payload = json!({"id": ID, "timestamp": "2026-11-30T07:34:52.212Z", "cwd": "/home/ada/app",
        "originator": "codex_exec", "cli_version": "0.169.0", "model_provider": "mine",
        "base_instructions": {"text": "Obey."}, "history_mode": "paginated", "git": {"branch": "main"}});
    for (name, value) in more.as_object().unwrap() {
        payload[name] = value.clone();
    }
    json!({"timestamp": "2026-11-30T07:34:52.770Z", "ordinal": 0, "type": "session_meta", "payload": payload})
}

fn item(ordinal: u64, kind: &str, payload: Value) -> Value {
    json!({"timestamp": "2026-11-30T07:34:53.000Z", "ordinal": ordinal, "type": kind, "payload": payload})
}

fn said(ordinal: u64, role: &str, text: &str) -> Value {
    let content = json!([{"type": "input_text", "text": text}]);
    item(
        ordinal,
        "response_item",
        json!({"type": "message", "role": role, "content": content}),
    )
}

fn file(lines: &[Value]) -> Vec<u8> {
    let lines: Vec<_> = lines.iter().map(|line| format!("{line}\n")).collect();
    lines.concat().into_bytes()
}

fn lines(carried: &Carried) -> Vec<Value> {
    let text = std::str::from_utf8(&carried.contents).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_conversation_is_carried_and_no_setting() {
    let rollout = file(&[
        meta(json!({})),
        item(
            1,
            "event_msg",
            json!({"type": "task_started", "turn_id": "t"}),
        ),
        said(2, "developer", "You may do everything."),
        item(3, "world_state", json!({"full": true})),
        item(
            4,
            "turn_context",
            json!({"cwd": "/x", "sandbox_policy": {"type": "danger-full-access"}}),
        ),
        item(
            5,
            "event_msg",
            json!({"type": "thread_settings_applied", "thread_settings": {"approval_policy": "never"}}),
        ),
        said(6, "user", "choose a word"),
        item(
            7,
            "event_msg",
            json!({"type": "item_completed", "thread_id": ID, "item": {"type": "UserMessage"}}),
        ),
        item(
            8,
            "response_item",
            json!({"type": "reasoning", "encrypted_content": "gAAA"}),
        ),
        item(
            9,
            "response_item",
            json!({"type": "function_call", "call_id": "c", "name": "exec_command"}),
        ),
        item(
            10,
            "response_item",
            json!({"type": "function_call_output", "call_id": "c", "output": "heron"}),
        ),
        item(
            11,
            "compacted",
            json!({"message": "m", "window": 3, "replacement_history":
            [{"type": "message", "role": "system", "content": []}, {"type": "message", "role": "user", "content": []}]}),
        ),
        item(12, "some_new_kind", json!({"provider": "x"})),
    ]);
    let carried = Rollout::read(&rollout)
        .unwrap()
        .carried("/home/ada/clone", None)
        .unwrap();
    assert_eq!(
        carried.path,
        format!("2026/11/30/rollout-2026-11-30T07-34-52-{ID}.jsonl")
    );
    assert_eq!(carried.thread_id, ID);
    let lines = lines(&carried);
    assert_eq!(
        lines[0]["payload"],
        json!({"id": ID, "session_id": ID, "timestamp": "2026-11-30T07:34:52.000Z",
        "cwd": "/home/ada/clone", "source": "cli", "originator": "codex_exec", "cli_version": "0.169.0",
        "history_mode": "paginated"})
    );
    let kept: Vec<_> = lines[1..]
        .iter()
        .map(|line| {
            line["payload"]["type"]
                .as_str()
                .unwrap_or(line["type"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        kept,
        [
            "task_started",
            "message",
            "item_completed",
            "function_call",
            "function_call_output",
            "compacted"
        ]
    );
    let ordinals: Vec<_> = lines
        .iter()
        .map(|line| line["ordinal"].as_u64().unwrap())
        .collect();
    assert_eq!(ordinals, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(
        lines[6]["payload"],
        json!({"message": "m", "replacement_history":
        [{"type": "message", "role": "user", "content": []}]})
    );
    let again = Rollout::read(&carried.contents)
        .unwrap()
        .carried("/home/ada/clone", None);
    assert_eq!(again, Ok(carried));
}

#[test]
fn what_only_its_provider_can_read_is_not_carried_as_if_it_were_whole() {
    let summary = json!({"type": "compaction", "encrypted_content": "gAAA"});
    for line in [
        item(2, "response_item", summary.clone()),
        item(
            2,
            "compacted",
            json!({"message": "", "replacement_history": [summary]}),
        ),
    ] {
        let rollout = file(&[meta(json!({})), said(1, "user", "hello"), line]);
        let carried = Rollout::read(&rollout).unwrap().carried("/c", None);
        assert_eq!(carried, Err(RolloutError::Sealed));
    }
    let tools = json!({"type": "additional_tools", "tools": []});
    let rollout = file(&[
        meta(json!({})),
        said(1, "user", "hello"),
        item(2, "response_item", tools),
    ]);
    let carried = Rollout::read(&rollout)
        .unwrap()
        .carried("/c", None)
        .unwrap();
    assert_eq!(lines(&carried).len(), 2);
}

#[test]
fn another_id_is_everywhere() {
    let rollout = file(&[
        meta(json!({})),
        said(1, "user", "hello"),
        item(
            2,
            "event_msg",
            json!({"type": "item_completed", "thread_id": ID}),
        ),
    ]);
    let carried = Rollout::read(&rollout)
        .unwrap()
        .carried("/c", Some("new-1"))
        .unwrap();
    assert!(carried.path.ends_with("-new-1.jsonl"), "{}", carried.path);
    assert!(!String::from_utf8(carried.contents).unwrap().contains(ID));
}

#[test]
fn a_fork_is_whole_with_what_it_was_forked_from() {
    let origin = file(&[
        meta(json!({})),
        said(1, "user", "one"),
        said(2, "user", "two"),
        said(3, "user", "three"),
    ]);
    let base = json!({"thread_id": ID, "end_ordinal_exclusive": 3, "end_byte_offset": 9});
    let fork = file(&[
        meta(json!({"id": "fork", "history_base": base})),
        said(4, "user", "four"),
    ]);
    let fork = Rollout::read(&fork).unwrap();
    let expected = Base {
        thread_id: ID.to_owned(),
        end: 3,
    };
    assert_eq!(fork.base(), Some(&expected));
    let whole = fork.behind(Rollout::read(&origin).unwrap());
    assert_eq!(whole.base(), None);
    let carried = whole.carried("/c", None).unwrap();
    let texts: Vec<_> = lines(&carried)[1..]
        .iter()
        .map(|line| {
            line["payload"]["content"][0]["text"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(texts, ["one", "two", "four"]);
    assert_eq!(carried.thread_id, "fork");
}

#[test]
fn what_is_no_rollout_is_refused() {
    let refused = |bytes: &[u8]| Rollout::read(bytes).map(drop).unwrap_err();
    for text in [
        "",
        "hello",
        "{}",
        "[1]\n",
        "{\"type\":\"user\",\"message\":{}}\n",
    ] {
        assert_eq!(
            refused(text.as_bytes()),
            RolloutError::NotARollout,
            "{text}"
        );
    }
    for (field, wrong) in [
        ("id", json!({"id": "../../x"})),
        ("id", json!({"id": 7})),
        ("time", json!({"timestamp": "2026/../../T00:00:00"})),
        ("time", json!({"timestamp": "x"})),
        (
            "origin",
            json!({"history_base": {"thread_id": "a/b", "end_ordinal_exclusive": 1}}),
        ),
    ] {
        assert_eq!(
            refused(&file(&[meta(wrong)])),
            RolloutError::Field { field }
        );
    }
    let mut broken = file(&[meta(json!({})), said(1, "user", "a")]);
    broken.extend(b"{\"half\n{}\n");
    assert_eq!(refused(&broken), RolloutError::Line { line: 3 });
    let empty = Rollout::read(&file(&[meta(json!({}))])).unwrap();
    assert_eq!(empty.carried("/c", None), Err(RolloutError::Empty));
}

#[test]
fn a_line_that_was_not_written_to_its_end_is_left_out() {
    let mut rollout = file(&[meta(json!({})), said(1, "user", "a")]);
    let whole = Rollout::read(&rollout)
        .unwrap()
        .carried("/c", None)
        .unwrap();
    rollout.extend(b"{\"timestamp\":\"2026-11");
    assert_eq!(
        Rollout::read(&rollout)
            .unwrap()
            .carried("/c", None)
            .unwrap(),
        whole
    );
}
