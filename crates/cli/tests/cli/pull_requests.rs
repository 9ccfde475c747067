//! `pr`: what is asked for, what is told meanwhile, and what came of it.

use outwork_cli::ExitStatus;
use serde_json::{Value, json};

use crate::harness::Setup;
use crate::server::{Server, TASK, World, world};

const URL: &str = "https://forge.example/team/app/pull/7";

/// How it stands, with more fields.
fn publication(state: &str, more: Value) -> Value {
    let mut all = json!({"id": "pub_0192c3f0a1b27def8123456789abcdef", "task_id": TASK, "attempt_id": "att_1", "repository": "app",
        "state": state, "branch": "outwork/x", "created_at": "2026-11-20T14:00:00.000Z"});
    for (name, value) in more.as_object().expect("fields") {
        all[name] = value.clone();
    }
    all
}

async fn server(publications: Vec<Value>) -> Server {
    Server::start(World {
        publications,
        ..world("completed", Some("succeeded"), "succeeded")
    })
    .await
}

fn done() -> Value {
    let opened = json!({"url": URL, "number": 7, "state": "open"});
    publication(
        "published",
        json!({"pull_request": opened, "ended_at": "2026-11-20T14:00:02.000Z"}),
    )
}

#[tokio::test]
async fn the_address_is_printed_and_what_it_waits_for_is_told() {
    let queued = publication("queued", json!({}));
    let waits = publication(
        "queued",
        json!({"message": "GitHub of h has trouble of its own (503)."}),
    );
    let server = server(vec![queued.clone(), queued, waits.clone(), waits, done()]).await;
    let home = tempfile::tempdir().expect("a folder");
    std::fs::write(home.path().join("notes.md"), "Why\n").expect("written");
    let line = [
        "pr",
        TASK,
        "--attempt",
        "2",
        "--branch",
        "b",
        "--base",
        "main",
        "-t",
        "T",
        "-F",
        "notes.md",
        "--draft",
        "--author",
        "Ada <a@b>",
    ];
    let setup = Setup::new(&server).dir(home.path());
    let ran = setup.run(&line).await.expect(ExitStatus::Ok);
    assert_eq!(ran.stdout, format!("{URL}\n"));
    assert_eq!(
        ran.stderr,
        "publishing outwork/x\ntrying again: GitHub of h has trouble of its own (503).\n"
    );
    let requests = server.requests();
    let asked = requests
        .iter()
        .find(|(line, _)| line.ends_with("/publications"));
    let expected = json!({"attempt": 2, "branch": "b", "base": "main", "title": "T", "body": "Why\n", "draft": true,
        "author": "Ada <a@b>"});
    assert_eq!(
        asked,
        Some(&(format!("POST /api/v1/tasks/{TASK}/publications"), expected))
    );
}

#[tokio::test]
async fn a_branch_is_printed_where_there_is_no_pull_request() {
    let note =
        json!({"message": "The branch is in /srv/app.", "ended_at": "2026-11-20T14:00:02.000Z"});
    let server = server(vec![publication("published", note)]).await;
    let ran = Setup::new(&server).run(&["pr", TASK]).await;
    let ran = ran.expect(ExitStatus::Ok);
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("outwork/x\n", "The branch is in /srv/app.\n")
    );
}

#[tokio::test]
async fn a_failure_says_what_to_do() {
    let failure = json!({"code": "branch_moved", "message": "Somebody pushed.", "hint": "Name another \u{1b}[2J branch."});
    let failed = json!({"failure": failure, "ended_at": "2026-11-20T14:00:02.000Z"});
    let server = server(vec![
        publication("failed", failed.clone()),
        publication("failed", failed),
    ])
    .await;
    let ran = Setup::new(&server).run(&["pr", TASK]).await;
    let ran = ran.expect(ExitStatus::Failed);
    assert_eq!(
        ran.stderr,
        "error: Somebody pushed\nhint: Name another  branch.\n"
    );
    let ran = Setup::new(&server).run(&["pr", TASK, "--json"]).await;
    let ran = ran.expect(ExitStatus::Failed);
    assert!(
        ran.stderr.contains("branch_moved") || ran.stdout.contains("branch_moved"),
        "{} {}",
        ran.stdout,
        ran.stderr
    );
}

#[tokio::test]
async fn waiting_ends_when_its_time_is_over() {
    let queued = publication("queued", json!({}));
    let server = server(vec![queued; 100]).await;
    let ran = Setup::new(&server)
        .run(&["pr", TASK, "--timeout", "1s"])
        .await;
    let ran = ran.expect(ExitStatus::TimedOut);
    assert!(
        ran.stderr.contains("the server goes on with pub_"),
        "{}",
        ran.stderr
    );
    let served = Server::start(World {
        publications: vec![done()],
        ..world("completed", Some("succeeded"), "succeeded")
    })
    .await;
    let ran = Setup::new(&served)
        .run(&["pr", TASK, "--json"])
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(ran.json()["pull_request"]["url"], URL);
}
