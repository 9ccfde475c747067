//! What operators want of workers, and how workers leave.

use std::collections::BTreeMap;

use outwork_domain::principal::{Worker, WorkerDesired, WorkerOrders};
use outwork_domain::{ObjectKey, State, WorkerId};
use outwork_store::{AttemptResult, Capacity, Change, Expulsion, Order, StoreError};

use crate::bed::{Bed, agents, at, limits};
use crate::changes::told;

fn order(desired: WorkerDesired, deadline: Option<i64>) -> Order {
    Order::Desired {
        desired,
        deadline_at: deadline.map(at),
    }
}

impl Bed {
    async fn registered(&self, now: i64) -> WorkerId {
        let id = self.worker();
        self.register(id, now).await;
        id
    }

    async fn register(&self, id: WorkerId, now: i64) {
        let worker = Worker {
            id,
            workspace_id: self.workspace,
            name: "w".into(),
            slots: 4,
            agents: agents(),
            isolation: Some("namespaces".into()),
            labels: Default::default(),
            versions: Default::default(),
        };
        let registered = self.store.register_worker(&worker, at(now)).await;
        registered.expect("works");
    }

    async fn order(&self, worker: WorkerId, order: Order) {
        let ordered = self.store.order_worker(self.workspace, worker, order);
        ordered.await.expect("it is known");
    }

    async fn orders(&self, worker: WorkerId) -> WorkerOrders {
        let record = self.store.worker(self.workspace, worker).await;
        record.expect("works").expect("registered").orders
    }

    async fn taken(&self, worker: WorkerId, now: i64) -> usize {
        let claimed = self
            .store
            .claim(self.workspace, worker, &agents(), 10, at(now))
            .await;
        claimed.expect("works").len()
    }
}

async fn a_draining_worker_is_given_nothing(bed: Bed) {
    let worker = bed.registered(0).await;
    bed.submit(2, at(0)).await;
    let mut changes = bed.store.changes();
    bed.order(worker, order(WorkerDesired::Drain, Some(50)))
        .await;
    assert_eq!(told(&mut changes).first(), Some(&Change::Worker(worker)));
    let wanted = WorkerOrders {
        desired: WorkerDesired::Drain,
        deadline_at: Some(at(50)),
        slots: None,
    };
    assert_eq!(bed.orders(worker).await, wanted);
    assert_eq!(bed.taken(worker, 1).await, 0);
    // Over its restart, and the deadline is no end of it.
    let removed = bed.store.remove_worker(bed.workspace, worker, at(2)).await;
    removed.expect("registered");
    bed.register(worker, 3).await;
    assert_eq!(bed.orders(worker).await, wanted);
    assert_eq!(bed.taken(worker, 60).await, 0);
    bed.order(worker, order(WorkerDesired::Run, Some(50))).await;
    assert_eq!(bed.orders(worker).await, WorkerOrders::default());
    assert_eq!(bed.taken(worker, 61).await, 2);
    for (workspace, id) in [
        (bed.other_workspace().await.workspace, worker),
        (bed.workspace, bed.worker()),
    ] {
        let unknown = bed
            .store
            .order_worker(workspace, id, order(WorkerDesired::Drain, None))
            .await;
        assert!(matches!(unknown, Err(StoreError::NotFound)), "{unknown:?}");
    }
}

async fn a_worker_is_given_no_more_than_its_slots(bed: Bed) {
    let worker = bed.registered(0).await;
    bed.submit(5, at(0)).await;
    bed.order(worker, Order::Slots(Some(2))).await;
    assert_eq!(
        (bed.taken(worker, 1).await, bed.taken(worker, 2).await),
        (2, 0)
    );
    bed.order(worker, Order::Slots(Some(3))).await;
    assert_eq!(
        (bed.taken(worker, 3).await, bed.taken(worker, 4).await),
        (1, 0)
    );
    bed.order(worker, Order::Slots(Some(1))).await;
    assert_eq!(bed.taken(worker, 5).await, 0, "fewer than it holds");
    bed.order(worker, Order::Slots(None)).await;
    assert_eq!(bed.taken(worker, 6).await, 2);
    let capacity = Capacity {
        slots: Some(9),
        free_slots: Some(3),
        draining: true,
    };
    let beaten = bed.store.beat_worker(worker, capacity, at(7)).await;
    beaten.expect("registered");
    let record = bed.store.worker(bed.workspace, worker).await;
    let record = record.expect("works").expect("registered");
    assert_eq!((record.worker.slots, record.free_slots), (9, Some(3)));
    assert_eq!((record.draining, record.seen_at), (true, at(7)));
    // One that does not say keeps its slots.
    let beaten = bed.store.beat_worker(worker, Capacity::default(), at(8));
    beaten.await.expect("registered");
    let record = bed.store.worker(bed.workspace, worker).await;
    let record = record.expect("works").expect("registered");
    assert_eq!(
        (record.worker.slots, record.free_slots, record.draining),
        (9, None, false)
    );
}

