//! The attempt that a person chose.

use std::num::NonZeroU32;

use outwork_domain::choice::Choice;
use outwork_store::StoreError;

use crate::bed::{Bed, at};

async fn a_choice_is_kept_changed_and_withdrawn(bed: Bed) {
    let task = bed.submit(2, at(0)).await.task;
    let first = NonZeroU32::MIN;
    let choice = |attempt, ms| Choice {
        attempt,
        by: bed.principal,
        at: at(ms),
    };
    let kept = async || bed.record(task.id).await.turns[0].turn.chosen;
    assert_eq!(kept().await, None);
    for choice in [Some(choice(2, 5)), Some(choice(1, 6)), None] {
        let chosen = bed
            .store
            .choose(bed.workspace, task.id, first, choice, at(7));
        chosen.await.expect("it is there");
        assert_eq!(kept().await, choice);
    }
    assert_eq!(bed.record(task.id).await.task.updated_at, at(7));
    let second = first.saturating_add(1);
    for (workspace, task, turn, attempt) in [
        (bed.workspace, task.id, first, 3),
        (bed.workspace, task.id, second, 1),
        (bed.other_workspace().await.workspace, task.id, first, 1),
    ] {
        let chosen = bed
            .store
            .choose(workspace, task, turn, Some(choice(attempt, 8)), at(8));
        assert!(matches!(chosen.await, Err(StoreError::NotFound)));
    }
    let withdrawn = bed
        .store
        .choose(bed.workspace, task.id, second, None, at(8));
    assert!(matches!(withdrawn.await, Err(StoreError::NotFound)));
    assert_eq!(kept().await, None);
}

on_both!(a_choice_is_kept_changed_and_withdrawn);
