//! What workers do: claim, renew, advance, finish, release; and that a stale claim can do nothing.

use std::time::Duration;

use outwork_domain::attempt::{Outcome, Refused};
use outwork_domain::{AttemptId, Desired, Epoch, Failure, FailureCode, State, Step};
use outwork_store::StoreError;

use crate::bed::{Bed, agents, at, events, limits, result};

async fn finishing_stores_the_result_and_can_be_repeated(bed: Bed) {
    let held = bed.held(at(0)).await.attempt;
    let finish = async |last_seq| {
        bed.store
            .finish(
                bed.workspace,
                held.id,
                held.epoch,
                Outcome::Succeeded,
                result(&held),
                last_seq,
                at(9),
            )
            .await
    };
    let early = finish(1).await;
    assert!(
        matches!(early, Err(StoreError::Gap { expected: 1 })),
        "{early:?}"
    );
    bed.store
        .append(bed.workspace, held.id, held.epoch, 1, events(1, 1), at(8))
        .await
        .expect("held");
    finish(1).await.expect("all events are there");
    let record = bed
        .store
        .attempt(bed.workspace, held.id)
        .await
        .expect("works")
        .expect("exists");
    assert_eq!(record.attempt.state, State::Succeeded { ended_at: at(9) });
    assert_eq!(record.result, Some(result(&held)));
    let again = finish(1).await;
    let Err(StoreError::Refused(Refused::Ended { state })) = again else {
        panic!("{again:?}");
    };
    assert_eq!(state, "succeeded");
    let unchanged = bed
        .store
        .attempt(bed.workspace, held.id)
        .await
        .expect("works");
    assert_eq!(unchanged, Some(record));
}

async fn a_failure_is_kept_whole(bed: Bed) {
    for failure in [
        Failure::new(FailureCode::SetupFailed, "exit 1: \"no\"\n"),
        Failure::new(FailureCode::AgentCrashed, "gone").with_hint("look"),
    ] {
        let held = bed.held(at(0)).await.attempt;
        let bare = outwork_store::AttemptResult {
            epoch: held.epoch,
            further_diffs: Vec::new(),
            diff: None,
            session: None,
            message: None,
            tokens: None,
            evidence: Default::default(),
        };
        let outcome = Outcome::Failed(failure.clone());
        bed.store
            .finish(
                bed.workspace,
                held.id,
                held.epoch,
                outcome,
                bare.clone(),
                0,
                at(1),
            )
            .await
            .expect("held");
        let record = bed
            .store
            .attempt(bed.workspace, held.id)
            .await
            .expect("works");
        let record = record.expect("exists");
        let ended_at = at(1);
        assert_eq!(
            record.attempt.state,
            State::Failed {
                ended_at,
                failure: failure.clone()
            }
        );
        assert_eq!(record.result, Some(bare));
        let last = bed.log(held.id).await.pop().expect("not empty");
        let body: serde_json::Value = serde_json::from_str(&last).expect("JSON");
        assert_eq!(body["failure"]["code"], failure.code.as_str());
        assert_eq!(body["failure"]["message"], failure.message);
        assert_eq!(
            body["failure"].get("hint").is_some(),
            failure.hint.is_some()
        );
    }
}

async fn a_question_waits_without_a_worker(bed: Bed) {
    let held = bed.held(at(0)).await.attempt;
    let outcome = Outcome::AwaitingInput {
        question: "left or right?".into(),
    };
    bed.store
        .finish(
            bed.workspace,
            held.id,
            held.epoch,
            outcome,
            result(&held),
            0,
            at(1),
        )
        .await
        .expect("held");
    let waiting = bed.state(held.id).await;
    assert_eq!(
        waiting.state,
        State::AwaitingInput {
            question: "left or right?".into(),
            deadline_at: at(1) + limits().awaiting_input,
        }
    );
    assert_eq!(bed.store.next_due().await.expect("works"), waiting.due_at());
    bed.store
        .cancel(bed.workspace, held.id, at(2))
        .await
        .expect("not over");
}

