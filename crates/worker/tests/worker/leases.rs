//! Who lost a lease stops; who lost only the server goes on.

use outwork_api::event::EventBody;

use crate::fake_api::Mood;
use crate::scene::{Scene, WAIT, attempt, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_lease_kills_the_sandbox_and_hands_nothing_in() {
    let scene = Scene::new();
    let worker = scene.start().await;
    scene
        .api
        .offer(scene.assignment(1, "echo ready; setsid sleep 1000 & sleep 1000"));
    scene.heard(&attempt(1), "ready").await;
    let namespace = worker.namespace(&attempt(1)).await;
    assert!(!namespace.processes().is_empty());
    scene
        .api
        .change(|state| state.records.get_mut(&attempt(1)).unwrap().is_stale = true);
    until("the sandbox is gone", || {
        namespace.processes().is_empty().then_some(())
    })
    .await;
    let directory = worker.directory(&attempt(1));
    until("its directory is gone", || {
        (!directory.exists()).then_some(())
    })
    .await;
    let record = scene.api.change(|state| state.records[&attempt(1)].clone());
    assert!(
        record.finish.is_none() && record.uploads.is_empty(),
        "{record:?}"
    );

    // The worker is free for others.
    scene.api.offer(scene.assignment(2, "true"));
    assert_eq!(scene.finished(&attempt(2)).await.outcome(), "ok");
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_for_many_leases_loses_nothing() {
    let scene = Scene::new();
    let worker = scene.start().await;
    let command = format!("{WAIT}; for i in $(seq 2000); do echo line $i; done; echo x > x.txt");
    let mut assignment = scene.assignment(1, command);
    assignment.lease_ms = 150;
    scene.api.offer(assignment);
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
    // Ten leases in which nobody hears of it.
    let away_until = std::time::Instant::now() + std::time::Duration::from_millis(1500);
    until("ten leases have passed", || {
        (std::time::Instant::now() > away_until).then_some(())
    })
    .await;
    assert!(
        scene
            .api
            .change(|state| state.records[&attempt(1)].finish.is_none())
    );
    scene.api.change(|state| state.mood = Mood::Up);
    let record = scene.finished(&attempt(1)).await;
    assert_eq!(record.outcome(), "ok");
    assert_eq!(scene.applied(&record, "x.txt").as_deref(), Some("x\n"));
    let lines: Vec<String> = (1..=2000).map(|number| format!("line {number}")).collect();
    assert_eq!(record.output(), format!("ready\n{}\n", lines.join("\n")));
    let steps = record
        .events
        .iter()
        .filter(|event| matches!(event.body, EventBody::StepFinished { .. }))
        .count();
    assert_eq!(steps, 4, "each event came once");
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_the_worker_stops_it_within_the_lease() {
    let scene = Scene::new();
    let worker = scene.start().await;
    let mut assignment = scene.assignment(1, "echo ready; sleep 1000");
    assignment.lease_ms = 900;
    scene.api.offer(assignment);
    scene.heard(&attempt(1), "ready").await;
    let namespace = worker.namespace(&attempt(1)).await;
    scene.api.change(|state| state.mood = Mood::Refusing);
    until("the sandbox is gone", || {
        namespace.processes().is_empty().then_some(())
    })
    .await;
    scene.api.change(|state| state.mood = Mood::Up);
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lost_events_gets_them_again() {
    let scene = Scene::new();
    let worker = scene.start().await;
    scene
        .api
        .offer(scene.assignment(1, format!("{WAIT}; echo two")));
    scene.heard(&attempt(1), "ready").await;
    // As after a restore from a backup.
    scene
        .api
        .change(|state| state.records.get_mut(&attempt(1)).unwrap().events.clear());
    worker.go(&attempt(1)).await;
    let record = scene.finished(&attempt(1)).await;
    assert_eq!(record.output(), "ready\ntwo\n");
    assert_eq!(
        record.steps,
        ["preparing", "setting_up", "running", "collecting"]
    );
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_the_server_forgot_registers_again() {
    let scene = Scene::new();
    let worker = scene.start().await;
    assert_eq!(
        worker.handle.registered().await.as_deref(),
        Some("wkr_00000000000000000000000000000001")
    );
    scene.api.change(|state| state.forgets_worker = true);
    scene
        .api
        .until("it registers again", |state| {
            (state.registrations.len() == 2).then_some(())
        })
        .await;
    let again = scene.api.change(|state| state.registrations[1].clone());
    assert_eq!(
        again.worker.as_deref(),
        Some("wkr_00000000000000000000000000000001")
    );
    assert_eq!(again.agents, ["command", "none"]);
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_installed_meanwhile_is_told_to_the_server() {
    let scene = Scene::new();
    let config = scene.config("worker");
    let agents = config.agents_dir.clone();
    let worker = scene.start_with(config).await;
    worker.handle.registered().await;
    let program = agents
        .join("codex")
        .join(outwork_agents::codex::CODEX_VERSION)
        .join("bin");
    std::fs::create_dir_all(&program).unwrap();
    std::fs::write(program.join("codex"), "").unwrap();
    scene
        .api
        .until("codex is named", |state| {
            (state.registrations.last()?.agents == ["command", "codex", "none"]).then_some(())
        })
        .await;
    worker.end().await;
}

/// One thread for everything but the heartbeats, and it is blocked.
#[tokio::test(flavor = "current_thread")]
async fn a_worker_that_is_starved_still_renews_its_leases() {
    let scene = Scene::new();
    let worker = scene.start().await;
    scene
        .api
        .offer(scene.assignment(1, "echo ready; sleep 1000"));
    scene.heard(&attempt(1), "ready").await;
    let renewed = || {
        scene
            .api
            .change(|state| state.records[&attempt(1)].heartbeats)
    };
    let before = renewed();
    let give_up_at = std::time::Instant::now() + std::time::Duration::from_secs(40);
    while renewed() < before + 5 {
        assert!(
            std::time::Instant::now() < give_up_at,
            "no heartbeat while the runtime is blocked"
        );
        std::thread::yield_now();
    }
    scene
        .api
        .command(&attempt(1), outwork_api::worker::Desired::Cancel);
    assert_eq!(scene.finished(&attempt(1)).await.outcome(), "cancelled");
    worker.end().await;
}
