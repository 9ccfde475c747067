//! What the server wants of the worker itself: to drain, to retire, other slots, and nothing any more.

use outwork_api::worker::{Orders, WorkerDesired};
use outwork_worker::WorkerEnd;

use crate::fake_api::Mood;
use crate::scene::{Scene, WAIT, assert_empty, attempt};

fn orders(desired: WorkerDesired, deadline_ms: Option<u64>) -> Orders {
    Orders {
        desired,
        deadline_ms,
        slots: None,
    }
}

impl Scene {
    fn order(&self, orders: Orders) {
        self.api.change(|state| state.orders = orders);
    }

    async fn said(&self, capacity: (u32, u32, bool)) {
        let (slots, free, draining) = capacity;
        let wanted = (Some(slots), Some(free), draining);
        let what = format!("heartbeats say {capacity:?}");
        self.api
            .until(&what, |state| (state.capacity == wanted).then_some(()))
            .await;
    }

    async fn heartbeats(&self, more: u32) {
        let before = self.api.change(|state| state.heartbeats);
        self.api
            .until("heartbeats go on", |state| {
                (state.heartbeats >= before + more).then_some(())
            })
            .await;
    }

    fn is_taken(&self, number: u32) -> bool {
        self.api
            .change(|state| state.records.contains_key(&attempt(number)))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_worker_takes_nothing_and_hands_over_at_its_deadline() {
    let scene = Scene::new();
    let worker = scene.start().await;
    let agent = format!("echo mine >> README.md; {WAIT}");
    scene.api.offer(scene.assignment(1, agent));
    scene.heard(&attempt(1), "ready").await;
    scene.order(orders(WorkerDesired::Drain, Some(600_000)));
    scene
        .api
        .until("it drains", |state| state.capacity.2.then_some(()))
        .await;
    scene.api.offer(scene.assignment(2, "true"));
    scene.heartbeats(10).await;
    assert!(!scene.is_taken(2), "it was taken while draining");
    let records = scene.api.change(|state| state.records.clone());
    assert!(
        !records[&attempt(1)].is_released,
        "long before its deadline"
    );

    scene.order(orders(WorkerDesired::Drain, Some(0)));
    let record = scene
        .api
        .until("it is given back", |state| {
            let record = state.records.get(&attempt(1))?;
            record.is_released.then(|| record.clone())
        })
        .await;
    assert!(
        record.resumes,
        "another worker may go on from the checkpoint"
    );
    let saved = String::from_utf8_lossy(&record.uploads["checkpoint_diff"]).into_owned();
    assert!(saved.contains("+mine"), "{saved}");
    assert_eq!(record.checkpoints.len(), 1);
    // Drained, and still there.
    scene.heartbeats(5).await;
    assert!(!scene.is_taken(2));

    scene.order(Orders::default());
    assert_eq!(scene.finished(&attempt(2)).await.outcome(), "ok");
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_before_the_deadline_is_handed_in() {
    let scene = Scene::new();
    let worker = scene.start().await;
    let agent = format!("{WAIT}; echo mine >> README.md");
    scene.api.offer(scene.assignment(1, agent));
    scene.heard(&attempt(1), "ready").await;
    scene.order(orders(WorkerDesired::Retire, None));
    scene
        .api
        .until("it drains", |state| state.capacity.2.then_some(()))
        .await;
    worker.go(&attempt(1)).await;
    let record = scene.finished(&attempt(1)).await;
    assert!(record.diff().contains("+mine"));
    assert_eq!(worker.handle.join().await.unwrap(), WorkerEnd::Retired);
    assert!(scene.api.change(|state| state.is_deregistered));
    assert_empty(&worker.data);
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_change_while_attempts_run() {
    let scene = Scene::new();
    let mut config = scene.config("worker");
    config.slots = 1;
    let worker = scene.start_with(config).await;
    for number in [1, 2] {
        scene.api.offer(scene.assignment(number, WAIT));
    }
    scene.heard(&attempt(1), "ready").await;
    scene.said((1, 0, false)).await;
    assert!(!scene.is_taken(2));
    let slots = |slots| Orders {
        slots,
        ..Orders::default()
    };
    scene.order(slots(Some(3)));
    scene.heard(&attempt(2), "ready").await;
    scene.said((3, 1, false)).await;

    scene.order(slots(Some(1)));
    scene.said((1, 0, false)).await;
    scene.api.offer(scene.assignment(3, "true"));
    worker.go(&attempt(1)).await;
    assert_eq!(scene.finished(&attempt(1)).await.outcome(), "ok");
    scene.heartbeats(10).await;
    assert!(!scene.is_taken(3), "the only slot is taken");
    worker.go(&attempt(2)).await;
    assert_eq!(scene.finished(&attempt(2)).await.outcome(), "ok");
    assert_eq!(scene.finished(&attempt(3)).await.outcome(), "ok");
    scene.said((1, 1, false)).await;
    worker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_worker_stops_everything_and_ends() {
    let scene = Scene::new();
    let worker = scene.start().await;
    scene.api.offer(scene.assignment(1, WAIT));
    scene.heard(&attempt(1), "ready").await;
    let namespace = worker.namespace(&attempt(1)).await;
    assert!(!namespace.processes().is_empty());
    scene.api.change(|state| state.mood = Mood::Revoked);
    assert_eq!(worker.handle.join().await.unwrap(), WorkerEnd::Revoked);
    assert_eq!(namespace.processes(), [0_u32; 0]);
    assert_empty(&worker.data);
    let ended = scene.api.change(|state| {
        let record = &state.records[&attempt(1)];
        (
            record.is_released,
            record.finish.is_some(),
            state.is_deregistered,
        )
    });
    assert_eq!(ended, (false, false, false), "it says nothing more");

    let worker = scene.start().await;
    assert_eq!(
        worker.handle.join().await.unwrap(),
        WorkerEnd::Revoked,
        "at its registration"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_the_release_before_hears_only_what_it_knows() {
    let scene = Scene::new();
    scene.api.change(|state| state.is_older = true);
    let worker = scene.start().await;
    scene.api.offer(scene.assignment(1, "true"));
    assert_eq!(scene.finished(&attempt(1)).await.outcome(), "ok");
    scene
        .api
        .until("heartbeats are taken", |state| {
            (state.heartbeats > 2 && state.capacity == (None, None, false)).then_some(())
        })
        .await;
    let register = scene.api.change(|state| state.registrations.remove(0));
    assert_eq!((register.protocol_version, register.version), (3, None));
    worker.end().await;

    scene.api.change(|state| state.is_older = false);
    let worker = scene.start().await;
    scene.said((3, 3, false)).await;
    let register = scene.api.change(|state| state.registrations.pop()).unwrap();
    assert_eq!(register.version.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    worker.end().await;
}
