//! `list`, `status`, `log`, `diff`, `workers`, `cancel`, and how tasks are named.

use outwork_cli::ExitStatus;
use serde_json::{Value, json};

use crate::harness::Setup;
use crate::server::{Server, TASK, World, task_json, world};

const ATTACK: &str = "\u{1b}]0;owned\u{7}\u{1b}[2Jx\u{7}\ty\nz";

fn tasks() -> World {
    let mut knows = world("completed", Some("succeeded"), "succeeded");
    for (index, (status, outcome)) in [
        ("running", None),
        ("failed", Some("cancelled")),
        ("pending", None),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("task_0192c3f0a1b27def8123456789abcd{index:02}");
        knows
            .tasks
            .push(task_json(&id, ATTACK, status, outcome, &["queued"]));
    }
    knows
}

fn is_safe(text: &str) -> bool {
    !text
        .chars()
        .any(|c| c.is_control() && c != '\n' && c != '\t')
}

#[tokio::test]
async fn a_list_is_a_table_on_a_terminal_and_tabs_in_a_pipe() {
    let server = Server::start(tasks()).await;
    let ran = Setup::new(&server)
        .run(&["list"])
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(
        ran.stdout,
        "task_0192c3f0a1b27def8123456789abcdef\tcompleted\tdemo\t2026-11-20T14:54:00.000Z\t1 file, +2 -0\tfix it\n\
         task_0192c3f0a1b27def8123456789abcd00\trunning\tdemo\t2026-11-20T14:54:00.000Z\t1 file, +2 -0\tx\\u{7} y z\n"
    );
    assert_eq!(ran.stderr, "");
    let ran = Setup::new(&server)
        .terminal()
        .var("NO_COLOR", "1")
        .run(&["list", "--cursor", "2"])
        .await;
    let ran = ran.expect(ExitStatus::Ok);
    insta::assert_snapshot!(ran.stdout);
    let ran = Setup::new(&server)
        .terminal()
        .run(&["list"])
        .await
        .expect(ExitStatus::Ok);
    assert!(ran.stdout.starts_with("\u{1b}[1mID"), "{:?}", ran.stdout);
    assert_eq!(ran.stderr, "there are more; go on with --cursor 2\n");
    for width in [30, 47, 80] {
        let setup = Setup {
            width,
            ..Setup::new(&server).terminal().var("NO_COLOR", "1")
        };
        let ran = setup.run(&["list"]).await.expect(ExitStatus::Ok);
        assert_eq!(ran.stdout.lines().count(), 3, "{width}: {}", ran.stdout);
        let widest = ran.stdout.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(width.into()), "{width}: {}", ran.stdout);
    }
    let ran = Setup::new(&server)
        .terminal()
        .run(&["--color", "never", "list"])
        .await
        .expect(ExitStatus::Ok);
    assert!(is_safe(&ran.stdout), "{:?}", ran.stdout);
}

#[tokio::test]
async fn a_list_as_json_has_the_documented_fields() {
    let server = Server::start(tasks()).await;
    let ran = Setup::new(&server)
        .run(&["list", "--json", "--limit", "7"])
        .await
        .expect(ExitStatus::Ok);
    let list = ran.json();
    assert_eq!(list["cursor"], "2");
    assert_eq!(
        list["tasks"][1],
        json!({"id": "task_0192c3f0a1b27def8123456789abcd00",
            "url": "http://h/codex/tasks/task_0192c3f0a1b27def8123456789abcd00",
            "title": ATTACK, "status": "running", "created_at": "2026-11-20T14:50:00.000Z",
            "updated_at": "2026-11-20T14:54:00.000Z",
            "environment_id": "env_0192c3f0a1b27def8123456789abcde1", "environment_label": "demo",
            "summary": {"files_changed": 1, "lines_added": 2, "lines_removed": 0},
            "is_review": false, "attempt_total": 1})
    );
    assert_eq!(server.paths(), ["GET /api/v1/tasks?limit=7"]);
    let ran = Setup::new(&server)
        .run(&["list", "--json", "--cursor", "2"])
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(ran.json()["cursor"], Value::Null);
}

#[tokio::test]
async fn a_list_is_filtered_by_label() {
    let server = Server::start(tasks()).await;
    Setup::new(&server)
        .run(&["list", "--env", "DEMO"])
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(
        server.paths()[1],
        "GET /api/v1/tasks?environment=env_0192c3f0a1b27def8123456789abcde1&limit=20"
    );
    let ran = Setup::new(&server)
        .run(&["list", "--env", "nope"])
        .await
        .expect(ExitStatus::Failed);
    assert_eq!(
        ran.stderr,
        "error: there is no environment `nope`\nhint: there are: demo\n"
    );
}

