//! What happens when a time has passed.

use std::time::Duration;

use outwork_domain::attempt::Outcome;
use outwork_domain::{Attempt, Desired, FailureCode, State, Step};

use crate::bed::{Bed, at, events, limits, result};

fn code(attempt: &Attempt) -> Option<FailureCode> {
    match &attempt.state {
        State::Failed { failure, .. } => Some(failure.code),
        _ => None,
    }
}

async fn nothing_is_reaped_before_its_time(bed: Bed) {
    assert_eq!(bed.store.next_due().await.expect("works"), None);
    let held = bed.held(at(0)).await.attempt;
    let due = held.due_at().expect("held");
    assert_eq!(bed.store.next_due().await.expect("works"), Some(due));
    let early = bed
        .store
        .reap(due - Duration::from_millis(1), 10)
        .await
        .expect("works");
    assert!(early.is_empty());
    assert_eq!(bed.state(held.id).await, held);
}

async fn a_lost_worker_is_replaced_after_a_pause(bed: Bed) {
    let worker = bed.worker();
    bed.submit(1, at(0)).await;
    let held = bed.claim(worker, at(0)).await.attempt;
    let due = held.due_at().expect("held");
    assert_eq!(bed.store.reap(due, 10).await.expect("works"), [held.id]);
    assert!(
        bed.store.reap(due, 10).await.expect("works").is_empty(),
        "once"
    );
    let State::Queued { visible_at, .. } = bed.state(held.id).await.state else {
        panic!("queued");
    };
    assert!(visible_at > due);
    assert!(bed.claim_many(bed.worker(), 1, due).await.is_empty());
    let again = bed.claim(bed.worker(), visible_at).await.attempt;
    assert_eq!((again.epoch.get(), again.tries), (2, 2));
    let lost = format!(r#"{{"tries":1,"type":"worker_lost","worker":"{worker}"}}"#);
    assert!(bed.log(held.id).await.contains(&lost));
}

async fn a_poisonous_attempt_is_given_up(bed: Bed) {
    let id = bed.submit(1, at(0)).await.attempts[0].id;
    let mut now = at(0);
    for _ in 0..limits().tries {
        let claimed = bed.claim(bed.worker(), now).await.attempt;
        now = claimed.due_at().expect("held");
        assert_eq!(bed.store.reap(now, 10).await.expect("works"), [id]);
        now = now + Duration::from_secs(120);
    }
    assert_eq!(code(&bed.state(id).await), Some(FailureCode::Lost));
    assert_eq!(bed.store.next_due().await.expect("works"), None);
}

async fn deadlines_end_attempts(bed: Bed) {
    let queued = bed.submit(1, at(0)).await.attempts[0].id;
    let worker = bed.worker();
    let asking = bed.claim(worker, at(0)).await.attempt;
    assert_eq!(asking.id, queued);
    let outcome = Outcome::AwaitingInput {
        question: "?".into(),
    };
    bed.store
        .finish(
            bed.workspace,
            asking.id,
            asking.epoch,
            outcome,
            result(&asking),
            0,
            at(0),
        )
        .await
        .expect("held");
    let queued = bed.submit(1, at(0)).await.attempts[0].id;
    let unclaimed = bed
        .store
        .reap(at(0) + limits().queued, 10)
        .await
        .expect("works");
    assert_eq!(unclaimed, [queued]);
    assert_eq!(code(&bed.state(queued).await), Some(FailureCode::NoWorker));
    let unanswered = bed
        .store
        .reap(at(0) + limits().awaiting_input, 10)
        .await
        .expect("works");
    assert_eq!(unanswered, [asking.id]);
    assert_eq!(
        code(&bed.state(asking.id).await),
        Some(FailureCode::NoAnswer)
    );
}

async fn a_worker_that_only_renews_runs_into_the_deadline(bed: Bed) {
    let worker = bed.worker();
    bed.submit(1, at(0)).await;
    let held = bed.claim(worker, at(0)).await.attempt;
    bed.store
        .advance(bed.workspace, held.id, held.epoch, Step::Running, at(0))
        .await
        .expect("held");
    let end = at(0) + limits().running + limits().grace;
    let renewed = bed
        .store
        .renew(worker, &[(held.id, held.epoch)], end)
        .await
        .expect("works");
    assert_eq!(renewed, [Ok(Desired::Run)]);
    assert_eq!(bed.store.next_due().await.expect("works"), Some(end));
    assert_eq!(bed.store.reap(end, 10).await.expect("works"), [held.id]);
    assert_eq!(code(&bed.state(held.id).await), Some(FailureCode::TimedOut));
}

async fn a_cancel_that_nobody_confirms_comes_true(bed: Bed) {
    let held = bed.held(at(0)).await.attempt;
    bed.store
        .cancel(bed.workspace, held.id, at(5_000))
        .await
        .expect("held");
    let grace = at(5_000) + limits().cancelling;
    bed.store
        .append(
            bed.workspace,
            held.id,
            held.epoch,
            1,
            events(1, 1),
            at(10_000),
        )
        .await
        .expect("held");
    assert_eq!(bed.store.next_due().await.expect("works"), Some(grace));
    assert_eq!(bed.store.reap(grace, 10).await.expect("works"), [held.id]);
    assert_eq!(
        bed.state(held.id).await.state,
        State::Cancelled { ended_at: grace }
    );
}

async fn reaping_is_bounded_and_the_oldest_come_first(bed: Bed) {
    for number in 0..5 {
        bed.submit(1, at(number)).await;
    }
    let end = at(1_000) + limits().queued;
    let mut seen = Vec::new();
    loop {
        let some = bed.store.reap(end, 2).await.expect("works");
        assert!(some.len() <= 2);
        if some.is_empty() {
            break;
        }
        seen.extend(some);
    }
    let mut sorted = seen.clone();
    sorted.sort();
    assert_eq!((seen.len(), &seen), (5, &sorted), "ids rise with time here");
}

async fn leases_outlive_a_server_that_was_away(bed: Bed) {
    let cancelled = bed.held(at(0)).await.attempt;
    bed.store
        .cancel(bed.workspace, cancelled.id, at(1_000))
        .await
        .expect("held");
    let held = bed.held(at(0)).await.attempt;
    let queued = bed.submit(1, at(0)).await.attempts[0].clone();
    let by = Duration::from_secs(3_600);
    let extended = bed.store.extend_leases(by, at(2_000)).await;
    extended.expect("works");
    for before in [&cancelled, &held] {
        let now = bed.state(before.id).await;
        let (
            State::Held {
                lease, deadline_at, ..
            },
            State::Held {
                lease: old,
                deadline_at: was,
                ..
            },
        ) = (&now.state, &before.state)
        else {
            panic!("{now:?}");
        };
        assert_eq!((lease.until, *deadline_at), (old.until + by, *was + by));
    }
    let (
        State::Queued {
            visible_at,
            deadline_at,
        },
        State::Queued {
            visible_at: visible_before,
            deadline_at: deadline_before,
        },
    ) = (&bed.state(queued.id).await.state, &queued.state)
    else {
        panic!("queued");
    };
    assert_eq!(
        (*visible_at, *deadline_at),
        (*visible_before, *deadline_before + by),
        "nobody could take it meanwhile, and now anybody can"
    );
    let first_due = (at(0) + limits().lease).min(at(1_000) + limits().cancelling) + by;
    assert_eq!(bed.store.next_due().await.expect("works"), Some(first_due));
    let early = bed.store.reap(at(0) + by, 10).await.expect("works");
    assert!(early.is_empty(), "{early:?}");
    let claims = [(held.id, held.epoch)];
    let renewed = bed.store.renew(worker_of(&held), &claims, at(0) + by);
    assert_eq!(renewed.await.expect("works"), [Ok(Desired::Run)]);
    let later = bed.submit(1, at(3_000) + by).await.attempts[0].clone();
    for (attempt, due_at) in [
        (&held, at(0) + by + limits().lease),
        (&later, later.due_at().expect("queued")),
    ] {
        let now = bed.state(attempt.id).await;
        assert_eq!(
            now.due_at(),
            Some(due_at),
            "what is written since is not moved"
        );
    }
}

fn worker_of(attempt: &Attempt) -> outwork_domain::WorkerId {
    match attempt.state {
        State::Held { lease, .. } => lease.worker,
        _ => panic!("{attempt:?} is not held"),
    }
}

async fn it_is_known_when_a_server_last_ran(bed: Bed) {
    let alive = async || bed.store.last_alive().await.expect("works");
    assert_eq!(alive().await, None);
    for (mark, then) in [(10, 10), (20, 20), (15, 20)] {
        bed.store.mark_alive(at(mark)).await.expect("works");
        assert_eq!(alive().await, Some(at(then)), "another server may be ahead");
    }
    bed.store.ping().await.expect("works");
}

on_both!(
    nothing_is_reaped_before_its_time,
    a_lost_worker_is_replaced_after_a_pause,
    a_poisonous_attempt_is_given_up,
    deadlines_end_attempts,
    a_worker_that_only_renews_runs_into_the_deadline,
    a_cancel_that_nobody_confirms_comes_true,
    reaping_is_bounded_and_the_oldest_come_first,
    leases_outlive_a_server_that_was_away,
    it_is_known_when_a_server_last_ran,
);
