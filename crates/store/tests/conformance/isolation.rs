//! A row of another workspace is never seen and never written.

use outwork_domain::attempt::Outcome;
use outwork_domain::principal::Worker;
use outwork_domain::{State, Step};
use outwork_store::{ModelRecord, StoreError, TaskFilter};

use crate::bed::{Bed, at, events, result};
use crate::environments::stored;

fn unseen<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    assert!(matches!(answer, Err(StoreError::NotFound)), "{answer:?}");
}

async fn nothing_of_another_workspace_is_read(bed: Bed) {
    let other = bed.other_workspace().await;
    let held = bed.held(at(0)).await;
    let id = held.attempt.id;
    let model = ModelRecord {
        base_url: "http://127.0.0.1".into(),
        name: "m".into(),
        sealed_key: None,
        context_window: 1,
        prices: None,
        updated_at: at(0),
    };
    bed.store
        .set_model(bed.workspace, model.clone())
        .await
        .expect("works");
    let worker = Worker {
        id: bed.worker(),
        workspace_id: bed.workspace,
        name: "w".into(),
        slots: 1,
        agents: Vec::new(),
        isolation: Some("namespaces".into()),
        labels: Default::default(),
        versions: Default::default(),
    };
    bed.store
        .register_worker(&worker, at(0))
        .await
        .expect("new");
    let (store, ws) = (&bed.store, other.workspace);
    assert_eq!(store.worker(ws, worker.id).await.expect("works"), None);
    assert_eq!(store.task(ws, held.task.id).await.expect("works"), None);
    assert_eq!(store.attempt(ws, id).await.expect("works"), None);
    assert!(store.events(ws, id, 0, 99).await.expect("works").is_empty());
    assert_eq!(
        store
            .environment(ws, bed.environment.id)
            .await
            .expect("works"),
        None
    );
    let found = store.environment_by_label(ws, "main").await.expect("works");
    assert_eq!(found, Some(stored(&other.environment)));
    let listed = store.environments(ws, 9, None).await.expect("works");
    assert_eq!(listed.items, [stored(&other.environment)]);
    assert_eq!(store.model(ws).await.expect("works"), None);
    store.delete_model(ws).await.expect("its own");
    let kept = store.model(bed.workspace).await.expect("works");
    assert_eq!(kept, Some(model));
    assert!(store.workers(ws).await.expect("works").is_empty());
    for environment in [None, Some(bed.environment.id)] {
        let filter = TaskFilter {
            environment,
            kind: None,
        };
        let tasks = store.tasks(ws, filter, 9, None).await.expect("works");
        assert!(tasks.items.is_empty());
    }
    bed.submit(1, at(0)).await;
    assert!(other.claim_many(worker.id, 9, at(1)).await.is_empty());
    let cursor = bed.environment.id.to_string();
    let refused = store.environments(ws, 9, Some(&cursor)).await;
    assert!(matches!(refused, Err(StoreError::BadCursor)), "{refused:?}");
}

async fn nothing_of_another_workspace_is_written(bed: Bed) {
    let other = bed.other_workspace().await;
    let held = bed.held(at(0)).await;
    let (id, epoch) = (held.attempt.id, held.attempt.epoch);
    let before = (bed.record(held.task.id).await, bed.log(id).await);
    let (store, ws) = (&bed.store, other.workspace);
    unseen(store.advance(ws, id, epoch, Step::Running, at(1)).await);
    unseen(store.append(ws, id, epoch, 1, events(1, 1), at(1)).await);
    unseen(
        store
            .finish(
                ws,
                id,
                epoch,
                Outcome::Succeeded,
                result(&held.attempt),
                0,
                at(1),
            )
            .await,
    );
    unseen(store.release(ws, id, epoch, at(1)).await);
    unseen(store.cancel(ws, id, at(1)).await);
    unseen(store.cancel_task(ws, held.task.id, at(1)).await);
    let turn = other.turn(held.task.id, 2, at(1));
    let attempts = other.attempts(&turn, 1, at(1));
    unseen(store.add_turn(ws, turn, attempts, None).await);
    let mut stolen = bed.environment.clone();
    stolen.workspace_id = ws;
    unseen(store.update_environment(&stolen, Vec::new(), None).await);
    unseen(store.delete_environment(ws, stolen.id, at(1)).await);
    let mut submission = other.submission(1, at(1));
    submission.task.environment_id = bed.environment.id;
    let refused = store.submit(submission, None).await;
    assert!(
        matches!(refused, Err(StoreError::UnknownEnvironment)),
        "{refused:?}"
    );
    assert_eq!((bed.record(held.task.id).await, bed.log(id).await), before);
}

async fn a_worker_belongs_to_one_workspace(bed: Bed) {
    let other = bed.other_workspace().await;
    let mine = Worker {
        id: bed.worker(),
        workspace_id: bed.workspace,
        name: "w".into(),
        slots: 1,
        agents: Vec::new(),
        isolation: Some("namespaces".into()),
        labels: Default::default(),
        versions: Default::default(),
    };
    bed.store.register_worker(&mine, at(0)).await.expect("new");
    let stolen = Worker {
        workspace_id: other.workspace,
        name: "stolen".into(),
        ..mine.clone()
    };
    unseen(bed.store.register_worker(&stolen, at(1)).await);
    unseen(
        bed.store
            .remove_worker(other.workspace, mine.id, at(0))
            .await,
    );
    let seen = bed.store.worker(other.workspace, mine.id).await;
    assert_eq!(seen.expect("works"), None);
    let listed = bed.store.workers(bed.workspace).await.expect("works");
    assert_eq!(listed[0].worker, mine);
}

async fn each_workspace_runs_its_own_tasks(bed: Bed) {
    let other = bed.other_workspace().await;
    let here = bed.submit(1, at(0)).await.attempts[0].id;
    let there = other.submit(1, at(0)).await.attempts[0].id;
    let worker = bed.worker();
    assert_eq!(other.claim(worker, at(1)).await.attempt.id, there);
    assert_eq!(bed.claim(worker, at(1)).await.attempt.id, here);
    other
        .store
        .cancel(other.workspace, there, at(2))
        .await
        .expect("its own");
    assert!(matches!(bed.state(here).await.state, State::Held { .. }));
}

on_both!(
    nothing_of_another_workspace_is_read,
    nothing_of_another_workspace_is_written,
    a_worker_belongs_to_one_workspace,
    each_workspace_runs_its_own_tasks,
);
