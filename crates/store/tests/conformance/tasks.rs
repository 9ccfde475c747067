//! Tasks and turns.

use outwork_domain::attempt::{Outcome, Refused};
use outwork_domain::{EnvironmentId, ObjectKey, State, TaskId};
use outwork_store::{StoreError, Submitted};

use crate::bed::{Bed, at, result};

async fn what_is_submitted_is_read(bed: Bed) {
    let mut submission = bed.submission(3, at(7));
    submission.task.base.branch = None;
    submission.task.base.starting_diff = Some(ObjectKey::starting_diff(submission.task.id));
    let answer = bed.store.submit(submission.clone(), None).await;
    assert_eq!(answer.expect("works"), Submitted::New);
    let record = bed.record(submission.task.id).await;
    assert_eq!(record.task, submission.task);
    assert_eq!(record.environment_label, "main");
    assert_eq!(record.turns.len(), 1);
    assert_eq!(record.turns[0].turn, submission.turn);
    let attempts = &record.turns[0].attempts;
    let read: Vec<_> = attempts
        .iter()
        .map(|record| record.attempt.clone())
        .collect();
    assert_eq!(read, submission.attempts);
    assert!(
        attempts
            .iter()
            .all(|record| record.worker.is_none() && record.result.is_none())
    );
    for attempt in &submission.attempts {
        assert_eq!(
            bed.log(attempt.id).await,
            [r#"{"state":"queued","type":"state"}"#]
        );
    }
    let missing = bed
        .store
        .task(bed.workspace, TaskId::from_uuid(bed.uuid()))
        .await;
    assert_eq!(missing.expect("works"), None);
}

async fn an_unknown_environment_is_refused_and_nothing_stays(bed: Bed) {
    let mut submission = bed.submission(1, at(0));
    submission.task.environment_id = EnvironmentId::from_uuid(bed.uuid());
    let key = bed.idempotency("k", 1);
    let refused = bed
        .store
        .submit(submission.clone(), Some(key.clone()))
        .await;
    assert!(
        matches!(refused, Err(StoreError::UnknownEnvironment)),
        "{refused:?}"
    );
    let read = bed.store.task(bed.workspace, submission.task.id).await;
    assert_eq!(read.expect("works"), None);
    submission.task.environment_id = bed.environment.id;
    let answer = bed.store.submit(submission, Some(key)).await;
    assert_eq!(
        answer.expect("works"),
        Submitted::New,
        "the key was not taken"
    );
}

async fn a_turn_follows_when_the_one_before_has_ended(bed: Bed) {
    let held = bed.held(at(0)).await;
    let task = held.task.id;
    let add = async |now| {
        let mut turn = bed.turn(task, 99, at(now));
        turn.continues = Some(held.attempt.id);
        let attempts = bed.attempts(&turn, 2, at(now));
        let key = bed.idempotency(&format!("turn {now}"), 1);
        bed.store
            .add_turn(bed.workspace, turn, attempts, Some(key))
            .await
    };
    let refused = add(1).await;
    assert!(
        matches!(refused, Err(StoreError::TurnNotEnded)),
        "{refused:?}"
    );
    let attempt = &held.attempt;
    bed.store
        .finish(
            bed.workspace,
            attempt.id,
            attempt.epoch,
            Outcome::Succeeded,
            result(attempt),
            0,
            at(2),
        )
        .await
        .expect("held");
    assert_eq!(add(3).await.expect("works"), Submitted::New);
    assert_eq!(
        add(3).await.expect("works"),
        Submitted::Replayed { task_id: task }
    );
    let record = bed.record(task).await;
    let numbers: Vec<_> = record
        .turns
        .iter()
        .map(|turn| turn.turn.number.get())
        .collect();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(record.turns[1].attempts.len(), 2);
    assert_eq!(record.task.updated_at, at(3));
    let claimed = bed.claim(bed.worker(), at(4)).await;
    let continues = claimed.continues.expect("the turn names it");
    assert_eq!(continues.attempt.id, attempt.id);
    assert_eq!(continues.result, Some(result(attempt)));
    let missing = bed.turn(TaskId::from_uuid(bed.uuid()), 1, at(5));
    let refused = bed
        .store
        .add_turn(bed.workspace, missing, Vec::new(), None)
        .await;
    assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
}

async fn an_attempt_of_another_turn_is_refused(bed: Bed) {
    let stranger = bed.submission(1, at(0));
    let mut submission = bed.submission(1, at(0));
    submission.attempts = stranger.attempts;
    let refused = bed.store.submit(submission.clone(), None).await;
    assert!(
        matches!(refused, Err(StoreError::Corrupt { .. })),
        "{refused:?}"
    );
    let read = bed.store.task(bed.workspace, submission.task.id).await;
    assert_eq!(read.expect("works"), None);
}

async fn cancelling_a_task_cancels_what_has_not_ended(bed: Bed) {
    let task = bed.submit(3, at(0)).await.task.id;
    let done = bed.claim(bed.worker(), at(1)).await.attempt;
    bed.store
        .finish(
            bed.workspace,
            done.id,
            done.epoch,
            Outcome::Succeeded,
            result(&done),
            0,
            at(2),
        )
        .await
        .expect("held");
    let held = bed.claim(bed.worker(), at(3)).await.attempt;
    let record = bed
        .store
        .cancel_task(bed.workspace, task, at(4))
        .await
        .expect("two are left");
    let states: Vec<_> = record.turns[0]
        .attempts
        .iter()
        .map(|record| record.attempt.state.as_str())
        .collect();
    assert_eq!(states, ["succeeded", "leased", "cancelled"]);
    assert_eq!(record.task.updated_at, at(4));
    assert_eq!(record, bed.record(task).await);
    bed.store
        .finish(
            bed.workspace,
            held.id,
            held.epoch,
            Outcome::Succeeded,
            result(&held),
            0,
            at(5),
        )
        .await
        .expect("held");
    assert_eq!(
        bed.state(held.id).await.state,
        State::Cancelled { ended_at: at(5) }
    );
    let refused = bed.store.cancel_task(bed.workspace, task, at(6)).await;
    let Err(StoreError::Refused(Refused::WrongState { wanted, .. })) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(wanted, "cancelled");
    let missing = TaskId::from_uuid(bed.uuid());
    let refused = bed.store.cancel_task(bed.workspace, missing, at(6)).await;
    assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
}

on_both!(
    what_is_submitted_is_read,
    an_unknown_environment_is_refused_and_nothing_stays,
    a_turn_follows_when_the_one_before_has_ended,
    an_attempt_of_another_turn_is_refused,
    cancelling_a_task_cancels_what_has_not_ended,
);
