//! Time, wishes and floods.

use std::time::Duration;

use outwork_api::event::EventBody;
use outwork_api::worker::Desired;
use outwork_worker::Timing;

use crate::scene::{Scene, WAIT, attempt};

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_keeps_the_work() {
    let scene = Scene::new();
    // Also an agent that closes its output and one that ignores signals.
    let mut assignment = scene.assignment(
        1,
        "echo part > part.txt; trap '' TERM INT HUP; exec >&- 2>&-; sleep 1000",
    );
    assignment.limits.running_ms = 1000;
    let record = scene.run(assignment).await;
    assert_eq!(record.outcome(), "timed_out");
    assert!(
        record
            .failure()
            .message
            .contains("The agent took longer than 1 s"),
        "{:?}",
        record.failure()
    );
    assert_eq!(
        scene.applied(&record, "part.txt").as_deref(),
        Some("part\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setup_script_has_a_limit_of_its_own() {
    let scene = Scene::new();
    let mut assignment = scene.assignment(1, "true");
    assignment.setup_script = Some("sleep 1000".to_owned());
    assignment.limits.setting_up_ms = 300;
    let record = scene.run(assignment).await;
    assert_eq!(record.outcome(), "timed_out");
    assert!(
        record.failure().message.contains("The setup script"),
        "{:?}",
        record.failure()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_left_in_the_background_does_not_hold_the_attempt() {
    let scene = Scene::new();
    let record = scene
        .run(scene.assignment(1, "setsid sleep 1000 & disown; echo done"))
        .await;
    assert_eq!(
        (record.outcome().as_str(), record.output().as_str()),
        ("ok", "done\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_keeps_the_work() {
    let scene = Scene::new();
    let worker = scene.start().await;
    scene
        .api
        .offer(scene.assignment(1, "echo part > part.txt; echo ready; sleep 1000"));
    scene.heard(&attempt(1), "ready").await;
    scene.api.command(&attempt(1), Desired::Cancel);
    let record = scene.finished(&attempt(1)).await;
    assert_eq!(record.outcome(), "cancelled");
    assert_eq!(
        scene.applied(&record, "part.txt").as_deref(),
        Some("part\n")
    );
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_wins_in_the_steps_before_the_agent() {
    let scene = Scene::new();
    let worker = scene.start().await;
    let mut assignment = scene.assignment(1, "echo the agent ran");
    assignment.setup_script = Some("echo ready; sleep 1000".to_owned());
    scene.api.offer(assignment);
    scene.heard(&attempt(1), "ready").await;
    // By the heartbeat alone.
    scene.api.change(|state| {
        state.records.get_mut(&attempt(1)).unwrap().desired = Some(Desired::Cancel)
    });
    let record = scene.finished(&attempt(1)).await;
    assert_eq!(
        (record.outcome().as_str(), record.output().as_str()),
        ("cancelled", "ready\n")
    );
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_output_is_bounded() {
    let scene = Scene::new();
    let mut config = scene.config("worker");
    config.timing = Timing {
        log_bytes: 2 << 20,
        ..config.timing
    };
    let worker = scene.start_with(config).await;
    scene
        .api
        .offer(scene.assignment(1, "yes | head -c 60000000; echo work > work.txt"));
    let record = scene.finished(&attempt(1)).await;
    assert_eq!(record.outcome(), "ok");
    assert_eq!(
        scene.applied(&record, "work.txt").as_deref(),
        Some("work\n")
    );
    let length = record.output().len();
    assert!((1 << 20..3 << 20).contains(&length), "{length}");
    assert!(
        record.events.len() < 1000,
        "joined: {}",
        record.events.len()
    );
    assert_eq!(record.warnings().len(), 1);
    let after = record
        .events
        .iter()
        .skip_while(|event| !matches!(event.body, EventBody::Warning { .. }));
    assert!(after.count() > 3, "the worker's own events go on");
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_lets_work_end_and_giving_back_kills_it() {
    let scene = Scene::new();
    let worker = scene.start().await;
    scene.api.offer(scene.assignment(1, WAIT));
    scene.heard(&attempt(1), "ready").await;
    worker.shutdown.cancel();
    let before = scene
        .api
        .change(|state| state.records[&attempt(1)].heartbeats);
    // Leases are renewed while the worker drains.
    scene
        .api
        .until("heartbeats go on", |state| {
            (state.records[&attempt(1)].heartbeats > before + 3).then_some(())
        })
        .await;
    worker.go(&attempt(1)).await;
    assert_eq!(scene.finished(&attempt(1)).await.outcome(), "ok");
    worker.end().await;
    assert!(scene.api.change(|state| state.is_deregistered));

    let worker = scene.start().await;
    scene
        .api
        .offer(scene.assignment(2, "echo ready; sleep 1000"));
    scene.heard(&attempt(2), "ready").await;
    let namespace = worker.namespace(&attempt(2)).await;
    worker.shutdown.cancel();
    worker.handle.stop_now();
    worker.end().await;
    assert_eq!(namespace.processes(), [0_u32; 0]);
    let record = scene.api.change(|state| state.records[&attempt(2)].clone());
    assert!(record.is_released && record.finish.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn more_is_taken_only_when_there_is_room() {
    let scene = Scene::new();
    let mut config = scene.config("worker");
    config.slots = 1;
    config.timing.acquire_wait = Duration::from_millis(200);
    let worker = scene.start_with(config).await;
    scene.api.offer(scene.assignment(1, WAIT));
    scene.heard(&attempt(1), "ready").await;
    scene.api.offer(scene.assignment(2, "true"));
    let before = scene
        .api
        .change(|state| state.records[&attempt(1)].heartbeats);
    scene
        .api
        .until("some heartbeats pass", |state| {
            (state.records[&attempt(1)].heartbeats > before + 5).then_some(())
        })
        .await;
    assert_eq!(scene.api.change(|state| state.queue.len()), 1);
    worker.go(&attempt(1)).await;
    assert_eq!(scene.finished(&attempt(2)).await.outcome(), "ok");
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_space_takes_nothing() {
    let scene = Scene::new();
    let mut config = scene.config("worker");
    config.timing.reserve_bytes = u64::MAX;
    let worker = scene.start_with(config).await;
    scene.api.offer(scene.assignment(1, "true"));
    scene
        .api
        .until("it is alive", |state| (state.heartbeats > 5).then_some(()))
        .await;
    assert_eq!(scene.api.change(|state| state.queue.len()), 1);
    worker.end().await;
}
