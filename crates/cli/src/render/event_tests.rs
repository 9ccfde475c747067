//! Every kind of event as it is shown.

use serde_json::json;

use super::*;

fn lines(bodies: &[serde_json::Value]) -> String {
    let mut renderer = EventLines::new(Style::PLAIN, "", Detail::Usual);
    let mut lines = Vec::new();
    for (number, body) in bodies.iter().enumerate() {
        let mut event = body.clone();
        event["seq"] = json!(number + 1);
        event["epoch"] = json!(1);
        event["at"] = json!(format!("2026-11-20T14:00:{:02}.500Z", number));
        let event: Event = serde_json::from_value(event).expect("an event");
        lines.extend(renderer.push(&event));
    }
    lines.join("\n")
}

#[test]
fn every_kind_has_its_lines() {
    let shown = lines(&[
        json!({"type": "state", "state": "queued"}),
        json!({"type": "state", "state": "leased", "worker": "wkr_1"}),
        json!({"type": "step_started", "step": "checkout"}),
        json!({"type": "step_finished", "step": "checkout", "duration_ms": 120, "detail": "warm mirror"}),
        json!({"type": "step_finished", "step": "setup", "duration_ms": 65_000}),
        json!({"type": "output", "stream": "stdout", "text": "one\ntw"}),
        json!({"type": "output", "stream": "stdout", "text": "o\nthr"}),
        json!({"type": "output", "stream": "stderr", "text": "oops\n"}),
        json!({"type": "session", "thread_id": "th-1", "resumed": false}),
        json!({"type": "session", "thread_id": "th-1", "resumed": true}),
        json!({"type": "model_call_started", "number": 1}),
        json!({"type": "model_call_finished", "number": 1, "status": 200, "duration_ms": 1500,
            "tokens": {"input": 900, "cached_input": 300, "output": 20, "reasoning": 5, "uncounted_calls": 0}}),
        json!({"type": "model_call_finished", "number": 2, "duration_ms": 9}),
        json!({"type": "reasoning", "text": "first this\nthen that"}),
        json!({"type": "plan", "entries": [{"text": "look", "status": "completed"},
            {"text": "edit", "status": "in_progress"}, {"text": "test", "status": "pending"}]}),
        json!({"type": "command_started", "id": "c1", "command": "cargo test"}),
        json!({"type": "command_output", "id": "c1", "text": "running\n1 passed"}),
        json!({"type": "command_finished", "id": "c1", "exit_code": 0, "duration_ms": 2100}),
        json!({"type": "command_finished", "id": "c2"}),
        json!({"type": "file_changed", "path": "src/a b.rs", "kind": "update"}),
        json!({"type": "file_changed", "path": "new", "kind": "add"}),
        json!({"type": "message_delta", "text": "All "}),
        json!({"type": "message_delta", "text": "done.\nReally."}),
        json!({"type": "message", "text": "All done.\nReally."}),
        json!({"type": "message", "text": "A second message,\nwhole."}),
        json!({"type": "retrying", "message": "stream broke"}),
        json!({"type": "warning", "message": "no AGENTS.md"}),
        json!({"type": "diff_ready", "summary": {"files_changed": 2, "lines_added": 3, "lines_removed": 1},
            "size_bytes": 812}),
        json!({"type": "diff_ready", "repository": "docs",
            "summary": {"files_changed": 1, "lines_added": 1, "lines_removed": 0}, "size_bytes": 99}),
        json!({"type": "cancel_requested"}),
        json!({"type": "worker_lost", "worker": "wkr_1", "tries": 2}),
        json!({"type": "from_the_future", "x": {"y": 1}}),
        json!({"type": "state", "state": "failed", "failure": {"code": "setup_failed",
            "message": "the setup script ended with 3", "hint": "see its output above"}}),
    ]);
    insta::assert_snapshot!(shown);
}

#[test]
fn a_snapshot_is_cold_or_cached_and_says_why() {
    let key = "3f".repeat(32);
    let shown = lines(&[
        json!({"type": "snapshot", "key": key, "state": "cached", "age_seconds": 7300,
            "size_bytes": 1_023_456_789, "reason": "first time"}),
        json!({"type": "snapshot", "key": key, "state": "broken", "reason": "Its checkout is damaged."}),
        json!({"type": "snapshot", "key": key, "state": "waiting", "reason": "attempt att_1 builds it"}),
        json!({"type": "snapshot", "key": key, "state": "building", "reason": "the setup script changed"}),
        json!({"type": "step_started", "step": "image"}),
        json!({"type": "step_finished", "step": "image", "duration_ms": 2100, "detail": "debian:12"}),
        json!({"type": "step_started", "step": "setup"}),
        json!({"type": "network_request", "host": "packages.example.com", "port": 443,
            "method": "CONNECT", "verdict": "allowed"}),
        json!({"type": "network_request", "host": "169.254.169.254", "port": 80, "method": "GET",
            "path": "/latest", "verdict": "refused", "code": "private_address",
            "reason": "It is an address of this network."}),
        json!({"type": "network_request", "host": "h", "port": 22, "verdict": "refused"}),
        json!({"type": "network_request", "host": "h", "port": 22, "verdict": "refused",
            "rule": "address: private"}),
        json!({"type": "step_finished", "step": "setup", "duration_ms": 41_000, "detail": "exit code 0"}),
        json!({"type": "snapshot", "key": key, "state": "built", "age_seconds": 0,
            "size_bytes": 1_023_456_789, "reason": "the setup script changed"}),
        json!({"type": "step_started", "step": "maintenance"}),
        json!({"type": "state", "state": "failed", "failure": {"code": "maintenance_failed",
            "message": "The maintenance script ended with exit code 3:\nnpm: not found",
            "hint": "Change it with `outwork env edit web --maintenance FILE`."}}),
    ]);
    insta::assert_snapshot!(shown);
}

