//! Workers that registered.

use std::collections::BTreeMap;

use outwork_domain::WorkerId;
use outwork_domain::principal::Worker;
use outwork_store::{StoreError, WorkerRecord};

use crate::bed::{Bed, at};

fn worker(bed: &Bed, id: WorkerId, name: &str) -> Worker {
    Worker {
        id,
        workspace_id: bed.workspace,
        name: name.into(),
        slots: 2,
        agents: vec!["codex".into(), "command".into()],
        isolation: Some("oci:crun".into()),
        labels: Default::default(),
        versions: Default::default(),
    }
}

fn record(worker: Worker) -> WorkerRecord {
    WorkerRecord {
        worker,
        seen_at: at(0),
        attempts: Vec::new(),
        free_slots: None,
        draining: false,
        enrolled: false,
        orders: Default::default(),
    }
}

async fn a_worker_is_listed_with_what_it_holds(bed: Bed) {
    let (one, two) = (bed.worker(), bed.worker());
    let [first, second] = [worker(&bed, one, "b"), worker(&bed, two, "a")];
    bed.store.register_worker(&first, at(0)).await.expect("new");
    bed.store
        .register_worker(&second, at(1))
        .await
        .expect("new");
    bed.submit(2, at(0)).await;
    let held = bed.claim_many(one, 2, at(1)).await;
    let attempts: Vec<_> = held.iter().map(|claimed| claimed.attempt.id).collect();
    let wanted = [
        WorkerRecord {
            seen_at: at(1),
            attempts: Vec::new(),
            ..record(second)
        },
        WorkerRecord {
            seen_at: at(0),
            attempts,
            ..record(first.clone())
        },
    ];
    assert_eq!(
        bed.store.workers(bed.workspace).await.expect("works"),
        wanted
    );
    for record in wanted {
        let alone = bed.store.worker(bed.workspace, record.worker.id).await;
        assert_eq!(alone.expect("works"), Some(record));
    }
    let done = &held[0].attempt;
    bed.store
        .release(bed.workspace, done.id, done.epoch, at(2))
        .await
        .expect("held");
    for ms in [9, 8] {
        let heard = BTreeMap::from([(one, at(ms))]);
        bed.store.touch_workers(heard).await.expect("works");
    }
    let alone = bed.store.worker(bed.workspace, one).await.expect("works");
    assert_eq!(alone.expect("registered").seen_at, at(9));
    let renamed = Worker {
        name: "c".into(),
        slots: 0,
        agents: Vec::new(),
        isolation: Some("namespaces".into()),
        labels: Default::default(),
        versions: Default::default(),
        ..first
    };
    bed.store
        .register_worker(&renamed, at(10))
        .await
        .expect("known");
    let listed = bed.store.workers(bed.workspace).await.expect("works");
    let wanted = WorkerRecord {
        seen_at: at(10),
        attempts: vec![held[1].attempt.id],
        ..record(renamed)
    };
    assert_eq!(listed[1], wanted);
    let alone = bed.store.worker(bed.workspace, one).await;
    assert_eq!(alone.expect("works"), Some(wanted));
}

async fn a_removed_worker_is_unknown(bed: Bed) {
    let id = bed.worker();
    let missing = |answer: Result<(), StoreError>| {
        assert!(matches!(answer, Err(StoreError::NotFound)), "{answer:?}");
    };
    missing(bed.store.remove_worker(bed.workspace, id, at(0)).await);
    bed.store
        .register_worker(&worker(&bed, id, "a"), at(0))
        .await
        .expect("new");
    bed.store
        .remove_worker(bed.workspace, id, at(0))
        .await
        .expect("registered");
    let heard = BTreeMap::from([(id, at(1))]);
    bed.store.touch_workers(heard).await.expect("works");
    let alone = bed.store.worker(bed.workspace, id).await;
    assert_eq!(alone.expect("works"), None);
    assert!(
        bed.store
            .workers(bed.workspace)
            .await
            .expect("works")
            .is_empty()
    );
}

on_both!(
    a_worker_is_listed_with_what_it_holds,
    a_removed_worker_is_unknown,
);