async fn a_stale_claim_can_do_nothing(bed: Bed) {
    let lost = bed.worker();
    bed.submit(1, at(0)).await;
    let old = bed.claim(lost, at(0)).await.attempt;
    let (id, stale) = (old.id, old.epoch);
    let much_later = at(0) + limits().lease;
    assert_eq!(bed.store.reap(much_later, 10).await.expect("works"), [id]);
    let again = much_later + Duration::from_secs(60);
    // The same worker takes it again: the old claim must not pass for the new one either.
    for holder in [bed.worker(), lost] {
        let new = bed.claim(holder, again).await.attempt;
        assert!(new.epoch > stale);
        let before = (bed.state(id).await, bed.log(id).await);
        let spoke = |answer: Result<_, StoreError>| match answer {
            Err(StoreError::Refused(Refused::StaleLease { spoke, current })) => {
                assert_eq!((spoke, current), (stale, new.epoch));
            }
            other => panic!("{other:?}"),
        };
        let ws = bed.workspace;
        spoke(
            bed.store
                .advance(ws, id, stale, Step::Running, again)
                .await
                .map(drop),
        );
        spoke(
            bed.store
                .append(ws, id, stale, 1, events(1, 3), again)
                .await
                .map(drop),
        );
        spoke(
            bed.store
                .append(ws, id, stale, 1, Vec::new(), again)
                .await
                .map(drop),
        );
        spoke(
            bed.store
                .finish(ws, id, stale, Outcome::Succeeded, result(&old), 0, again)
                .await,
        );
        spoke(bed.store.release(ws, id, stale, again).await);
        let renewed = bed
            .store
            .renew(lost, &[(id, stale)], again)
            .await
            .expect("works");
        assert!(
            matches!(renewed[0], Err(Refused::StaleLease { .. })),
            "{renewed:?}"
        );
        assert_eq!((bed.state(id).await, bed.log(id).await), before);
        bed.store
            .release(ws, id, new.epoch, again)
            .await
            .expect("held");
    }
}

async fn verbs_on_a_missing_attempt_find_nothing(bed: Bed) {
    let (ws, id, epoch) = (
        bed.workspace,
        AttemptId::from_uuid(bed.uuid()),
        Epoch::new(1),
    );
    let held = bed.held(at(0)).await.attempt;
    let missing = |answer: Result<(), StoreError>| {
        assert!(matches!(answer, Err(StoreError::NotFound)), "{answer:?}");
    };
    missing(
        bed.store
            .advance(ws, id, epoch, Step::Running, at(0))
            .await
            .map(drop),
    );
    missing(
        bed.store
            .append(ws, id, epoch, 1, events(1, 1), at(0))
            .await
            .map(drop),
    );
    missing(
        bed.store
            .finish(ws, id, epoch, Outcome::Succeeded, result(&held), 0, at(0))
            .await,
    );
    missing(bed.store.release(ws, id, epoch, at(0)).await);
    missing(bed.store.cancel(ws, id, at(0)).await.map(drop));
    assert_eq!(bed.store.attempt(ws, id).await.expect("works"), None);
    let none = bed.store.claim(ws, bed.worker(), &agents(), 0, at(0)).await;
    assert!(none.expect("works").is_empty(), "at most none");
}

async fn a_cancelled_attempt_ends_cancelled(bed: Bed) {
    let queued = bed.submit(1, at(0)).await.attempts[0].id;
    let record = bed
        .store
        .cancel(bed.workspace, queued, at(1))
        .await
        .expect("queued");
    assert_eq!(record.attempt.state, State::Cancelled { ended_at: at(1) });
    let refused = bed.store.cancel(bed.workspace, queued, at(2)).await;
    assert!(
        matches!(
            refused,
            Err(StoreError::Refused(Refused::WrongState { .. }))
        ),
        "{refused:?}"
    );
    let held = bed.held(at(3)).await.attempt;
    let record = bed
        .store
        .cancel(bed.workspace, held.id, at(4))
        .await
        .expect("held");
    assert_eq!(record.attempt.desired, Desired::Cancel { since: at(4) });
    let again = bed
        .store
        .cancel(bed.workspace, held.id, at(5))
        .await
        .expect("asked before");
    assert_eq!(again.attempt.desired, Desired::Cancel { since: at(4) });
    let (desired, _) = bed
        .store
        .advance(bed.workspace, held.id, held.epoch, Step::Running, at(6))
        .await
        .expect("held");
    assert_eq!(desired, Desired::Cancel { since: at(4) });
    bed.store
        .release(bed.workspace, held.id, held.epoch, at(7))
        .await
        .expect("held");
    assert_eq!(
        bed.state(held.id).await.state,
        State::Cancelled { ended_at: at(7) }
    );
    let asked = bed
        .log(held.id)
        .await
        .iter()
        .filter(|b| b.contains("cancel_requested"))
        .count();
    assert_eq!(asked, 1);
}

on_both!(
    finishing_stores_the_result_and_can_be_repeated,
    a_failure_is_kept_whole,
    a_question_waits_without_a_worker,
    a_stale_claim_can_do_nothing,
    verbs_on_a_missing_attempt_find_nothing,
    a_cancelled_attempt_ends_cancelled,
);