#[tokio::test]
async fn a_task_is_shown() {
    let server = Server::start(tasks()).await;
    let ran = Setup::new(&server)
        .run(&["status", TASK])
        .await
        .expect(ExitStatus::Ok);
    insta::assert_snapshot!(ran.stdout);
    let ran = Setup::new(&server)
        .run(&["status", TASK, "--json"])
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(ran.json()["turns"][0]["attempts"][0]["state"], "succeeded");
    let attacked = "task_0192c3f0a1b27def8123456789abcd01";
    let ran = Setup::new(&server)
        .terminal()
        .var("NO_COLOR", "1")
        .run(&["status", attacked])
        .await;
    assert!(is_safe(&ran.stdout), "{:?}", ran.stdout);
}

#[tokio::test]
async fn a_task_is_found_by_a_part_of_its_id_or_its_address() {
    let server = Server::start(tasks()).await;
    let prefix = "0192c3f0a1b27def8123456789abcd02";
    for name in [
        &prefix[..32],
        "task_0192c3f0a1b27def8123456789abcd02",
        "http://h/codex/tasks/task_0192c3f0a1b27def8123456789abcd02",
    ] {
        let ran = Setup::new(&server)
            .run(&["status", "--json", name])
            .await
            .expect(ExitStatus::Ok);
        assert_eq!(ran.json()["status"], "pending", "{name}");
    }
    let ran = Setup::new(&server)
        .run(&["status", "--json", "0192c3f0a1b27def8123456789abcde"])
        .await;
    assert_eq!(ran.expect(ExitStatus::Ok).json()["id"], TASK);
    // What a terminal's table shows.
    for end in ["89abcd02", "CD02", "task_9abcd02"] {
        let ran = Setup::new(&server).run(&["status", "--json", end]).await;
        assert_eq!(
            ran.expect(ExitStatus::Ok).json()["status"],
            "pending",
            "{end}"
        );
    }
    let ran = Setup::new(&server)
        .run(&["status", "0192"])
        .await
        .expect(ExitStatus::Failed);
    assert!(
        ran.stderr
            .starts_with("error: the ids of 4 tasks begin or end with `0192`\n  task_0192c3f0"),
        "{}",
        ran.stderr
    );
    assert!(is_safe(&ran.stderr), "{:?}", ran.stderr);
    let ran = Setup::new(&server)
        .run(&["status", "ffff"])
        .await
        .expect(ExitStatus::Failed);
    assert!(
        ran.stderr
            .contains("no task's id begins or ends with `ffff`"),
        "{}",
        ran.stderr
    );
    let ran = Setup::new(&server)
        .run(&["status", "task_ffffffffffffffffffffffffffffffff"])
        .await;
    assert_eq!(
        ran.expect(ExitStatus::Failed).stderr,
        "error: there is no such task\n"
    );
}

#[tokio::test]
async fn a_log_is_read_in_pages_or_followed() {
    let server = Server::start(tasks()).await;
    let shown = "  1.0s  hello\n  3.0s  succeeded\n";
    for arguments in [&["log", TASK][..], &["log", TASK, "--follow"]] {
        let ran = Setup::new(&server)
            .run(arguments)
            .await
            .expect(ExitStatus::Ok);
        assert_eq!(ran.stdout, shown, "{arguments:?}");
    }
    for arguments in [
        &["log", TASK, "--json"][..],
        &["log", TASK, "--json", "-f", "--attempt", "1", "--turn", "1"],
    ] {
        let ran = Setup::new(&server)
            .run(arguments)
            .await
            .expect(ExitStatus::Ok);
        let events: Vec<Value> = ran
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(events.len(), 4, "{arguments:?}");
        assert_eq!(
            (&events[2]["type"], &events[2]["x"]),
            (&json!("from_the_future"), &json!(1))
        );
        assert_eq!(events[3]["attempt"], 1);
    }
    let ran = Setup::new(&server)
        .run(&["log", TASK, "--attempt", "2"])
        .await
        .expect(ExitStatus::Failed);
    assert_eq!(
        ran.stderr,
        "error: turn 1 has no attempt 2\nhint: it has one attempt\n"
    );
    let ran = Setup::new(&server)
        .run(&["log", TASK, "--turn", "3"])
        .await
        .expect(ExitStatus::Failed);
    assert_eq!(
        ran.stderr,
        "error: the task has no turn 3\nhint: it has one turn\n"
    );
}

