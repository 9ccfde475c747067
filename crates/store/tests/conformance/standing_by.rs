//! Standing by for what is queued next. Where the database does not do it, nobody stands by.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

use outwork_domain::labels::Labels;
use outwork_domain::principal::Worker;
use outwork_domain::{AttemptId, Epoch, Timestamp, WorkerId};
use outwork_store::{Change, Claimed, Expulsion, Standby, StoreError};

use tokio::task::JoinSet;

use crate::bed::{Bed, agents, at};
use crate::changes::told;

type Given = Standby<Vec<Claimed>>;

async fn register(bed: &Bed, labels: Labels) -> Worker {
    let worker = Worker {
        id: bed.worker(),
        workspace_id: bed.workspace,
        name: "w".into(),
        slots: 1,
        agents: agents(),
        isolation: Some("none".into()),
        labels,
        versions: Default::default(),
    };
    let registered = bed.store.register_worker(&worker, at(0)).await;
    registered.expect("it registers");
    worker
}

/// A registered worker stands by for one attempt. What its environment asks for is known.
async fn stand_by(bed: &Bed) -> Option<(WorkerId, Given)> {
    let worker = register(bed, Labels::new()).await;
    bed.claim_many(worker.id, 1, at(1)).await;
    let given = stands(bed, &worker, at(10))?;
    Some((worker.id, given))
}

fn stands(bed: &Bed, worker: &Worker, now: Timestamp) -> Option<Given> {
    let when = Box::new(move || Some(now));
    let Worker {
        id, agents, labels, ..
    } = worker;
    bed.store
        .stand_by(bed.workspace, *id, agents, labels, 1, when)
}

/// The environment is known to the schedule from its first attempt on.
async fn known(bed: &Bed) {
    bed.held(at(0)).await;
}

async fn ids(given: &mut Given) -> Vec<AttemptId> {
    let claimed = given.done().await.expect("it is given");
    claimed.iter().map(|claimed| claimed.attempt.id).collect()
}

/// Whether it was not given anything yet.
fn waits(given: &mut Given) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    pin!(given.done()).poll(&mut context).is_pending()
}

