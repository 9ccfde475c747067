//! Several callers at once.

use std::collections::BTreeMap;

use outwork_domain::attempt::{Outcome, Refused};
use outwork_domain::{Desired, Epoch, State};
use outwork_store::StoreError;
use tokio::task::JoinSet;

use crate::bed::{Bed, at, events, result};

async fn an_attempt_is_claimed_by_one(bed: Bed) {
    const TASKS: usize = 40;
    for _ in 0..TASKS / 4 {
        bed.submit(4, at(0)).await;
    }
    let mut claimers = JoinSet::new();
    for number in 0..12 {
        let bed = bed.clone();
        claimers.spawn(async move {
            let worker = bed.worker();
            let mut mine = Vec::new();
            loop {
                let some = bed.claim_many(worker, 1 + number % 3, at(1)).await;
                if some.is_empty() {
                    return mine;
                }
                mine.extend(some.into_iter().map(|claimed| (claimed.attempt.id, worker)));
            }
        });
    }
    let claims: Vec<_> = claimers.join_all().await.into_iter().flatten().collect();
    let holders: BTreeMap<_, _> = claims.iter().copied().collect();
    assert_eq!(claims.len(), holders.len(), "one was given twice");
    assert_eq!(holders.len(), TASKS, "one was given to nobody");
    for (id, worker) in holders {
        let State::Held { lease, .. } = bed.state(id).await.state else {
            panic!("held");
        };
        assert_eq!((lease.worker, lease.epoch), (worker, Epoch::new(1)));
    }
}

async fn cancel_and_finish_do_not_both_win(bed: Bed) {
    for _ in 0..10 {
        let held = bed.held(at(0)).await.attempt;
        let (id, epoch) = (held.id, held.epoch);
        let finish = {
            let (bed, held) = (bed.clone(), held.clone());
            tokio::spawn(async move {
                bed.store
                    .finish(
                        bed.workspace,
                        id,
                        epoch,
                        Outcome::Succeeded,
                        result(&held),
                        0,
                        at(5),
                    )
                    .await
            })
        };
        let cancel = {
            let bed = bed.clone();
            tokio::spawn(async move { bed.store.cancel(bed.workspace, id, at(5)).await })
        };
        finish
            .await
            .expect("no panic")
            .expect("it holds the lease either way");
        let end = bed.state(id).await;
        match cancel.await.expect("no panic") {
            Ok(_) => {
                assert_eq!(end.state, State::Cancelled { ended_at: at(5) });
                assert_eq!(end.desired, Desired::Cancel { since: at(5) });
            }
            Err(StoreError::Refused(Refused::WrongState { .. })) => {
                assert_eq!(end.state, State::Succeeded { ended_at: at(5) });
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// Every verb at once on the same few attempts: no deadlock, and whatever wins, all is consistent.
async fn all_verbs_at_once_leave_it_consistent(bed: Bed) {
    for _ in 0..3 {
        bed.submit(2, at(0)).await;
    }
    let mut actors = JoinSet::new();
    for actor in 0..8_i64 {
        let bed = bed.clone();
        actors.spawn(async move {
            let (store, ws, worker) = (&bed.store, bed.workspace, bed.worker());
            for round in 0..6 {
                let now = at(actor + round * 40_000);
                store.reap(now, 5).await.expect("works");
                let held = bed.claim_many(worker, 2, now).await;
                let claims: Vec<_> = held
                    .iter()
                    .map(|c| (c.attempt.id, c.attempt.epoch))
                    .collect();
                store.renew(worker, &claims, now).await.expect("works");
                for claimed in held {
                    let (id, epoch) = (claimed.attempt.id, claimed.attempt.epoch);
                    let appended = store.append(ws, id, epoch, 1, events(1, 3), now).await;
                    lost_or(appended);
                    if actor % 4 == 0 {
                        lost_or(store.cancel_task(ws, claimed.task.id, now).await);
                    }
                    if round % 2 == 0 {
                        lost_or(store.release(ws, id, epoch, now).await);
                    }
                }
            }
        });
    }
    actors.join_all().await;
}

/// Another may have been faster; nothing else may go wrong.
fn lost_or<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    match answer {
        Ok(_) | Err(StoreError::Refused(_)) => {}
        Err(other) => panic!("{other:?}"),
    }
}

/// That many turns of the scheduler: finer than any timer.
async fn turns(count: u32) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

/// A caller whose client hung up is dropped wherever it waits. The connection that it used must be
/// as good as new for the next one.
async fn a_caller_that_is_dropped_leaves_no_transaction_open(bed: Bed) {
    let task = bed.submit(1, at(0)).await.task.id;
    for patience in (0..1200).step_by(4) {
        let read = bed.store.task(bed.workspace, task);
        tokio::select! {
            biased;
            _ = read => {}
            () = turns(patience) => {}
        }
        let write = bed.store.submit(bed.submission(1, at(1)), None);
        tokio::select! {
            biased;
            _ = write => {}
            () = turns(patience) => {}
        }
        // Whether those ended in time is what varies; that the next one works must not.
        bed.submit(1, at(1)).await;
    }
    let mut writers = JoinSet::new();
    for _ in 0..64 {
        let bed = bed.clone();
        writers.spawn(async move { bed.submit(1, at(2)).await });
    }
    assert_eq!(writers.join_all().await.len(), 64);
}

on_both!(
    a_caller_that_is_dropped_leaves_no_transaction_open,
    an_attempt_is_claimed_by_one,
    cancel_and_finish_do_not_both_win,
    all_verbs_at_once_leave_it_consistent,
);