#[tokio::test]
async fn a_diff_is_raw_in_a_pipe_and_safe_on_a_terminal() {
    let mut knows = tasks();
    knows.diff = b"diff --git a/x b/x\n+\x1b[2Jnew\n".to_vec();
    let server = Server::start(knows).await;
    let ran = Setup::new(&server)
        .run(&["diff", TASK, "--attempt", "2", "--turn", "1"])
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(ran.stdout, "diff --git a/x b/x\n+\u{1b}[2Jnew\n");
    assert_eq!(
        server.paths().pop(),
        Some(format!("GET /api/v1/tasks/{TASK}/diff?turn=1&attempt=2"))
    );
    let ran = Setup::new(&server)
        .terminal()
        .run(&["diff", TASK])
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(
        ran.stdout,
        "\u{1b}[1mdiff --git a/x b/x\u{1b}[0m\n\u{1b}[32m+new\u{1b}[0m\n"
    );
}

#[tokio::test]
async fn workers_and_cancelling() {
    let server = Server::start(tasks()).await;
    let ran = Setup::new(&server)
        .run(&["workers"])
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(
        ran.stdout,
        "wkr_1\track\tdraining, retiring\t1/4\tcodex,command\t2026-11-20T14:54:00.000Z\toci:crun\tgpu=true,zone=a\n\
         wkr_2\told\toffline\t0/1\tcommand\t2026-11-19T14:54:00.000Z\t\t\n"
    );
    let ran = Setup::new(&server)
        .run(&["workers", "--json"])
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(ran.json()["workers"][0]["slots"], 4);
    let ran = Setup::new(&server)
        .run(&["cancel", TASK])
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(ran.stdout, "completed\n");
    assert_eq!(
        server.paths().last().expect("a request"),
        &format!("POST /api/v1/tasks/{TASK}/cancel")
    );
}

/// A task with two attempts, the second of them the best.
fn ranked() -> World {
    let mut knows = world("completed", Some("succeeded"), "succeeded");
    let mut task = task_json(
        TASK,
        "fix it",
        "completed",
        Some("succeeded"),
        &["succeeded", "succeeded"],
    );
    let turn = &mut task["turns"][0];
    let reason =
        |kind: &str, text: &str, good: bool| json!({"kind": kind, "text": text, "good": good});
    turn["shown"] = json!(2);
    turn["ranking"] = json!({"verdict": "decided", "best": 2, "summary": "Attempt 2 passes the verification; no other does.",
    "places": [
        {"attempt": 2, "place": 1, "reasons": [reason("verification", "it passes the verification", true)]},
        {"attempt": 1, "place": 2, "reasons": [
            reason("own_tests", "it passes only with tests that it changed itself: tests/\u{1b}[2Ja.py", false)]},
    ]});
    turn["attempts"][0]["agent"] = json!({"name": "codex", "model": "gpt-big"});
    turn["attempts"][0]["verification"] = json!({"state": "failed", "command": "make test", "exit_code": 0, "duration_ms": 1200, "tail": "",
        "tests": {"runner": "pytest", "passed": 3, "failed": 1, "skipped": 0},
        "with_original_tests": {"state": "failed", "exit_code": 1, "changed": ["tests/a.py"]}});
    turn["attempts"][1]["agent"] = json!({"name": "command"});
    turn["attempts"][1]["verification"] = json!({"state": "passed", "command": "make test", "exit_code": 0, "duration_ms": 1200, "tail": "",
        "tests": {"runner": "pytest", "passed": 4, "failed": 0, "skipped": 0}});
    knows.tasks[0] = task;
    knows
}

#[tokio::test]
async fn a_status_says_which_attempt_is_first_and_why() {
    let server = Server::start(ranked()).await;
    let ran = Setup::new(&server).run(&["status", TASK]).await;
    let ran = ran.expect(ExitStatus::Ok);
    assert!(is_safe(&ran.stdout), "{:?}", ran.stdout);
    let (_, turn) = ran.stdout.split_once("\n\n").expect("a turn");
    insta::assert_snapshot!(turn);
}

#[tokio::test]
async fn a_person_chooses_and_lets_the_ranking_decide_again() {
    let server = Server::start(ranked()).await;
    let choose = async |args: &[&str]| {
        let mut all = vec!["choose", TASK];
        all.extend(args);
        Setup::new(&server).run(&all).await
    };
    let ran = choose(&["--attempt", "1", "--json"])
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(
        ran.json()["turns"][0]["shown"],
        2,
        "the answer of the server"
    );
    let ran = choose(&["--none", "--turn", "1"])
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(
        ran.stdout,
        "nothing is chosen: Attempt 2 passes the verification; no other does.\n"
    );
    let asked: Vec<_> = server
        .paths()
        .into_iter()
        .filter(|line| line.contains("choice"))
        .collect();
    assert_eq!(
        asked,
        [
            format!("PUT /api/v1/tasks/{TASK}/choice"),
            format!("DELETE /api/v1/tasks/{TASK}/choice?turn=1"),
        ]
    );
}
