//! `exec` and `follow-up`: prompts, environments, waiting.

use std::time::Duration;

use futures_util::FutureExt;
use outwork_cli::ExitStatus;
use serde_json::{Value, json};

use crate::harness::{Repo, Setup};
use crate::server::{ATTEMPT, Server, TASK, World, environment_json, task_json, world};

fn submitted(server: &Server) -> Value {
    let requests = server.requests();
    let posted = requests.iter().find(|(line, _)| line.starts_with("POST "));
    posted.expect("something was submitted").1.clone()
}

#[tokio::test]
async fn id_and_address_are_printed() {
    let server = Server::start(world("pending", None, "queued")).await;
    let arguments = [
        "exec",
        "--env",
        "demo",
        "--branch",
        "b",
        "--commit",
        "c0ffee",
        "--attempts",
        "3",
        "--priority",
        "low",
        "fix it",
    ];
    let ran = Setup::new(&server)
        .run(&arguments)
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(ran.stdout, format!("{TASK}\nhttp://h/codex/tasks/{TASK}\n"));
    assert_eq!(ran.stderr, "");
    let expected = json!({"environment": "demo", "prompt": "fix it", "branch": "b", "commit": "c0ffee", "attempts": 3,
        "priority": "low"});
    assert_eq!(submitted(&server), expected);
    assert_eq!(
        server.paths(),
        ["POST /api/v1/tasks"],
        "one request is enough"
    );
    let ran = Setup::new(&server)
        .run(&["cloud", "exec", "--env", "demo", "--json", "fix"])
        .await;
    assert_eq!(ran.json()["id"], TASK);
}

#[tokio::test]
async fn the_prompt_comes_from_standard_input() {
    for arguments in [
        &["exec", "--env", "demo"][..],
        &["exec", "--env", "demo", "-"],
    ] {
        let server = Server::start(world("pending", None, "queued")).await;
        let setup = Setup::new(&server).stdin("fix\nall of it\n");
        setup.run(arguments).await.expect(ExitStatus::Ok);
        assert_eq!(submitted(&server)["prompt"], "fix\nall of it\n");
    }
}

