//! Turns that have their result from the start.

use outwork_domain::agent::{AgentChoice, AgentSpec};
use outwork_domain::attempt::Outcome;
use outwork_domain::task::{ComposedPart, Composition, Turn};
use outwork_domain::{Attempt, Epoch, ObjectKey};
use outwork_store::{AttemptResult, DiffStat, FurtherDiff, StoredDiff, Submitted};

use crate::bed::{Bed, agents, at, result};

fn diff(key: ObjectKey) -> StoredDiff {
    StoredDiff {
        key,
        stat: DiffStat {
            files_changed: 2,
            lines_added: 3,
            lines_removed: 4,
        },
        size_bytes: 5,
    }
}

async fn a_composition_begins_with_its_result_and_ends_with_the_workers(bed: Bed) {
    let held = bed.held(at(0)).await.attempt;
    let (store, ws, task) = (&bed.store, bed.workspace, held.task_id);
    let done = result(&held);
    store
        .finish(ws, held.id, held.epoch, Outcome::Succeeded, done, 0, at(1))
        .await
        .expect("held");
    let number = held.number;
    let composition = Composition {
        parts: vec![ComposedPart {
            turn: number,
            attempt: number,
            repository: Some("second".into()),
            files: vec!["a".into()],
            hunks: vec!["b".into(), "c".into()],
        }],
        verify: false,
    };
    let turn = Turn {
        continues: Some(held.id),
        composition: Some(composition),
        ..bed.turn(task, 2, at(2))
    };
    let attempt = Attempt {
        agent: Some(AgentChoice {
            agent: AgentSpec::None,
            model: None,
        }),
        ..bed.attempts(&turn, 1, at(2)).remove(0)
    };
    let beginning = AttemptResult {
        epoch: Epoch::new(1),
        diff: Some(diff(ObjectKey::diff(attempt.id, Epoch::ZERO))),
        further_diffs: vec![FurtherDiff {
            repository: "second".into(),
            diff: diff(ObjectKey::repository_diff(
                attempt.id,
                Epoch::ZERO,
                "second",
            )),
        }],
        session: None,
        message: None,
        tokens: None,
        evidence: Default::default(),
    };
    let attempts = vec![(attempt.clone(), beginning.clone())];
    let made = store
        .add_composition(ws, turn.clone(), attempts, None)
        .await;
    assert!(matches!(made, Ok(Submitted::New)), "{made:?}");
    let record = store.task(ws, task).await.expect("works").expect("there");
    assert_eq!(record.turns[1].turn, turn);
    assert_eq!(record.turns[0].turn.composition, None);
    assert_eq!(record.turns[1].attempts[0].result, Some(beginning.clone()));

    let without = store.claim(ws, bed.worker(), &agents(), 1, at(3)).await;
    assert!(without.expect("works").is_empty(), "they do not know it");
    let none = ["none".to_owned()];
    let claimed = store.claim(ws, bed.worker(), &none, 1, at(3)).await;
    let claimed = claimed.expect("works").pop().expect("it waits");
    assert_eq!(claimed.attempt.id, attempt.id);
    assert_eq!(claimed.turn, turn);
    // It goes on from itself, as one that was handed over.
    let continues = claimed.continues.expect("itself");
    assert_eq!(
        (continues.attempt.id, continues.result),
        (attempt.id, Some(beginning))
    );
    let ended = AttemptResult {
        diff: Some(diff(ObjectKey::diff(attempt.id, claimed.attempt.epoch))),
        ..result(&claimed.attempt)
    };
    store
        .finish(
            ws,
            attempt.id,
            claimed.attempt.epoch,
            Outcome::Succeeded,
            ended.clone(),
            0,
            at(4),
        )
        .await
        .expect("held");
    let record = store
        .attempt(ws, attempt.id)
        .await
        .expect("works")
        .expect("there");
    assert_eq!(
        record.result,
        Some(ended),
        "with no diff of the second repository"
    );
    // What it began with is no object that a row names any more.
    let later = at(4) + outwork_store::COLLECT_GRACE;
    let due = store.collectable(later, 10).await.expect("works");
    let due: Vec<_> = due.into_iter().map(|one| one.attempt).collect();
    assert!(due.contains(&attempt.id), "{due:?}");
}

on_both!(a_composition_begins_with_its_result_and_ends_with_the_workers);