async fn what_is_queued_is_given_to_whoever_stands_by_longest(bed: Bed) {
    known(&bed).await;
    let (Some((one, mut first)), Some((_, mut second))) =
        (stand_by(&bed).await, stand_by(&bed).await)
    else {
        return;
    };
    let mut changes = bed.store.changes();
    let attempt = bed.submit(1, at(9)).await.attempts[0].id;
    let claimed = first.done().await.expect("it is given").remove(0);
    assert_eq!(claimed.attempt.epoch, Epoch::new(1));
    assert_eq!(bed.state(attempt).await, claimed.attempt);
    let leased = format!(r#"{{"state":"leased","type":"state","worker":"{one}"}}"#);
    assert_eq!(bed.log(attempt).await[1], leased);
    let told = told(&mut changes);
    assert_eq!(
        told,
        [Change::Attempt(attempt); 2],
        "nobody else has to look"
    );
    assert!(waits(&mut second), "nothing is left");
    let next = bed.submit(1, at(10)).await.attempts[0].id;
    assert_eq!(ids(&mut second).await, [next]);
}

async fn what_is_left_is_told_of(bed: Bed) {
    known(&bed).await;
    let Some((_, mut given)) = stand_by(&bed).await else {
        return;
    };
    let mut changes = bed.store.changes();
    let attempts = bed.submit(2, at(9)).await.attempts;
    assert_eq!(ids(&mut given).await, [attempts[0].id]);
    let told = told(&mut changes);
    assert!(told.contains(&Change::Queue(bed.workspace)), "{told:?}");
    assert_eq!(
        bed.claim(bed.worker(), at(11)).await.attempt.id,
        attempts[1].id
    );
}

async fn a_worker_that_may_not_have_it_keeps_its_place(bed: Bed) {
    known(&bed).await;
    let gives_out = Arc::new(AtomicBool::new(false));
    let worker = register(&bed, Labels::new()).await;
    let may = Arc::clone(&gives_out);
    let when = Box::new(move || may.load(Ordering::Relaxed).then_some(at(10)));
    let given = bed
        .store
        .stand_by(bed.workspace, worker.id, &agents(), &Labels::new(), 1, when);
    let mut other = register(&bed, Labels::new()).await;
    other.agents = vec!["another".into()];
    let (Some(mut given), Some(mut unfit)) = (given, stands(&bed, &other, at(10))) else {
        return;
    };
    let mut changes = bed.store.changes();
    let first = bed.submit(1, at(9)).await.attempts[0].id;
    let told = told(&mut changes);
    assert_eq!(told, [Change::Attempt(first), Change::Queue(bed.workspace)]);
    gives_out.store(true, Ordering::Relaxed);
    bed.submit(1, at(10)).await;
    assert_eq!(ids(&mut given).await, [first], "the older one comes first");
    assert!(waits(&mut unfit));
}

async fn one_that_is_forgotten_hears_of_it(bed: Bed) {
    known(&bed).await;
    let Some((worker, mut given)) = stand_by(&bed).await else {
        return;
    };
    let gone = bed
        .store
        .expel_worker(bed.workspace, worker, Expulsion::Gone, at(5));
    gone.await.expect("it is registered");
    let attempt = bed.submit(1, at(9)).await.attempts[0].id;
    assert!(matches!(given.done().await, Err(StoreError::NotFound)));
    assert_eq!(bed.claim(bed.worker(), at(11)).await.attempt.id, attempt);
}

async fn one_that_left_is_given_nothing(bed: Bed) {
    known(&bed).await;
    let (Some((_, left)), Some((_, dropped))) = (stand_by(&bed).await, stand_by(&bed).await) else {
        return;
    };
    assert!(left.end().is_none(), "nothing was queued");
    drop(dropped);
    let attempt = bed.submit(1, at(9)).await.attempts[0].id;
    assert_eq!(bed.state(attempt).await.epoch, Epoch::ZERO);
    assert_eq!(bed.claim(bed.worker(), at(11)).await.attempt.id, attempt);
}

async fn one_that_leaves_too_late_hears_what_it_was_given(bed: Bed) {
    known(&bed).await;
    let Some((_, given)) = stand_by(&bed).await else {
        return;
    };
    let attempt = bed.submit(1, at(9)).await.attempts[0].id;
    let last = given.end().expect("it was called").done().await;
    assert_eq!(last.expect("it is given")[0].attempt.id, attempt);
}

async fn all_at_once_each_is_given_to_one(bed: Bed) {
    const MANY: usize = 40;
    known(&bed).await;
    let mut standing = Vec::new();
    for _ in 0..MANY {
        match stand_by(&bed).await {
            Some((_, given)) => standing.push(given),
            None => return,
        }
    }
    let mut submissions = JoinSet::new();
    for _ in 0..2 * MANY {
        let bed = bed.clone();
        submissions.spawn(async move { bed.submit(1, at(9)).await.attempts[0].id });
    }
    let mut submitted = submissions.join_all().await;
    let mut given = Vec::new();
    for standing in &mut standing {
        given.extend(ids(standing).await);
    }
    assert_eq!(given.len(), MANY);
    let left = bed.claim_many(bed.worker(), 100, at(11)).await;
    given.extend(left.iter().map(|claimed| claimed.attempt.id));
    given.sort();
    submitted.sort();
    assert_eq!(given, submitted);
}

on_both!(
    what_is_queued_is_given_to_whoever_stands_by_longest,
    what_is_left_is_told_of,
    a_worker_that_may_not_have_it_keeps_its_place,
    one_that_is_forgotten_hears_of_it,
    one_that_left_is_given_nothing,
    one_that_leaves_too_late_hears_what_it_was_given,
    all_at_once_each_is_given_to_one,
);
