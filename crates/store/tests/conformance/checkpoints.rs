//! What an attempt had done by its last checkpoint.

use outwork_domain::attempt::{Outcome, Refused};
use outwork_domain::{Attempt, Epoch, Failure, FailureCode, ObjectKey, State, Timestamp};
use outwork_store::{AttemptResult, COLLECT_GRACE, DiffStat, FurtherDiff, StoreError, StoredDiff};

use crate::bed::{Bed, at, limits, result};

fn saved(held: &Attempt, lines_added: u64) -> AttemptResult {
    let diff = |name: Option<&str>| StoredDiff {
        key: ObjectKey::checkpoint_diff(held.id, held.epoch, false, name),
        stat: DiffStat {
            files_changed: 1,
            lines_added,
            lines_removed: 0,
        },
        size_bytes: 7,
    };
    AttemptResult {
        epoch: held.epoch,
        diff: Some(diff(None)),
        further_diffs: vec![FurtherDiff {
            repository: "docs".into(),
            diff: diff(Some("docs")),
        }],
        session: Some(ObjectKey::checkpoint_session(held.id, held.epoch, false)),
        message: None,
        tokens: None,
        evidence: Default::default(),
    }
}

fn nothing(epoch: Epoch) -> AttemptResult {
    AttemptResult {
        epoch,
        diff: None,
        further_diffs: Vec::new(),
        session: None,
        message: Some("no luck".into()),
        tokens: None,
        evidence: Default::default(),
    }
}

impl Bed {
    async fn save(&self, held: &Attempt, lines: u64, now: i64) -> Result<(), StoreError> {
        let saved = saved(held, lines);
        self.store
            .checkpoint(self.workspace, held.id, saved, at(now))
            .await
            .map(drop)
    }

    async fn result(&self, held: &Attempt) -> Option<AttemptResult> {
        let record = self.store.attempt(self.workspace, held.id).await;
        record.expect("works").expect("exists").result
    }

    async fn succeed(&self, held: &Attempt, now: Timestamp) {
        let (ws, own) = (self.workspace, result(held));
        self.store
            .finish(ws, held.id, held.epoch, Outcome::Succeeded, own, 0, now)
            .await
            .expect("held");
    }

    /// The lease of the newest claim runs out.
    async fn lose(&self, after: i64) -> i64 {
        let later = after + i64::try_from(limits().lease.as_millis()).expect("short");
        self.store.reap(at(later), 10).await.expect("works");
        later
    }
}

async fn a_lost_attempt_has_what_it_had_saved(bed: Bed) {
    let mut held = bed.held(at(0)).await.attempt;
    bed.save(&held, 1, 1).await.expect("held");
    bed.save(&held, 2, 2).await.expect("held");
    assert_eq!(bed.result(&held).await, None, "it has not ended");
    let mut now = bed.lose(2).await;
    let stale = bed.save(&held, 9, now).await;
    let Err(StoreError::Refused(Refused::StaleLease { .. })) = stale else {
        panic!("{stale:?}");
    };
    for _ in 1..limits().tries {
        now += 60_000;
        held = bed.claim(bed.worker(), at(now)).await.attempt;
        now = bed.lose(now).await;
    }
    let lost = bed.state(held.id).await;
    let State::Failed { failure, .. } = &lost.state else {
        panic!("{lost:?}");
    };
    assert_eq!(failure.code, FailureCode::Lost);
    let first = Attempt {
        epoch: Epoch::new(1),
        ..held.clone()
    };
    assert_eq!(bed.result(&held).await, Some(saved(&first, 2)));
}

async fn a_cancel_that_nobody_confirms_keeps_what_was_saved(bed: Bed) {
    let held = bed.held(at(0)).await.attempt;
    bed.save(&held, 1, 1).await.expect("held");
    let cancelled = bed.store.cancel(bed.workspace, held.id, at(2)).await;
    cancelled.expect("held");
    bed.lose(2).await;
    let state = bed.state(held.id).await.state;
    assert!(matches!(state, State::Cancelled { .. }), "{state:?}");
    assert_eq!(bed.result(&held).await, Some(saved(&held, 1)));
}

