//! Copies of a database, and what a store knows of the time after one.

use bytes::Bytes;
use outwork_domain::attempt::{Outcome, Refused};
use outwork_domain::{Attempt, Epoch, ObjectKey, State, Step};
use outwork_store::{
    AttemptResult, Objects, StoreError, copy_sqlite, sqlite_checkpoints, sqlite_damage,
    sqlite_schema,
};

use crate::bed::{Bed, Place, at, result};

fn stale<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    match answer {
        Err(StoreError::Refused(Refused::StaleLease { .. })) => {}
        other => panic!("{other:?}"),
    }
}

impl Bed {
    async fn says(&self, held: &Attempt, epoch: Epoch, now: i64) -> Result<(), StoreError> {
        let done = self
            .store
            .finish(
                self.workspace,
                held.id,
                epoch,
                Outcome::Succeeded,
                AttemptResult {
                    epoch,
                    ..result(held)
                },
                0,
                at(now),
            )
            .await;
        done.map(drop)
    }
}

async fn no_claim_is_repeated_after_a_backup(bed: Bed) {
    let held = bed.held(at(0)).await.attempt;
    let State::Held { lease, .. } = &held.state else {
        panic!("{held:?}");
    };
    let fenced = bed.store.fence(at(10)).await.expect("works");
    assert_eq!((fenced.given_back, fenced.unfinished), (1, 1));
    let after = bed.state(held.id).await;
    assert!(matches!(after.state, State::Queued { .. }), "{after:?}");
    assert_eq!(after.tries, 0, "it is nobody's fault");

    // Who held it at the backup, and who was given it after the backup.
    for epoch in [held.epoch, Epoch::new(held.epoch.get() + 1)] {
        stale(bed.says(&held, epoch, 11).await);
    }
    let renewed = bed
        .store
        .renew(lease.worker, &[(held.id, held.epoch)], at(11))
        .await;
    assert!(matches!(
        renewed.expect("works")[0],
        Err(Refused::StaleLease { .. })
    ));

    let again = bed.claim(bed.worker(), at(12)).await.attempt;
    assert_eq!(again.id, held.id);
    assert!(again.epoch > fenced.floor, "{again:?}");
    for epoch in [held.epoch, Epoch::new(held.epoch.get() + 1)] {
        stale(bed.says(&held, epoch, 13).await);
    }
    bed.says(&again, again.epoch, 14)
        .await
        .expect("it holds it");

    // Restored again, from a backup that knows of this fence.
    let second = bed.store.fence(at(5)).await.expect("works");
    assert!(second.floor > again.epoch, "{second:?}");
    assert_eq!((second.given_back, second.unfinished), (0, 0));
    let new = bed.held(at(20)).await.attempt;
    assert!(new.epoch > second.floor);
    bed.says(&new, new.epoch, 21).await.expect("it holds it");
}

async fn what_was_to_be_cancelled_is(bed: Bed) {
    let held = bed.held(at(0)).await.attempt;
    bed.store
        .cancel(bed.workspace, held.id, at(1))
        .await
        .expect("works");
    bed.store.fence(at(2)).await.expect("works");
    let after = bed.state(held.id).await;
    assert!(matches!(after.state, State::Cancelled { .. }), "{after:?}");
}

on_both!(
    no_claim_is_repeated_after_a_backup,
    what_was_to_be_cancelled_is
);

#[test]
fn a_copy_made_while_others_write_is_whole() {
    crate::bed::run(crate::bed::Engine::Sqlite, copied_under_load);
}

async fn copied_under_load(bed: Bed) {
    let dir = tempfile::tempdir().expect("a directory");
    let objects = Objects::open_directory(&dir.path().join("objects")).expect("free");
    let Place::Sqlite(live) = &bed.place else {
        panic!("SQLite");
    };
    let mut done = Vec::new();
    for copy in 0..4 {
        let to = dir.path().join(format!("copy-{copy}.sqlite"));
        let load = async {
            let mut ended = Vec::new();
            for number in 0..20 {
                let now = copy * 1000 + number * 10;
                let held = bed.held(at(now)).await.attempt;
                let key = ObjectKey::diff(held.id, held.epoch);
                objects
                    .put(&key, Bytes::from_static(b"diff"))
                    .await
                    .expect("space");
                let step = Step::Running;
                bed.store
                    .advance(bed.workspace, held.id, held.epoch, step, at(now + 1))
                    .await
                    .expect("held");
                bed.says(&held, held.epoch, now + 2).await.expect("held");
                ended.push(held.id);
            }
            ended
        };
        let before = done.len();
        let (copied, ended) = tokio::join!(copy_sqlite(live, &to), load);
        copied.expect("copied");
        assert_eq!(sqlite_damage(&to).await.expect("readable"), [""; 0]);
        assert_eq!(
            sqlite_schema(&to).await.expect("readable"),
            outwork_store::Store::sqlite_schema_known()
        );
        let store = outwork_store::Store::open_sqlite(&to)
            .await
            .expect("a store");
        let counts = store.counts().await.expect("readable");
        assert!(counts.ended >= before as u64, "{counts:?} of {before}");
        for id in &done {
            let record = store.attempt(bed.workspace, *id).await.expect("readable");
            let record = record.expect("it was acknowledged before");
            assert!(record.result.is_some());
        }
        store.close().await;
        done.extend(ended);
    }
    assert!(
        copy_sqlite(live, &dir.path().join("copy-0.sqlite"))
            .await
            .is_err()
    );
    assert_eq!(sqlite_checkpoints(live).await.expect("readable"), []);
}
