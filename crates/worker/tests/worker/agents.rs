//! Agents that misbehave. They stand where the real one would be installed.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use outwork_agents::codex::CODEX_VERSION;
use outwork_api::environment::Agent;
use outwork_api::worker::Desired;

use crate::fake_api::Record;
use crate::scene::{Scene, attempt};

/// Runs an attempt of an agent that is this shell script.
async fn with_agent(script: &str, cancel_at: Option<&str>) -> (Scene, Record) {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let scene = Scene::new();
    let mut config = scene.config("worker");
    config.timing.first_output = Duration::from_secs(1);
    config.timing.silence = Duration::from_secs(1);
    config.timing.stop_grace = Duration::from_millis(300);
    let directory = config
        .agents_dir
        .join("codex")
        .join(CODEX_VERSION)
        .join("bin");
    std::fs::create_dir_all(&directory).unwrap();
    let program = directory.join("codex");
    std::fs::write(&program, format!("#!/bin/bash\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let worker = scene.start_with(config).await;
    let mut assignment = scene.assignment(1, "");
    assignment.agent = Agent::Codex {};
    assignment.model = Some(crate::models::access("http://127.0.0.1:1/v1"));
    scene.api.offer(assignment);
    if let Some(text) = cancel_at {
        scene.heard(&attempt(1), text).await;
        scene.api.command(&attempt(1), Desired::Cancel);
    }
    let record = scene.finished(&attempt(1)).await;
    worker.end().await;
    (scene, record)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_never_speaks_is_stopped_and_keeps_its_work() {
    let (scene, record) = with_agent("echo x > x.txt; trap '' TERM INT; sleep 1000", None).await;
    assert_eq!(record.outcome(), "timed_out", "{record:#?}");
    assert!(
        record.failure().message.contains("said nothing for 1 s"),
        "{:?}",
        record.failure()
    );
    assert_eq!(scene.applied(&record, "x.txt").as_deref(), Some("x\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_falls_silent_is_stopped() {
    let (_, record) = with_agent("echo '{}'; sleep 1000", None).await;
    assert_eq!(record.outcome(), "timed_out", "{record:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_crashes_is_told_with_its_last_words() {
    let (scene, record) = with_agent("echo x > x.txt; echo 'out of luck' >&2; exit 7", None).await;
    assert_eq!(record.outcome(), "agent_crashed", "{record:#?}");
    assert!(record.output().contains("out of luck"), "{record:#?}");
    assert_eq!(scene.applied(&record, "x.txt").as_deref(), Some("x\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_listen_is_killed_after_its_grace() {
    let script = "echo x > x.txt; echo '{}'; echo ready >&2; trap '' TERM INT; sleep 1000";
    let (scene, record) = with_agent(script, Some("ready")).await;
    assert_eq!(record.outcome(), "cancelled", "{record:#?}");
    assert_eq!(scene.applied(&record, "x.txt").as_deref(), Some("x\n"));
}