async fn a_result_comes_before_what_was_saved(bed: Bed) {
    let held = bed.held(at(0)).await.attempt;
    bed.save(&held, 1, 1).await.expect("held");
    bed.succeed(&held, at(2)).await;
    assert_eq!(bed.result(&held).await, Some(result(&held)));
}

/// The second claim does not come as far as its agent; the first one's work is still the attempt's.
async fn a_claim_that_came_to_nothing_does_not_take_what_was_saved(bed: Bed) {
    let first = bed.held(at(0)).await.attempt;
    bed.save(&first, 1, 1).await.expect("held");
    let now = bed.lose(1).await + 60_000;
    let second = bed.claim(bed.worker(), at(now)).await.attempt;
    let failed = Outcome::Failed(Failure::new(FailureCode::DiskFull, "full"));
    let nothing = nothing(second.epoch);
    bed.store
        .finish(
            bed.workspace,
            second.id,
            second.epoch,
            failed,
            nothing.clone(),
            0,
            at(now + 1),
        )
        .await
        .expect("held");
    let expected = AttemptResult {
        message: nothing.message,
        ..saved(&first, 1)
    };
    assert_eq!(bed.result(&second).await, Some(expected));
}

async fn checkpoints_are_counted_by_claim(bed: Bed) {
    let held = bed.held(at(0)).await.attempt;
    let count = async |epoch| bed.store.checkpoints(held.id, epoch).await.expect("works");
    assert_eq!(count(held.epoch).await, 0);
    for number in 1..=3 {
        bed.save(&held, 1, 1).await.expect("held");
        assert_eq!(count(held.epoch).await, number);
    }
    let now = bed.lose(1).await + 60_000;
    let next = bed.claim(bed.worker(), at(now)).await.attempt;
    assert_eq!(count(next.epoch).await, 0);
    bed.save(&next, 1, now).await.expect("held");
    assert_eq!(count(next.epoch).await, 1);
}

async fn who_has_ended_is_looked_through_for_what_nobody_names(bed: Bed) {
    let due = async |now: i64| {
        let now = at(now) + COLLECT_GRACE;
        bed.store.collectable(now, 10).await.expect("works")
    };
    // One claim, one result: there is nothing else.
    let clean = bed.held(at(0)).await.attempt;
    bed.succeed(&clean, at(1)).await;
    assert_eq!(due(1).await, []);
    // A checkpoint before the result.
    let saved_before = bed.held(at(2)).await.attempt;
    bed.save(&saved_before, 1, 3).await.expect("held");
    assert_eq!(due(3).await, [], "it has not ended");
    bed.succeed(&saved_before, at(4)).await;
    assert_eq!(due(3).await, [], "an upload may be under way");
    let [found] = &*due(4).await else {
        panic!("one is due");
    };
    assert_eq!(found.attempt, saved_before.id);
    let result = bed.result(&saved_before).await.expect("it has one");
    let keys = [result.diff.expect("one").key, result.session.expect("one")];
    assert_eq!(found.named, keys);
    // The checkpoint is the result: it is named, with the further diffs.
    let lost = bed.held(at(5)).await.attempt;
    bed.save(&lost, 1, 6).await.expect("held");
    let cancelled = bed.store.cancel(bed.workspace, lost.id, at(7)).await;
    cancelled.expect("works");
    let later = bed.lose(7).await;
    assert!(bed.state(lost.id).await.state.is_final());
    let found = due(later).await;
    assert_eq!(found.len(), 2);
    let checkpoint = saved(&lost, 1);
    let [further] = &*checkpoint.further_diffs else {
        panic!("one");
    };
    for key in [
        &checkpoint.diff.expect("one").key,
        &further.diff.key,
        &checkpoint.session.expect("one"),
    ] {
        assert!(found[1].named.contains(key), "{found:?}");
    }
    for one in found {
        bed.store.collected(one.attempt).await.expect("works");
    }
    assert_eq!(due(later).await, []);
}

on_both!(
    who_has_ended_is_looked_through_for_what_nobody_names,
    a_lost_attempt_has_what_it_had_saved,
    a_cancel_that_nobody_confirms_keeps_what_was_saved,
    a_result_comes_before_what_was_saved,
    a_claim_that_came_to_nothing_does_not_take_what_was_saved,
    checkpoints_are_counted_by_claim,
);
