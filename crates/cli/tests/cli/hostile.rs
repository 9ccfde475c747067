//! A server, a repository and an agent whose every text attacks the terminal that it is shown on.

use std::collections::BTreeMap;

use outwork_api::problem::{Code, Problem};
use outwork_cli::{Check, CheckResult, ExitStatus};
use serde_json::{Value, json};

use crate::harness::{Ran, Setup};
use crate::server::{ATTEMPT, Server, TASK, World, environment_json, log, task_json};

/// A window title, the clipboard, the cursor, colours, a link, a device control string; control
/// characters of one byte and of two; text that is turned around, and text that takes no room.
const ATTACK: &str = "a\u{1b}]0;title\u{7}\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}[2J\u{1b}[31m\
    \u{1b}]8;;http://evil\u{1b}\\\u{1b}Pq#0\u{1b}\\\u{9b}2J\u{9d}52;c;ZXZpbA==\u{9c}\u{85}\u{8}\u{7f}\
    \u{202e}gnp.exe\u{2066}\u{200b}\u{e0041}\rb";

const ENVIRONMENT: &str = "env_0192c3f0a1b27def8123456789abcde1";

fn environment() -> Value {
    let mut environment = environment_json(ENVIRONMENT, ATTACK, ATTACK);
    let fields = json!({"branch": ATTACK, "agent": {"name": "command", "command": ATTACK},
        "further_repositories": [{"name": ATTACK, "url": ATTACK, "branch": ATTACK}],
        "base_image": ATTACK, "runtimes": {ATTACK: ATTACK}, "setup_script": ATTACK,
        "maintenance_script": ATTACK, "verify_command": ATTACK, "variables": {ATTACK: ATTACK},
        "secrets": [{"name": ATTACK, "updated_at": "2026-11-20T14:00:00.000Z"}],
        "network": {"mode": "on", "allow": [ATTACK]},
        "injections": [{"host": ATTACK, "header": ATTACK, "updated_at": "2026-11-20T14:00:00.000Z"}]});
    let all = environment.as_object_mut().expect("an object");
    all.extend(fields.as_object().expect("an object").clone());
    environment
}

fn task() -> Value {
    let mut task = task_json(TASK, ATTACK, "failed", Some(ATTACK), &["failed"]);
    for field in ["url", "environment_label", "branch", "commit"] {
        task[field] = json!(ATTACK);
    }
    let repository = json!({"name": ATTACK, "url": ATTACK, "branch": ATTACK, "commit": ATTACK});
    task["further_repositories"] = json!([repository]);
    let attempt = &mut task["turns"][0]["attempts"][0];
    attempt["isolation"] = json!(ATTACK);
    attempt["message"] = json!(ATTACK);
    attempt["failure"] = json!({"code": ATTACK, "message": ATTACK, "hint": ATTACK});
    let diff = |name: &str| json!({"repository": name, "files_changed": 1, "lines_added": 1, "lines_removed": 1});
    attempt["diffs"] = json!([diff("engine"), diff(ATTACK)]);
    task
}

fn world() -> World {
    let worker = json!({"id": ATTACK, "name": ATTACK, "slots": 1, "agents": [ATTACK], "online": true, "state": "online",
        "isolation": ATTACK, "seen_at": "2026-11-20T14:54:00.000Z", "attempts": []});
    let snapshot = json!({"key": ATTACK, "environment_id": ENVIRONMENT, "environment_label": ATTACK,
        "worker": ATTACK, "worker_name": ATTACK, "reason": ATTACK,
        "built_at": "2026-11-20T14:00:00.000Z", "last_used_at": "2026-11-20T14:00:00.000Z",
        "size_bytes": 1, "hits": 1, "in_use": 0});
    let uses =
        json!({"environment_id": ENVIRONMENT, "environment_label": ATTACK, "hits": 1, "builds": 1});
    let events = [
        json!({"type": "message", "text": ATTACK}),
        json!({"type": "output", "stream": ATTACK, "text": ATTACK}),
        json!({"type": "network_request", "host": ATTACK, "port": 1, "method": ATTACK, "path": ATTACK,
            "verdict": "refused", "code": ATTACK, "reason": ATTACK, "rule": ATTACK, "hint": ATTACK}),
        json!({"type": "limit_hit", "limit": ATTACK, "message": ATTACK}),
        json!({"type": "state", "state": "failed",
            "failure": {"code": ATTACK, "message": ATTACK, "hint": ATTACK}}),
    ];
    World {
        environments: vec![environment()],
        tasks: vec![task()],
        events: BTreeMap::from([(ATTEMPT.to_owned(), log(&events))]),
        diff: format!("diff --git a/{ATTACK} b/{ATTACK}\n+{ATTACK}\n").into_bytes(),
        model: Some(
            json!({"base_url": ATTACK, "name": ATTACK, "has_api_key": true,
            "context_window": 1, "updated_at": "2026-11-20T14:00:00.000Z"}),
        ),
        workers: Some(json!([worker])),
        cache: Some(json!({"snapshots": [snapshot], "environments": [uses]})),
        credentials: vec![
            json!({"id": ATTACK, "scope": ATTACK, "kind": ATTACK, "username": ATTACK,
            "updated_at": "2026-11-20T14:00:00.000Z"}),
        ],
        ..World::default()
    }
}

