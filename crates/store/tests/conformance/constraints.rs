//! The database repeats the rules: what must not be is refused even past the store.

use crate::bed::{Bed, at, events};
use crate::past_the_store::execute;

async fn a_state_without_its_columns_is_refused(bed: Bed) {
    bed.submit(1, at(0)).await;
    let held = bed.held(at(0)).await.attempt;
    bed.store
        .append(bed.workspace, held.id, held.epoch, 1, events(1, 2), at(0))
        .await
        .expect("held");
    for set in [
        "state = 'held'",
        "state = 'succeeded'",
        "state = 'unheard of'",
        "epoch = -1",
        "epoch = 9",
        "lease_epoch = lease_epoch + 1",
        "lease_worker_id = 'wkr_x'",
        "lease_until = NULL",
        "step = NULL",
        "step = 'dancing'",
        "deadline_at = NULL",
        "due_at = NULL",
        "visible_at = NULL",
        "ended_at = 1",
        "question = 'why?'",
        "failure_code = 'lost'",
        "failure_hint = 'look'",
        "desired = 'cancel'",
        "cancel_since = 1",
        "tries = -1",
        "last_seq = -1",
    ] {
        // Of the two rows, one is queued and one is held: each change is wrong for one of them.
        let refused = execute(&bed.place, format!("UPDATE attempts SET {set}")).await;
        let error = refused.expect_err(set);
        let error = error.as_database_error().expect("the database says so");
        assert!(error.is_check_violation(), "{set}: {error}");
    }
}

async fn numbers_are_given_once(bed: Bed) {
    let held = bed.held(at(0)).await.attempt;
    bed.store
        .append(bed.workspace, held.id, held.epoch, 1, events(1, 2), at(0))
        .await
        .expect("held");
    for statement in [
        "UPDATE events SET seq = 1",
        "UPDATE events SET worker_seq = 1 WHERE worker_seq IS NOT NULL",
        "INSERT INTO turns SELECT 'turn_x', task_id, number, created_by, prompt, continues, \
         created_at FROM turns",
    ] {
        let error = execute(&bed.place, statement.into())
            .await
            .expect_err(statement);
        let error = error.as_database_error().expect("the database says so");
        assert!(error.is_unique_violation(), "{statement}: {error}");
    }
    for statement in [
        "DELETE FROM tasks",
        "DELETE FROM attempts",
        "DELETE FROM workspaces",
    ] {
        let error = execute(&bed.place, statement.into())
            .await
            .expect_err(statement);
        let error = error.as_database_error().expect("the database says so");
        assert!(error.is_foreign_key_violation(), "{statement}: {error}");
    }
}

on_both!(
    a_state_without_its_columns_is_refused,
    numbers_are_given_once
);
