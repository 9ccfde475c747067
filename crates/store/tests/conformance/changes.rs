//! What is told after a commit.

use std::sync::Arc;

use outwork_domain::attempt::Outcome;
use outwork_domain::{Step, TaskId, WorkerId, WorkspaceId};
use outwork_store::Change;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;
use uuid::Uuid;

use crate::bed::{Bed, at, events, result};

/// Whatever was told but of tasks, of which [`told_of_tasks`] tells.
pub(crate) fn told(changes: &mut Receiver<Arc<[Change]>>) -> Vec<Change> {
    let mut told = all(changes);
    told.retain(|change| !matches!(change, Change::Task(_)));
    told
}

fn told_of_tasks(changes: &mut Receiver<Arc<[Change]>>) -> Vec<TaskId> {
    let task = |change| match change {
        Change::Task(task) => Some(task),
        Change::Attempt(_)
        | Change::Queue(_)
        | Change::Command(..)
        | Change::Worker(_)
        | Change::Job(_)
        | Change::Happened => None,
    };
    all(changes).into_iter().filter_map(task).collect()
}

fn all(changes: &mut Receiver<Arc<[Change]>>) -> Vec<Change> {
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

/// Not of what an agent says: that is for who follows the attempt.
async fn who_listens_is_told_which_tasks_changed(bed: Bed) {
    let mut changes = bed.store.changes();
    let (store, ws) = (&bed.store, bed.workspace);
    let submitted = bed.submit(1, at(0)).await;
    let (task, attempt) = (submitted.task.id, submitted.attempts[0].id);
    assert_eq!(told_of_tasks(&mut changes), [task]);
    let held = bed.claim(bed.worker(), at(1)).await.attempt;
    assert_eq!(told_of_tasks(&mut changes), [task]);
    store
        .append(ws, attempt, held.epoch, 1, events(1, 2), at(2))
        .await
        .expect("held");
    assert_eq!(told_of_tasks(&mut changes), []);
    store
        .advance(ws, attempt, held.epoch, Step::Running, at(3))
        .await
        .expect("held");
    assert_eq!(told_of_tasks(&mut changes), [task]);

    let other = bed.submit(1, at(4)).await.task.id;
    let both = store.task_changes(ws, &[other, task]).await.expect("works");
    assert_eq!(both, [(task, at(3)), (other, at(4))]);
    let foreign = WorkspaceId::from_uuid(Uuid::from_u128(77));
    let none = store.task_changes(foreign, &[other, task]).await;
    assert!(none.expect("works").is_empty());

    let since = async |from| {
        let found = store.task_changes_since(ws, at(from), 10).await;
        found.expect("works")
    };
    assert_eq!(since(3).await, [(task, at(3)), (other, at(4))]);
    assert_eq!(since(4).await, [(other, at(4))]);
    assert_eq!(since(5).await, []);
    let one = store.task_changes_since(ws, at(0), 1).await.expect("works");
    assert_eq!(one, [(task, at(3))], "oldest first");
}

on_both!(
    who_listens_is_told_of_what_was_committed,
    who_listens_is_told_which_tasks_changed,
);