#[tokio::test]
async fn prompts_that_cannot_be_are_refused_before_they_are_sent() {
    let huge = "x".repeat(2 * 1024 * 1024);
    let cases: [(Vec<u8>, &[&str], &str); 5] = [
        (
            Vec::new(),
            &["exec", "--env", "demo"],
            "the prompt is empty",
        ),
        (
            b" \n".to_vec(),
            &["exec", "--env", "demo", "-"],
            "the prompt is empty",
        ),
        (
            Vec::new(),
            &["exec", "--env", "demo", ""],
            "the prompt is empty",
        ),
        (
            huge.into_bytes(),
            &["exec", "--env", "demo"],
            "the prompt has 2097152 bytes; at most 1048576 are taken",
        ),
        (
            b"\xff\xfe".to_vec(),
            &["exec", "--env", "demo"],
            "the prompt on standard input is not UTF-8",
        ),
    ];
    for (stdin, arguments, message) in cases {
        let server = Server::start(world("pending", None, "queued")).await;
        let ran = Setup::new(&server)
            .stdin(stdin)
            .run(arguments)
            .await
            .expect(ExitStatus::Usage);
        assert!(
            ran.stderr.starts_with(&format!("error: {message}\nhint: ")),
            "{}",
            ran.stderr
        );
        assert_eq!(server.paths(), Vec::<String>::new());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn on_a_terminal_the_prompt_is_written_in_an_editor() {
    let dir = tempfile::tempdir().expect("a folder");
    let at_terminal = |server: &Server, editor: &str| Setup {
        stdin_is_terminal: true,
        ..Setup::new(server).dir(dir.path()).var("EDITOR", editor)
    };
    let server = Server::start(world("pending", None, "queued")).await;
    // Arguments in the variable, and a file that is replaced, as vim does.
    let editor = "sh -c 'echo written by hand > new && mv new \"$1\"' edit";
    at_terminal(&server, editor)
        .run(&["exec", "--env", "demo"])
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(submitted(&server)["prompt"], "written by hand\n");
    let ran = at_terminal(&server, "false")
        .run(&["exec", "--env", "demo"])
        .await
        .expect(ExitStatus::Failed);
    assert!(
        ran.stderr.contains("nothing was submitted"),
        "{}",
        ran.stderr
    );
    let ran = at_terminal(&server, "")
        .run(&["exec", "--env", "demo"])
        .await
        .expect(ExitStatus::Usage);
    assert!(ran.stderr.contains("set EDITOR"), "{}", ran.stderr);
}

#[tokio::test]
async fn the_environment_is_guessed_from_the_remotes() {
    let repo = Repo::new();
    repo.git(&["remote", "add", "origin", "git@github.com:ada/engine.git"]);
    let inside = repo.path().join("sub");
    std::fs::create_dir(&inside).expect("a folder");
    let mut knows = world("pending", None, "queued");
    knows.environments = vec![
        environment_json("env_a", "other", "https://github.com/ada/other"),
        environment_json("env_b", "engine", "https://GitHub.com/ada/engine"),
    ];
    let server = Server::start(knows).await;
    let ran = Setup::new(&server)
        .dir(&inside)
        .run(&["exec", "fix"])
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(submitted(&server)["environment"], "env_b");
    assert_eq!(ran.stderr, "environment: engine\n");

    let second = environment_json("env_c", "engine two", "ssh://git@github.com/ada/engine");
    server
        .world
        .lock()
        .expect("no panic")
        .environments
        .push(second);
    let ran = Setup::new(&server)
        .dir(&inside)
        .run(&["exec", "fix"])
        .await
        .expect(ExitStatus::Usage);
    assert!(
        ran.stderr.contains(
            "2 environments are for this repository\n  engine  env_b\n  engine two  env_c\n"
        ),
        "{}",
        ran.stderr
    );

    server.world.lock().expect("no panic").environments.clear();
    let ran = Setup::new(&server)
        .dir(&inside)
        .run(&["exec", "fix"])
        .await
        .expect(ExitStatus::Usage);
    assert!(
        ran.stderr.contains("hint: `outwork env init` makes one"),
        "{}",
        ran.stderr
    );

    let nowhere = tempfile::tempdir().expect("a folder");
    let ran = Setup::new(&server)
        .dir(nowhere.path())
        .run(&["exec", "fix"])
        .await
        .expect(ExitStatus::Usage);
    assert!(
        ran.stderr.contains("in no git repository"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn waiting_shows_the_log_and_ends_as_the_task_did() {
    for (status, outcome, state, expected) in [
        ("completed", "succeeded", "succeeded", ExitStatus::Ok),
        ("failed", "failed", "failed", ExitStatus::Failed),
        ("failed", "cancelled", "cancelled", ExitStatus::Failed),
        ("failed", "timed_out", "failed", ExitStatus::Failed),
    ] {
        let server = Server::start(world(status, Some(outcome), state)).await;
        let ran = Setup::new(&server)
            .run(&["exec", "--env", "demo", "--wait", "--json", "fix"])
            .await
            .expect(expected);
        assert_eq!(ran.stdout.lines().count(), 1, "{}", ran.stdout);
        let task = ran.json();
        assert_eq!(
            (&task["id"], &task["status"], &task["outcome"]),
            (&json!(TASK), &json!(status), &json!(outcome))
        );
        assert!(ran.stderr.starts_with(TASK), "{}", ran.stderr);
        assert!(ran.stderr.contains("\n  1.0s  hello\n"), "{}", ran.stderr);
        assert!(
            ran.stderr.ends_with(&format!("{state}\n")),
            "{}",
            ran.stderr
        );
    }
}

#[tokio::test]
async fn waiting_tells_people_the_result() {
    let server = Server::start(world("failed", Some("timed_out"), "failed")).await;
    let ran = Setup::new(&server)
        .run(&["-q", "exec", "--env", "demo", "-w", "fix"])
        .await
        .expect(ExitStatus::Failed);
    assert_eq!(ran.stderr, "", "-q is quiet");
    let result = "failed (timed_out), 1 file, +2 -0\nI did it.\nAll of it.\n";
    assert_eq!(
        ran.stdout,
        format!("{TASK}\nhttp://h/codex/tasks/{TASK}\n{result}")
    );
}

#[tokio::test]
async fn a_task_that_asks_ends_the_waiting() {
    let server = Server::start(world("needs_input", None, "awaiting_input")).await;
    let ran = Setup::new(&server)
        .run(&["exec", "--env", "demo", "-w", "fix"])
        .await
        .expect(ExitStatus::Failed);
    assert!(
        ran.stderr.contains("answer it:  outwork answer task_"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn several_attempts_are_followed_side_by_side() {
    let mut knows = world("completed", Some("succeeded"), "succeeded");
    let second = ATTEMPT.replace("01", "02").replacen("0292", "0192", 1);
    knows.tasks = vec![task_json(
        TASK,
        "fix it",
        "completed",
        Some("succeeded"),
        &["succeeded", "failed"],
    )];
    let id = knows.tasks[0]["turns"][0]["attempts"][1]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert_eq!(id, second);
    knows.events.insert(
        id,
        crate::server::log(&[json!({"type": "state", "state": "failed"})]),
    );
    let server = Server::start(knows).await;
    let ran = Setup::new(&server)
        .run(&["follow-up", TASK, "--attempts", "2", "-w", "more"])
        .await
        .expect(ExitStatus::Ok);
    assert!(ran.stderr.contains("[1]   1.0s  hello\n"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("[2]   0.0s  failed\n"),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.contains("[2] I did it.\n"), "{}", ran.stdout);
    assert_eq!(submitted(&server), json!({"prompt": "more", "attempts": 2}));
    assert_eq!(
        server.paths()[0],
        format!("POST /api/v1/tasks/{TASK}/turns")
    );
}

/// A task that goes on: its log does not end.
async fn endless() -> Server {
    let mut knows = world("running", None, "running");
    knows.events.get_mut(ATTEMPT).expect("a log").truncate(2);
    Server::start(knows).await
}

#[tokio::test]
async fn waiting_ends_when_its_time_is_over() {
    let server = endless().await;
    let arguments = [
        "exec",
        "--env",
        "demo",
        "--wait",
        "--timeout",
        "1s",
        "--json",
        "fix",
    ];
    let ran = Setup::new(&server)
        .run(&arguments)
        .await
        .expect(ExitStatus::TimedOut);
    assert_eq!(ran.json()["status"], "running");
    let error: Value =
        serde_json::from_str(ran.stderr.lines().last().expect("a line")).expect("JSON");
    assert_eq!(error["error"]["exit_code"], 124);
    let hint = error["error"]["hint"].as_str().expect("a hint");
    assert!(
        hint.contains(&format!("outwork log {TASK} --follow")),
        "{hint}"
    );
}

#[tokio::test]
async fn an_interruption_leaves_the_task_and_says_how_to_go_on() {
    let server = endless().await;
    let mut setup = Setup::new(&server);
    let stderr = setup.stderr.clone();
    // Ctrl-C comes when the log is being shown.
    setup.interrupt = async move {
        while !stderr.text().contains("hello") {
            tokio::task::yield_now().await;
        }
    }
    .boxed();
    let run = setup.run(&["exec", "--env", "demo", "--wait", "fix"]);
    let ran = tokio::time::timeout(Duration::from_secs(20), run)
        .await
        .expect("the log was shown");
    let ran = ran.expect(ExitStatus::Interrupted);
    let advice = format!(
        "follow it with `outwork log {TASK} --follow`, stop it with `outwork cancel {TASK}`\n"
    );
    assert!(ran.stderr.ends_with(&advice), "{}", ran.stderr);
    assert!(
        !server.paths().iter().any(|line| line.contains("cancel")),
        "the task goes on"
    );
}

#[tokio::test]
async fn the_stock_clients_starting_diff_is_sent_along() {
    let server = Server::start(world("pending", None, "queued")).await;
    let setup = Setup::new(&server).var("CODEX_STARTING_DIFF", "diff --git a/x b/x\n");
    setup
        .run(&["exec", "--env", "demo", "fix"])
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(submitted(&server)["starting_diff"], "diff --git a/x b/x\n");
}

#[tokio::test]
async fn a_result_is_applied_when_the_task_succeeds_and_only_then() {
    let repo = Repo::new();
    let diff = repo.diff_to("one\n2\nthree\n");
    for (outcome, state, status, text) in [
        ("succeeded", "succeeded", ExitStatus::Ok, "one\n2\nthree\n"),
        ("failed", "failed", ExitStatus::Failed, "one\ntwo\nthree\n"),
    ] {
        let status_of_task = if outcome == "failed" {
            "failed"
        } else {
            "completed"
        };
        let server = Server::start(World {
            diff: diff.clone(),
            ..world(status_of_task, Some(outcome), state)
        })
        .await;
        let run = |dir: &std::path::Path| {
            let setup = Setup::new(&server).dir(dir);
            setup.run(&[
                "exec",
                "--env",
                "demo",
                "--apply",
                "--timeout",
                "1m",
                "fix it",
            ])
        };
        let ran = run(repo.path()).await.expect(status);
        assert_eq!(repo.read("file"), text, "{}", ran.stderr);
        assert_eq!(
            ran.stderr.contains("applied to file\n"),
            outcome == "succeeded"
        );
        repo.git(&["reset", "-q", "--hard"]);
        let submitted = server.paths().len();
        let nowhere = tempfile::tempdir().expect("a folder");
        let ran = run(nowhere.path()).await.expect(ExitStatus::Failed);
        assert!(
            ran.stderr.contains("in no git repository"),
            "{}",
            ran.stderr
        );
        assert_eq!(server.paths().len(), submitted, "nothing was submitted");
    }
}

#[tokio::test]
async fn files_are_given_along_with_the_prompt() {
    let server = Server::start(world("pending", None, "queued")).await;
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("plan.md"), "1. look\n2. mend\n\n").expect("written");
    std::fs::write(dir.path().join("binary"), b"\xff\xfe").expect("written");
    let run = async |file: &str, status| {
        let setup = Setup::new(&server).dir(dir.path());
        let arguments = [
            "exec",
            "--env",
            "demo",
            "--context",
            file,
            "as the plan says\n",
        ];
        setup.run(&arguments).await.expect(status)
    };
    run("plan.md", ExitStatus::Ok).await;
    assert_eq!(
        submitted(&server)["prompt"],
        "as the plan says\n\n# plan.md\n\n1. look\n2. mend\n"
    );
    let count = server.paths().len();
    for (file, says) in [
        ("none.md", "none.md cannot be read"),
        ("binary", "binary is not text"),
    ] {
        let ran = run(file, ExitStatus::Usage).await;
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
    }
    assert_eq!(server.paths().len(), count);
}

#[cfg(unix)]
#[tokio::test]
async fn a_page_opens_in_the_named_browser() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start(world("pending", None, "queued")).await;
    let dir = tempfile::tempdir().expect("a folder");
    let browser = dir.path().join("browser");
    std::fs::write(&browser, "#!/bin/sh\nprintf %s \"$1\" > \"$0.seen\"\n").expect("written");
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).expect("set");
    let ran = Setup::new(&server)
        .var("BROWSER", &browser)
        .run(&["open", TASK])
        .await
        .expect(ExitStatus::Ok);
    let url = format!("http://h/codex/tasks/{TASK}");
    assert_eq!(ran.stdout, format!("{url}\n"));
    let seen = dir.path().join("browser.seen");
    let begin = std::time::Instant::now();
    while std::fs::read_to_string(&seen).unwrap_or_default() != url {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "it was not started"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let ran = Setup::new(&server)
        .var("BROWSER", "/nonexistent")
        .run(&["open", TASK])
        .await
        .expect(ExitStatus::Failed);
    assert!(
        ran.stderr.contains("no browser could be started"),
        "{}",
        ran.stderr
    );
}
