//! Workers that are killed.

use std::process::{Command, Stdio};

use crate::fake_api::Mood;
use crate::scene::{Scene, WAIT, assert_empty, attempt, namespace, until};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_left_is_swept() {
    let scene = Scene::new();
    let directory = scene.directory.path().join("worker");
    std::fs::create_dir(&directory).unwrap();
    let assignment = scene.assignment(1, "touch begun; setsid sleep 1000 & sleep 1000");
    std::fs::write(
        directory.join("assignment.json"),
        serde_json::to_vec(&assignment).unwrap(),
    )
    .unwrap();
    let mut process = Command::new(env!("CARGO_BIN_EXE_outwork-worker-fixture"))
        .arg("hold")
        .arg(&directory)
        .env_clear()
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let data = directory.join("data/worker");
    let begun = data
        .join("attempts")
        .join(attempt(1))
        .join("1/upper/root/workspace/project/begun");
    until("the agent runs", || begun.exists().then_some(())).await;
    let namespace = namespace(&data, &attempt(1)).await;
    assert!(!namespace.processes().is_empty());

    process.kill().unwrap();
    process.wait().unwrap();
    let worker = scene.start().await;

    assert_eq!(
        namespace.processes(),
        [0_u32; 0],
        "the sandbox ended with its worker"
    );
    worker.handle.registered().await;
    let attempts = data.join("attempts");
    until("the leftovers are gone", || {
        std::fs::read_dir(&attempts)
            .unwrap()
            .next()
            .is_none()
            .then_some(())
    })
    .await;
    worker.end().await;
}

#[test]
fn an_attempt_that_ended_before_its_worker_was_killed_is_handed_in_by_the_next() {
    let scene = Scene::new();
    let first = tokio::runtime::Runtime::new().unwrap();
    let data = first.block_on(async {
        let worker = scene.start().await;
        scene
            .api
            .offer(scene.assignment(1, format!("{WAIT}; echo x > x.txt")));
        scene.heard(&attempt(1), "ready").await;
        scene.api.change(|state| state.mood = Mood::Away);
        worker.go(&attempt(1)).await;
        let entries = worker.directory(&attempt(1)).join("outbox/entries");
        until("the attempt has ended", || {
            std::fs::read_to_string(&entries)
                .ok()?
                .contains("\"finish\"")
                .then_some(())
        })
        .await;
        worker.data
    });
    // All of its tasks end at once, wherever they are.
    first.shutdown_timeout(std::time::Duration::from_secs(10));
    assert!(data.join("attempts").join(attempt(1)).exists());

    scene.api.change(|state| state.mood = Mood::Up);
    let second = tokio::runtime::Runtime::new().unwrap();
    second.block_on(async {
        let worker = scene.start().await;
        let record = scene.finished(&attempt(1)).await;
        assert_eq!(record.outcome(), "ok");
        assert_eq!(record.output(), "ready\n");
        assert_eq!(scene.applied(&record, "x.txt").as_deref(), Some("x\n"));
        worker.end().await;
    });
    assert_empty(&data);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_attempt_made_does_not_wait_for_the_server() {
    let scene = Scene::new();
    let worker = scene.start().await;
    scene
        .api
        .offer(scene.assignment(1, format!("{WAIT}; echo x > x.txt")));
    scene.heard(&attempt(1), "ready").await;
    scene.api.change(|state| state.mood = Mood::Away);
    let directory = worker.directory(&attempt(1));
    assert!(directory.join("upper").exists());
    worker.go(&attempt(1)).await;
    until("the disk is given back", || {
        (!directory.join("upper").exists()).then_some(())
    })
    .await;
    scene.api.change(|state| state.mood = Mood::Up);
    let record = scene.finished(&attempt(1)).await;
    assert_eq!(scene.applied(&record, "x.txt").as_deref(), Some("x\n"));
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_must_end_while_the_server_is_away_leaves_the_results_to_the_next() {
    let scene = Scene::new();
    let worker = scene.start().await;
    scene
        .api
        .offer(scene.assignment(1, format!("{WAIT}; echo x > x.txt")));
    scene.heard(&attempt(1), "ready").await;
    scene.api.change(|state| state.mood = Mood::Away);
    let directory = worker.directory(&attempt(1));
    worker.go(&attempt(1)).await;
    let entries = directory.join("outbox/entries");
    until("the attempt has ended", || {
        std::fs::read_to_string(&entries)
            .ok()?
            .contains("\"finish\"")
            .then_some(())
    })
    .await;
    worker.shutdown.cancel();
    worker.handle.stop_now();
    worker.handle.join().await.unwrap();
    assert!(!directory.join("upper").exists());

    scene.api.change(|state| state.mood = Mood::Up);
    let worker = scene.start().await;
    let record = scene.finished(&attempt(1)).await;
    assert_eq!(scene.applied(&record, "x.txt").as_deref(), Some("x\n"));
    assert!(!record.is_released);
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_has_one_worker() {
    let scene = Scene::new();
    let worker = scene.start().await;
    let shutdown = tokio_util::sync::CancellationToken::new();
    let second =
        outwork_worker::Worker::start(scene.config("worker"), scene.api.clone(), shutdown).await;
    assert!(
        second
            .unwrap_err()
            .to_string()
            .contains("another worker uses")
    );
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_looks_at_everything() {
    let scene = Scene::new();
    let mut config = scene.config("worker");
    let checks = outwork_worker::doctor::doctor(&config).await;
    let seen: Vec<_> = checks.iter().map(|check| (check.name, check.ok)).collect();
    assert_eq!(
        seen,
        [
            ("sandbox", true),
            ("limits", true),
            ("landlock", true),
            ("overlays", true),
            ("network", true),
            ("git", true),
            ("agents", true),
            ("disk", true)
        ],
        "{checks:#?}"
    );
    config.launcher = "/nonexistent".into();
    config.git.program = "/nonexistent/git".into();
    let checks = outwork_worker::doctor::doctor(&config).await;
    let broken = ["sandbox", "network", "git"];
    for check in checks.iter().filter(|check| broken.contains(&check.name)) {
        assert!(!check.ok && check.hint.is_some(), "{check:?}");
    }
}