#[test]
fn what_went_well_is_a_detail() {
    let allowed = json!({"seq": 1, "at": "2026-11-20T14:00:00.000Z", "epoch": 1, "type": "network_request",
        "host": "packages.example.com", "port": 443, "method": "GET", "path": "/a", "verdict": "allowed"});
    let event: Event = serde_json::from_value(allowed).expect("an event");
    let shown = |detail| EventLines::new(Style::PLAIN, "", detail).push(&event);
    assert_eq!(shown(Detail::Usual), Vec::<String>::new());
    assert_eq!(
        shown(Detail::All),
        ["  0.0s  network: allowed GET packages.example.com:443/a"]
    );
}

#[test]
fn what_is_blocked_says_once_how_it_can_be_allowed() {
    let blocked = |host: &str, path: &str| {
        json!({"type": "network_request", "host": host, "port": 443, "method": "POST", "path": path,
            "verdict": "refused", "code": "blocked-by-allowlist",
            "reason": "The environment does not allow this host.", "rule": "allow: none of 2",
            "hint": format!("Allow it with `outwork env edit web --allow {host}`.")})
    };
    let shown = lines(&[
        blocked("a.example", "/1"),
        blocked("a.example", "/2"),
        blocked("b.example", "/1"),
        json!({"type": "network_request", "host": "a.example", "port": 443, "method": "DELETE", "path": "/",
            "verdict": "refused", "code": "blocked-by-method-policy", "rule": "methods: read_only"}),
        json!({"type": "limit_hit", "limit": "memory",
            "message": "Out of memory at 2.0 GiB in `npm test`; the attempt goes on."}),
    ]);
    insta::assert_snapshot!(shown);
}

#[test]
fn agents_do_not_drive_the_terminal() {
    let attack = "\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}[2J\u{202e}x\u{7}";
    let shown = lines(&[
        json!({"type": "message", "text": attack}),
        json!({"type": "message_delta", "text": "\u{1b}]0;a"}),
        json!({"type": "message_delta", "text": "b\u{7}c\n"}),
        json!({"type": "command_started", "id": "c", "command": attack}),
        json!({"type": "command_output", "id": "c", "text": format!("{attack}\n")}),
        json!({"type": "output", "stream": attack, "text": format!("{attack}\n")}),
        json!({"type": "file_changed", "path": attack, "kind": attack}),
        json!({"type": "plan", "entries": [{"text": attack, "status": attack}]}),
        json!({"type": "reasoning", "text": attack}),
        json!({"type": "session", "thread_id": attack, "resumed": true}),
        json!({"type": "warning", "message": attack}),
        json!({"type": "retrying", "message": attack}),
        json!({"type": "step_started", "step": attack}),
        json!({"type": "step_finished", "step": attack, "duration_ms": 1, "detail": attack}),
        json!({"type": "worker_lost", "worker": attack, "tries": 1}),
        json!({"type": "snapshot", "key": attack, "state": attack, "reason": attack}),
        json!({"type": "network_request", "host": attack, "port": 1, "method": attack, "path": attack,
            "verdict": attack, "code": attack, "reason": attack, "rule": attack, "hint": attack}),
        json!({"type": "limit_hit", "limit": attack, "message": attack}),
        json!({"type": "diff_ready", "repository": attack, "size_bytes": 1,
            "summary": {"files_changed": 1, "lines_added": 1, "lines_removed": 0}}),
        json!({"type": "state", "state": attack, "worker": attack,
            "failure": {"code": attack, "message": attack, "hint": attack}}),
    ]);
    let bad: Vec<char> = shown
        .chars()
        .filter(|&c| (c.is_control() && c != '\n') || c == '\u{202e}')
        .collect();
    assert_eq!(bad, Vec::<char>::new(), "{shown:?}");
    assert!(!shown.contains("ZXZpbA"), "{shown}");
}

#[test]
fn lines_of_several_attempts_are_told_apart_and_coloured() {
    let mut renderer = EventLines::new(
        Style::choose(
            crate::args::Color::Always,
            &crate::config::Variables::default(),
            false,
        ),
        "[2] ",
        Detail::Usual,
    );
    let event = serde_json::from_value(
        json!({"seq": 1, "at": "2026-11-20T14:00:00.000Z", "epoch": 1,
        "type": "state", "state": "succeeded"}),
    );
    assert_eq!(
        renderer.push(&event.expect("an event")),
        ["[2] \u{1b}[2m  0.0s\u{1b}[0m  \u{1b}[32msucceeded\u{1b}[0m"]
    );
}
