//! A request sent twice is done once.

use outwork_store::{StoreError, Submitted};
use tokio::task::JoinSet;

use crate::bed::{Bed, Place, at};
use crate::lists::all;
use crate::past_the_store::execute;

async fn the_same_request_is_done_once(bed: Bed) {
    let key = bed.idempotency("k", 1);
    let first = bed.submission(1, at(0));
    let answer = bed.store.submit(first.clone(), Some(key.clone())).await;
    assert_eq!(answer.expect("works"), Submitted::New);
    let task_id = first.task.id;
    let answer = bed
        .store
        .submit(bed.submission(1, at(1)), Some(key.clone()))
        .await;
    assert_eq!(answer.expect("works"), Submitted::Replayed { task_id });
    let other = bed.idempotency("k", 2);
    let refused = bed
        .store
        .submit(bed.submission(1, at(2)), Some(other))
        .await;
    assert!(
        matches!(refused, Err(StoreError::IdempotencyMismatch)),
        "{refused:?}"
    );
    let mut elsewhere = key.clone();
    elsewhere.route = "POST /turns".into();
    let answer = bed
        .store
        .submit(bed.submission(1, at(3)), Some(elsewhere))
        .await;
    assert_eq!(
        answer.expect("works"),
        Submitted::New,
        "another route, another key"
    );
    assert_eq!(all(&bed, 10).await.len(), 2);
}

async fn a_key_is_free_again_when_it_has_expired(bed: Bed) {
    let key = bed.idempotency("k", 1);
    bed.store
        .submit(bed.submission(1, at(0)), Some(key.clone()))
        .await
        .expect("works");
    let mut later = bed.idempotency("k", 2);
    later.expires_at = at(5_000);
    let answer = bed
        .store
        .submit(bed.submission(1, at(1_000)), Some(later))
        .await;
    assert_eq!(answer.expect("works"), Submitted::New);
    let refused = bed
        .store
        .submit(bed.submission(1, at(1_001)), Some(key.clone()))
        .await;
    assert!(
        matches!(refused, Err(StoreError::IdempotencyMismatch)),
        "{refused:?}"
    );
    let forgotten = bed.store.expire_idempotency(at(5_000)).await;
    assert_eq!(forgotten.expect("works"), 1);
    let answer = bed
        .store
        .submit(bed.submission(1, at(500)), Some(key))
        .await;
    assert_eq!(
        answer.expect("works"),
        Submitted::New,
        "the key was forgotten"
    );
}

async fn the_same_key_at_once_makes_one_task(bed: Bed) {
    let mut requests = JoinSet::new();
    for _ in 0..16 {
        let bed = bed.clone();
        requests.spawn(async move {
            let key = bed.idempotency("k", 1);
            bed.store
                .submit(bed.submission(1, at(0)), Some(key))
                .await
                .expect("works")
        });
    }
    let answers = requests.join_all().await;
    let new = answers
        .iter()
        .filter(|answer| **answer == Submitted::New)
        .count();
    assert_eq!(new, 1);
    let tasks = all(&bed, 100).await;
    assert_eq!(tasks.len(), 1);
    let task_id = tasks[0].task.id;
    assert!(answers.iter().all(|answer| match answer {
        Submitted::New => true,
        Submitted::Replayed { task_id: of } => *of == task_id,
    }));
}

async fn a_key_can_be_asked_before_the_request_is_done(bed: Bed) {
    let key = bed.idempotency("k", 1);
    let asked = async |key, now| bed.store.idempotent(&key, at(now)).await;
    assert_eq!(asked(key.clone(), 0).await.expect("works"), None);
    let first = bed.submission(1, at(0));
    let task_id = first.task.id;
    let answer = bed.store.submit(first, Some(key.clone())).await;
    assert_eq!(answer.expect("works"), Submitted::New, "asking took no key");
    assert_eq!(asked(key.clone(), 999).await.expect("works"), Some(task_id));
    assert_eq!(asked(key.clone(), 1_000).await.expect("works"), None);
    let mismatch = asked(bed.idempotency("k", 2), 1).await;
    assert!(
        matches!(mismatch, Err(StoreError::IdempotencyMismatch)),
        "{mismatch:?}"
    );
    let other = bed.other_workspace().await;
    let mut elsewhere = key.clone();
    elsewhere.route = "POST /turns".into();
    for free in [
        bed.idempotency("k2", 1),
        other.idempotency("k", 1),
        elsewhere,
    ] {
        assert_eq!(asked(free, 1).await.expect("works"), None);
    }
}

async fn only_expired_keys_are_forgotten_and_not_all_at_once(bed: Bed) {
    let hash = match bed.place {
        Place::Sqlite(_) => "zeroblob(32)",
        Place::Postgres(_) => "decode(repeat('00', 32), 'hex')",
    };
    let insert = |from: u32, to: u32, expires_at: i64| {
        let rows: Vec<_> = (from..to)
            .map(|number| {
                let (principal, expires_at) = (bed.principal, at(expires_at).as_millis());
                format!("('{principal}', 'r', '{number}', {hash}, 'task', {expires_at})")
            })
            .collect();
        execute(
            &bed.place,
            format!("INSERT INTO idempotency VALUES {}", rows.join(", ")),
        )
    };
    insert(0, 1_200, 1_000).await.expect("the keys are new");
    insert(1_200, 1_203, 1_001).await.expect("the keys are new");
    let mut counts = Vec::new();
    while counts.last() != Some(&0) {
        let forgotten = bed.store.expire_idempotency(at(1_000)).await;
        counts.push(forgotten.expect("works"));
    }
    assert_eq!(counts, [500, 500, 200, 0]);
    let rest = bed.store.expire_idempotency(at(1_001)).await;
    assert_eq!(rest.expect("works"), 3);
}

async fn servers_that_forget_at_once_forget_each_key_once(bed: Bed) {
    for number in 0..40 {
        let key = bed.idempotency(&format!("k{number}"), 1);
        bed.store
            .submit(bed.submission(1, at(0)), Some(key))
            .await
            .expect("works");
    }
    let mut servers = JoinSet::new();
    for _ in 0..4 {
        let bed = bed.clone();
        servers.spawn(async move { bed.store.expire_idempotency(at(1_000)).await });
    }
    let counts = servers.join_all().await;
    let total: u64 = counts
        .into_iter()
        .map(|count| count.expect("nobody waits for another"))
        .sum();
    assert_eq!(total, 40);
}

on_both!(
    the_same_request_is_done_once,
    a_key_is_free_again_when_it_has_expired,
    the_same_key_at_once_makes_one_task,
    a_key_can_be_asked_before_the_request_is_done,
    only_expired_keys_are_forgotten_and_not_all_at_once,
    servers_that_forget_at_once_forget_each_key_once,
);
