//! What is told after a commit.

use std::sync::Arc;

use outwork_domain::attempt::Outcome;
use outwork_domain::{Step, WorkerId};
use outwork_store::Change;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use crate::bed::{Bed, at, events, result};

pub(crate) fn told(changes: &mut Receiver<Arc<[Change]>>) -> Vec<Change> {
    let mut told = Vec::new();
    loop {
        match changes.try_recv() {
            Ok(commit) => told.extend(commit.iter().copied()),
            Err(TryRecvError::Empty) => return told,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn who_listens_is_told_of_what_was_committed(bed: Bed) {
    let mut changes = bed.store.changes();
    let (store, ws) = (&bed.store, bed.workspace);
    let ids = bed.submit(2, at(0)).await.attempts;
    let [one, two] = [ids[0].id, ids[1].id];
    let queue = Change::Queue(ws);
    assert_eq!(
        told(&mut changes),
        [Change::Attempt(one), queue, Change::Attempt(two)]
    );
    let worker: WorkerId = bed.worker();
    let held = bed.claim(worker, at(1)).await.attempt;
    assert_eq!(told(&mut changes), [Change::Attempt(one)]);
    store
        .renew(worker, &[(one, held.epoch)], at(2))
        .await
        .expect("works");
    assert_eq!(told(&mut changes), [], "nothing that anybody sees");
    store
        .append(ws, one, held.epoch, 1, events(1, 2), at(2))
        .await
        .expect("held");
    assert_eq!(told(&mut changes), [Change::Attempt(one)]);
    store
        .append(ws, one, held.epoch, 1, events(1, 2), at(2))
        .await
        .expect("held");
    assert_eq!(told(&mut changes), [], "stored before");
    store
        .advance(ws, one, held.epoch, Step::Running, at(3))
        .await
        .expect("held");
    assert_eq!(told(&mut changes), [Change::Attempt(one)]);
    store.cancel(ws, one, at(4)).await.expect("held");
    let cancel = Change::Command(one, held.epoch, worker);
    assert_eq!(told(&mut changes), [Change::Attempt(one), cancel]);
    store
        .finish(
            ws,
            one,
            held.epoch,
            Outcome::Cancelled,
            result(&held),
            2,
            at(5),
        )
        .await
        .expect("held");
    assert_eq!(told(&mut changes), [Change::Attempt(one)]);
    store
        .finish(
            ws,
            one,
            held.epoch,
            Outcome::Cancelled,
            result(&held),
            2,
            at(5),
        )
        .await
        .expect_err("ended");
    assert_eq!(told(&mut changes), [], "a refused write changed nothing");
    let held = bed.claim(worker, at(6)).await.attempt;
    store
        .release(ws, two, held.epoch, at(7))
        .await
        .expect("held");
    assert_eq!(
        told(&mut changes),
        [Change::Attempt(two), Change::Attempt(two), queue]
    );
}

on_both!(who_listens_is_told_of_what_was_committed);
