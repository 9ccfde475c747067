//! Header injections of environments.

use outwork_domain::environment::{Injection, InjectionTarget};
use outwork_store::{
    EnvironmentRecord, InjectionChange, SealedChanges, SealedInjection, StoreError,
};

use crate::bed::{Bed, at};
use crate::past_the_store::execute;

fn target(host: &str, header: &str) -> InjectionTarget {
    InjectionTarget::parse(host, header).expect("a target")
}

fn set(host: &str, header: &str, sealed: u8) -> InjectionChange {
    InjectionChange::Set {
        target: target(host, header),
        sealed: vec![sealed, 0, 255],
    }
}

fn remove(host: &str, header: &str) -> InjectionChange {
    InjectionChange::Remove {
        target: target(host, header),
    }
}

fn changes(injections: Vec<InjectionChange>) -> SealedChanges {
    SealedChanges {
        injections,
        ..SealedChanges::default()
    }
}

fn sealed(host: &str, header: &str, sealed: u8) -> SealedInjection {
    SealedInjection {
        target: target(host, header),
        sealed: vec![sealed, 0, 255],
    }
}

async fn edit(bed: &Bed, ms: i64, injections: Vec<InjectionChange>) -> EnvironmentRecord {
    let mut wanted = bed.environment.clone();
    wanted.updated_at = at(ms);
    let edited = bed
        .store
        .update_environment(&wanted, changes(injections), None)
        .await;
    edited.expect("works")
}

async fn they_are_listed_without_their_values(bed: Bed) {
    let first = edit(
        &bed,
        1,
        vec![
            set("b.example", "x-key", 1),
            set("a.example", "x-key", 2),
            set("a.example", "authorization", 3),
        ],
    )
    .await;
    let listed = |host: &str, header: &str, ms| Injection {
        target: target(host, header),
        updated_at: at(ms),
    };
    let all = [
        listed("a.example", "authorization", 1),
        listed("a.example", "x-key", 1),
        listed("b.example", "x-key", 1),
    ];
    assert_eq!(first.injections, all);
    let second = edit(
        &bed,
        2,
        vec![
            set("A.example", "X-Key", 4),
            remove("b.example", "x-key"),
            remove("never.example", "was"),
        ],
    )
    .await;
    let all = [
        listed("a.example", "authorization", 1),
        listed("a.example", "x-key", 2),
    ];
    assert_eq!(second.injections, all);
    let page = bed.store.environments(bed.workspace, 9, None).await;
    assert_eq!(page.expect("works").items, [second]);
}

async fn their_sealed_values_go_with_a_claim(bed: Bed) {
    edit(
        &bed,
        1,
        vec![set("b.example", "x", 1), set("a.example", "x", 2)],
    )
    .await;
    let other = bed.new_environment("other");
    let made = bed
        .store
        .insert_environment(&other, changes(vec![set("c.example", "x", 3)]))
        .await;
    assert_eq!(made.expect("new").injections.len(), 1);
    bed.submit(1, at(2)).await;
    let claimed = bed.claim(bed.worker(), at(3)).await;
    let wanted = [sealed("a.example", "x", 2), sealed("b.example", "x", 1)];
    assert_eq!(claimed.injections, wanted);
}

async fn they_go_with_their_environment(bed: Bed) {
    edit(&bed, 1, vec![set("a.example", "x", 1)]).await;
    // A refused edit changes nothing.
    let refused = bed
        .store
        .update_environment(
            &bed.environment,
            changes(vec![remove("a.example", "x")]),
            Some(1),
        )
        .await;
    assert!(matches!(refused, Err(StoreError::RevisionMismatch)));
    let kept = bed.store.environment(bed.workspace, bed.environment.id);
    let kept = kept.await.expect("works").expect("there");
    assert_eq!(kept.injections.len(), 1);
    let deleted = bed
        .store
        .delete_environment(bed.workspace, bed.environment.id, at(2))
        .await;
    deleted.expect("unused");
    let left = execute(&bed.place, "DELETE FROM environment_injections".into()).await;
    assert_eq!(left.expect("works"), 0);
}

async fn they_are_forgotten_with_all_that_is_sealed(bed: Bed) {
    edit(&bed, 1, vec![set("a.example", "x", 1)]).await;
    assert!(bed.store.seal_check().await.expect("works").in_use);
    assert_eq!(bed.store.forget_sealed(at(50)).await.expect("works"), 1);
    assert!(!bed.store.seal_check().await.expect("works").in_use);
    let record = bed.store.environment(bed.workspace, bed.environment.id);
    let record = record.await.expect("works").expect("there");
    assert_eq!(record.injections, []);
    let environment = &record.environment;
    assert_eq!((environment.revision, environment.updated_at), (3, at(50)));
}

on_both!(
    they_are_forgotten_with_all_that_is_sealed,
    they_are_listed_without_their_values,
    their_sealed_values_go_with_a_claim,
    they_go_with_their_environment,
);