/// What a terminal would act on, or not show.
fn acts(c: char) -> bool {
    let is_between = |c: char| c == '\n' || c == '\t';
    (c.is_control() && !is_between(c))
        || matches!(c, '\u{200b}' | '\u{202e}' | '\u{2066}' | '\u{e0041}')
}

#[track_caller]
fn is_harmless(ran: &Ran, arguments: &[&str]) {
    for text in [&ran.stdout, &ran.stderr] {
        let bad: Vec<char> = text.chars().filter(|&c| acts(c)).collect();
        assert!(bad.is_empty(), "{arguments:?}: {bad:?} in {text:?}");
    }
}

fn setup(server: &Server) -> Setup {
    // Our own colours are escape sequences, too.
    Setup::new(server).var("NO_COLOR", "1")
}

const READING: [&[&str]; 14] = [
    &["list"],
    &["status", TASK],
    &["log", TASK, "--verbose"],
    &["diff", TASK],
    &["cancel", TASK],
    &["env", "list"],
    &["env", "show", ENVIRONMENT],
    &["env", "secret", "list", ENVIRONMENT],
    &["env", "cache", "list"],
    &["env", "edit", ENVIRONMENT, "--timeout", "1h"],
    &["credential", "list"],
    &["model", "show"],
    &["workers"],
    &["env", "rm", ENVIRONMENT],
];

#[tokio::test]
async fn what_is_shown_does_not_drive_the_terminal() {
    for is_terminal in [true, false] {
        let server = Server::start(world()).await;
        for arguments in READING {
            let setup = setup(&server);
            let ran = match is_terminal {
                true => setup.terminal().run(arguments).await,
                // The exact diff is for `git apply`.
                false if arguments[0] == "diff" => continue,
                false => setup.run(arguments).await,
            };
            assert_eq!(ran.status, ExitStatus::Ok, "{arguments:?}: {ran:#?}");
            is_harmless(&ran, arguments);
            // What would go to the clipboard is not even text.
            let all = format!("{}{}", ran.stdout, ran.stderr);
            assert!(!all.contains("52;c;"), "{arguments:?}: {all}");
        }
    }
}

#[tokio::test]
async fn json_is_exact_and_harmless() {
    let server = Server::start(world()).await;
    for (arguments, pointer) in [
        (&["list"][..], "/tasks/0/title"),
        (&["status", TASK], "/turns/0/attempts/0/isolation"),
        (&["log", TASK], "/failure/message"),
        (&["env", "list"], "/environments/0/label"),
        (&["env", "show", ENVIRONMENT], "/injections/0/host"),
        (&["env", "cache", "list"], "/snapshots/0/reason"),
        (&["credential", "list"], "/credentials/0/scope"),
        (&["model", "show"], "/name"),
        (&["workers"], "/workers/0/name"),
    ] {
        let arguments = [arguments, &["--json"]].concat();
        let ran = setup(&server).terminal().run(&arguments).await;
        let ran = ran.expect(ExitStatus::Ok);
        is_harmless(&ran, &arguments);
        let json = ran.json();
        assert_eq!(json.pointer(pointer), Some(&json!(ATTACK)), "{json:#}");
    }
}

#[tokio::test]
async fn errors_and_checks_do_not_drive_the_terminal() {
    let mut problem = Problem::new(Code::Unprocessable, ATTACK);
    problem.hint = Some(ATTACK.to_owned());
    problem = problem.with_field(ATTACK, ATTACK);
    let world = World {
        refusal: Some(problem),
        ..world()
    };
    let server = Server::start(world).await;
    for arguments in [
        &["list"][..],
        &["list", "--json"],
        &["status", TASK],
        &["env", "edit", ENVIRONMENT, "--timeout", "1h", "--json"],
    ] {
        let ran = setup(&server).terminal().run(arguments).await;
        let ran = ran.expect(ExitStatus::Failed);
        is_harmless(&ran, arguments);
        assert!(ran.stderr.contains("gnp.exe"), "{ran:#?}");
    }
    let mut setup = setup(&server).terminal();
    setup.checks = vec![Check {
        name: ATTACK.to_owned(),
        result: CheckResult::failed(ATTACK, ATTACK),
    }];
    let ran = setup.run(&["doctor"]).await.expect(ExitStatus::Failed);
    is_harmless(&ran, &["doctor"]);
    assert!(ran.stdout.contains("gnp.exe"), "{ran:#?}");
}
