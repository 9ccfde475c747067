//! `env cache`: what the workers keep.

use outwork_cli::ExitStatus;
use serde_json::{Value, json};

use crate::harness::Setup;
use crate::server::{Server, World, world};

fn snapshot(key: char, label: &str, size_bytes: u64, hits: u64, reason: &str) -> Value {
    json!({"key": key.to_string().repeat(64), "environment_id": "env_0192c3f0a1b27def8123456789abcde1",
        "environment_label": label, "worker": "wkr_1", "worker_name": "rack", "reason": reason,
        "built_at": "2026-11-20T12:55:00.000Z", "last_used_at": "2026-11-20T14:50:00.000Z",
        "size_bytes": size_bytes, "hits": hits, "in_use": 1})
}

async fn server() -> Server {
    Server::start(World {
        cache: Some(json!({
            "snapshots": [
                snapshot('a', "demo", 1_023_456_789, 14, "the setup script changed"),
                snapshot('b', "web\u{1b}[2J", 41_000_000, 0, "the first"),
            ],
            "environments": [
                {"environment_id": "env_1", "environment_label": "demo", "hits": 14, "builds": 2},
                {"environment_id": "env_2", "environment_label": "web\u{1b}[2J", "hits": 0, "builds": 0},
            ]
        })),
        ..world("completed", Some("succeeded"), "succeeded")
    })
    .await
}

#[tokio::test]
async fn snapshots_are_listed_with_the_rate_of_hits() {
    let server = server().await;
    let list = ["env", "cache", "list"];
    let setup = Setup::new(&server).terminal().var("NO_COLOR", "1");
    let ran = setup.run(&list).await.expect(ExitStatus::Ok);
    insta::assert_snapshot!(ran.stdout);
    let ran = Setup::new(&server).run(&list).await.expect(ExitStatus::Ok);
    let first = format!(
        "{}\tdemo\track\t2026-11-20T12:55:00.000Z\t2026-11-20T14:50:00.000Z\t1023456789\t14\t1\tthe setup script changed",
        "a".repeat(64)
    );
    assert_eq!(ran.stdout.lines().next(), Some(first.as_str()));
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
    let ran = Setup::new(&server)
        .run(&["env", "cache", "list", "demo", "--json"])
        .await;
    let listed = ran.expect(ExitStatus::Ok).json();
    assert_eq!(listed["environments"][0]["builds"], 2);
    assert_eq!(
        server.paths().pop().expect("a request"),
        "GET /api/v1/cache?environment=env_0192c3f0a1b27def8123456789abcde1"
    );
}

#[tokio::test]
async fn one_environment_is_reset_without_a_question() {
    let server = server().await;
    let ran = Setup::new(&server)
        .run(&["env", "cache", "reset", "demo"])
        .await;
    assert_eq!(
        ran.expect(ExitStatus::Ok).stdout,
        "reset 2 snapshots (1.0 GB)\n"
    );
    assert_eq!(
        server.requests().pop().expect("a request"),
        (
            "POST /api/v1/cache/reset".to_owned(),
            json!({"environment": "env_0192c3f0a1b27def8123456789abcde1"})
        )
    );
    let ran = Setup::new(&server)
        .run(&["env", "cache", "reset", "demo", "--json"])
        .await;
    assert_eq!(
        ran.expect(ExitStatus::Ok).json(),
        json!({"snapshots": 0, "size_bytes": 0})
    );
}

#[tokio::test]
async fn all_of_the_workspace_is_asked_about() {
    let all = ["env", "cache", "reset"];
    let typing = |server: &Server, answer: &str| Setup {
        stdin_is_terminal: true,
        ..Setup::new(server).stdin(answer)
    };
    let server = server().await;
    let ran = Setup::new(&server)
        .run(&all)
        .await
        .expect(ExitStatus::Usage);
    assert!(ran.stderr.contains("add --yes"), "{}", ran.stderr);
    for answer in ["", "\n", "n\n", "what\nno\n"] {
        let ran = typing(&server, answer)
            .run(&all)
            .await
            .expect(ExitStatus::Ok);
        assert!(
            ran.stderr.ends_with("nothing was reset\n"),
            "{}",
            ran.stderr
        );
    }
    let posted = |server: &Server| server.paths().iter().any(|line| line.starts_with("POST"));
    assert!(!posted(&server), "{:?}", server.paths());
    let ran = typing(&server, "y\n")
        .run(&all)
        .await
        .expect(ExitStatus::Ok);
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        (
            "reset 2 snapshots (1.0 GB)\n",
            "Reset 2 snapshots (1.0 GB) of the workspace, for everyone in it? [y/N] "
        )
    );
    assert_eq!(server.requests().pop().expect("a request").1, json!({}));
    let ran = Setup::new(&server)
        .run(&["env", "cache", "reset", "--yes"])
        .await;
    assert_eq!(
        ran.expect(ExitStatus::Ok).stdout,
        "no snapshot is known of; the next task builds a new one\n"
    );
}