async fn a_retired_worker_is_forgotten_for_good(bed: Bed) {
    let (signs_off, dies, alive) = (
        bed.registered(0).await,
        bed.registered(0).await,
        bed.registered(0).await,
    );
    let retire = order(WorkerDesired::Retire, None);
    for worker in [signs_off, dies, alive] {
        bed.order(worker, retire).await;
    }
    let signed_off = bed
        .store
        .remove_worker(bed.workspace, signs_off, at(1))
        .await;
    signed_off.expect("registered");
    let again = bed
        .store
        .order_worker(bed.workspace, signs_off, retire)
        .await;
    assert!(
        matches!(again, Err(StoreError::NotFound)),
        "its orders are gone"
    );
    let heard = BTreeMap::from([(alive, at(10))]);
    bed.store.touch_workers(heard).await.expect("works");
    assert!(!bed.store.retired_are_gone(at(0)).await.expect("works"));
    assert!(bed.store.retired_are_gone(at(5)).await.expect("works"));
    let gone = bed.store.forget_retired(at(5), at(11)).await;
    assert_eq!(gone.expect("works"), [dies]);
    assert!(!bed.store.retired_are_gone(at(5)).await.expect("works"));
    let left = bed.store.workers(bed.workspace).await.expect("works");
    assert_eq!(
        left.iter().map(|left| left.worker.id).collect::<Vec<_>>(),
        [alive]
    );
}

async fn a_retired_worker_that_holds_something_is_not_forgotten(bed: Bed) {
    let worker = bed.registered(0).await;
    bed.submit(1, at(0)).await;
    assert_eq!(bed.taken(worker, 1).await, 1);
    bed.order(worker, order(WorkerDesired::Retire, None)).await;
    let lease = i64::try_from(limits().lease.as_millis()).expect("short");
    assert!(!bed.store.retired_are_gone(at(lease)).await.expect("works"));
    bed.store.reap(at(2 * lease), 10).await.expect("works");
    let gone = bed.store.forget_retired(at(lease), at(2 * lease)).await;
    assert_eq!(gone.expect("works"), [worker]);
}

async fn a_worker_that_is_gone_is_thrown_out_at_once(bed: Bed) {
    let worker = bed.registered(0).await;
    let task = bed.submit(2, at(0)).await;
    assert_eq!(bed.taken(worker, 1).await, 2);
    let [one, two] = [task.attempts[0].id, task.attempts[1].id];
    let cancelled = bed.store.cancel(bed.workspace, two, at(2)).await;
    cancelled.expect("held");
    let gone = Expulsion::Gone;
    let thrown = bed
        .store
        .expel_worker(bed.workspace, worker, gone, at(3))
        .await;
    thrown.expect("registered");
    let evicted = bed.state(one).await;
    assert_eq!(evicted.tries, 0, "not counted as a try");
    assert!(matches!(evicted.state, State::Queued { visible_at, .. } if visible_at == at(3)));
    assert!(matches!(
        bed.state(two).await.state,
        State::Cancelled { .. }
    ));
    assert_eq!(
        bed.store
            .worker(bed.workspace, worker)
            .await
            .expect("works"),
        None
    );
    let again = bed
        .store
        .expel_worker(bed.workspace, worker, gone, at(4))
        .await;
    assert!(matches!(again, Err(StoreError::NotFound)), "{again:?}");
    let stale = bed
        .store
        .release(bed.workspace, one, evicted.epoch, at(5))
        .await;
    assert!(matches!(stale, Err(StoreError::Refused(_))), "{stale:?}");
}

async fn what_is_handed_over_goes_on_from_its_checkpoint(bed: Bed) {
    for has_session in [true, false] {
        let held = bed.held(at(0)).await.attempt;
        assert_eq!(
            bed.store.holder(held.id, held.epoch).await.expect("works"),
            bed.holder(&held).await
        );
        let session = ObjectKey::checkpoint_session(held.id, held.epoch, false);
        let saved = AttemptResult {
            epoch: held.epoch,
            diff: None,
            further_diffs: Vec::new(),
            session: has_session.then_some(session.clone()),
            message: None,
            tokens: None,
            evidence: Default::default(),
        };
        let saved = bed
            .store
            .checkpoint(bed.workspace, held.id, saved, at(1))
            .await;
        saved.expect("held");
        let handed = bed
            .store
            .hand_over(bed.workspace, held.id, held.epoch, at(2))
            .await;
        handed.expect("held");
        assert_eq!(
            bed.store.holder(held.id, held.epoch).await.expect("works"),
            None
        );
        let next = bed.claim(bed.worker(), at(3)).await;
        assert_eq!((next.attempt.id, next.attempt.tries), (held.id, 1));
        let continues = next.continues.and_then(|record| record.result);
        assert_eq!(
            continues.and_then(|result| result.session),
            has_session.then_some(session)
        );
        let stale = bed
            .store
            .hand_over(bed.workspace, held.id, held.epoch, at(4))
            .await;
        assert!(matches!(stale, Err(StoreError::Refused(_))), "{stale:?}");
        let last = next.attempt;
        let cancelled = bed.store.cancel(bed.workspace, last.id, at(5)).await;
        cancelled.expect("held");
        let released = bed
            .store
            .release(bed.workspace, last.id, last.epoch, at(6))
            .await;
        released.expect("held");
    }
}

impl Bed {
    async fn holder(&self, held: &outwork_domain::Attempt) -> Option<WorkerId> {
        match self.state(held.id).await.state {
            State::Held { lease, .. } => Some(lease.worker),
            _ => None,
        }
    }
}

on_both!(
    a_draining_worker_is_given_nothing,
    a_worker_is_given_no_more_than_its_slots,
    a_retired_worker_is_forgotten_for_good,
    a_retired_worker_that_holds_something_is_not_forgotten,
    a_worker_that_is_gone_is_thrown_out_at_once,
    what_is_handed_over_goes_on_from_its_checkpoint,
);
