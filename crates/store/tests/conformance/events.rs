//! The log of an attempt.

use outwork_domain::{Attempt, Desired, Epoch};
use outwork_store::{EventRow, NewEventRow, StoreError};

use crate::bed::{Bed, at, events};

async fn append(
    bed: &Bed,
    held: &Attempt,
    first: i64,
    rows: Vec<NewEventRow>,
) -> Result<(Desired, i64), StoreError> {
    bed.store
        .append(bed.workspace, held.id, held.epoch, first, rows, at(50))
        .await
}

async fn bodies(bed: &Bed, held: &Attempt) -> Vec<String> {
    bed.log(held.id).await.split_off(2)
}

async fn sending_again_is_harmless(bed: Bed) {
    let held = bed.held(at(0)).await.attempt;
    assert_eq!(
        append(&bed, &held, 1, events(1, 3)).await.expect("works"),
        (Desired::Run, 3)
    );
    assert_eq!(
        append(&bed, &held, 1, events(1, 3)).await.expect("works"),
        (Desired::Run, 3)
    );
    assert_eq!(
        append(&bed, &held, 2, events(2, 1)).await.expect("works"),
        (Desired::Run, 3)
    );
    assert_eq!(
        append(&bed, &held, 2, events(2, 4)).await.expect("works"),
        (Desired::Run, 5)
    );
    assert_eq!(
        append(&bed, &held, 6, Vec::new()).await.expect("works"),
        (Desired::Run, 5)
    );
    assert_eq!(
        append(&bed, &held, 1, Vec::new()).await.expect("works"),
        (Desired::Run, 5)
    );
    let wanted: Vec<_> = events(1, 5).into_iter().map(|event| event.json).collect();
    assert_eq!(bodies(&bed, &held).await, wanted);
}

async fn a_gap_is_refused_and_says_what_is_missing(bed: Bed) {
    let held = bed.held(at(0)).await.attempt;
    for first in [2, 0, -1, i64::MAX, i64::MIN] {
        let refused = append(&bed, &held, first, events(1, 1)).await;
        assert!(
            matches!(refused, Err(StoreError::Gap { expected: 1 })),
            "{refused:?}"
        );
    }
    append(&bed, &held, 1, events(1, 2)).await.expect("works");
    let refused = append(&bed, &held, 4, events(4, 1)).await;
    assert!(
        matches!(refused, Err(StoreError::Gap { expected: 3 })),
        "{refused:?}"
    );
    assert_eq!(bodies(&bed, &held).await.len(), 2);
}

async fn appends_at_once_are_stored_once(bed: Bed) {
    let held = bed.held(at(0)).await.attempt;
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (bed, held) = (bed.clone(), held.clone());
        senders.spawn(async move { append(&bed, &held, 1, events(1, 20)).await.expect("works") });
    }
    let answers = senders.join_all().await;
    assert!(
        answers.iter().all(|answer| *answer == (Desired::Run, 20)),
        "{answers:?}"
    );
    assert_eq!(bodies(&bed, &held).await.len(), 20);
}

async fn a_row_is_read_as_it_was_handed_in(bed: Bed) {
    let held = bed.held(at(0)).await.attempt;
    let texts = [
        r#"{"type":"output","text":"a\u0000b"}"#.to_owned(),
        r#"{"type":"output","text":"\\ \" ' \n ü 🦀 \u001b[0m"}"#.to_owned(),
        r#"{ "type" : "x", "z": 1, "a": 1.50, "z": 2 }"#.to_owned(),
        format!(r#"{{"type":"output","text":"{}"}}"#, "x".repeat(250 * 1024)),
    ];
    let rows: Vec<_> = texts
        .iter()
        .map(|json| NewEventRow {
            at: at(-7),
            kind: "output".into(),
            json: json.clone(),
        })
        .collect();
    append(&bed, &held, 1, rows).await.expect("works");
    let read = bed
        .store
        .events(bed.workspace, held.id, 2, 10)
        .await
        .expect("works");
    let wanted: Vec<_> = (3..)
        .zip(texts)
        .map(|(seq, json)| EventRow {
            seq,
            at: at(-7),
            epoch: Epoch::new(1),
            json,
        })
        .collect();
    assert_eq!(read, wanted);
}

async fn many_and_large_ones_go_in_at_once(bed: Bed) {
    let held = bed.held(at(0)).await.attempt;
    let mut rows = events(1, 2_500);
    let filler = "y".repeat(10_000);
    for row in &mut rows[..300] {
        row.json = format!(r#"{{"type":"message","text":"{filler}"}}"#);
    }
    let answer = append(&bed, &held, 1, rows.clone()).await.expect("works");
    assert_eq!(answer, (Desired::Run, 2_500));
    let wanted: Vec<_> = rows.into_iter().map(|row| row.json).collect();
    assert!(
        bodies(&bed, &held).await == wanted,
        "in the order they were sent"
    );
}

async fn reading_goes_on_where_it_stopped(bed: Bed) {
    let held = bed.held(at(0)).await.attempt;
    append(&bed, &held, 1, events(1, 10)).await.expect("works");
    let mut read = Vec::new();
    let mut after = 0;
    loop {
        let part = bed
            .store
            .events(bed.workspace, held.id, after, 5)
            .await
            .expect("works");
        let Some(last) = part.last() else { break };
        after = last.seq;
        read.extend(part.into_iter().map(|event| event.seq));
    }
    assert_eq!(read, (1..=12).collect::<Vec<_>>());
    let none = bed
        .store
        .events(bed.workspace, held.id, 99, 5)
        .await
        .expect("works");
    assert!(none.is_empty());
}

on_both!(
    sending_again_is_harmless,
    a_gap_is_refused_and_says_what_is_missing,
    appends_at_once_are_stored_once,
    a_row_is_read_as_it_was_handed_in,
    many_and_large_ones_go_in_at_once,
    reading_goes_on_where_it_stopped,
);
