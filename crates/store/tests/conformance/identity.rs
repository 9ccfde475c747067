//! Workspaces, principals and tokens.

use outwork_domain::principal::PrincipalKind;
use outwork_domain::{PrincipalId, WorkspaceId};
use outwork_store::{Bootstrap, NewToken, StoreError};
use tokio::task::JoinSet;

use crate::bed::{Bed, at, token};
use crate::past_the_store::execute;

async fn the_first_workspace_is_made_once(bed: Bed) {
    let other = WorkspaceId::from_uuid(bed.uuid());
    let principal = PrincipalId::from_uuid(bed.uuid());
    let second = Bootstrap {
        workspace_id: other,
        workspace_name: "second".into(),
        tokens: vec![token(other, principal, bed.uuid(), [2; 32])],
    };
    let answer = bed.store.bootstrap(second, at(5)).await;
    assert_eq!(answer.expect("works"), bed.workspace);
    let found = bed.store.authenticate([2; 32], at(5)).await;
    assert_eq!(found.expect("works"), None, "its token was not made");
}

async fn servers_that_start_at_once_agree(bed: Bed) {
    execute(&bed.place, "DELETE FROM environments".into())
        .await
        .expect("nothing needs it");
    for table in ["tokens", "principals", "workspaces"] {
        execute(&bed.place, format!("DELETE FROM {table}"))
            .await
            .expect("nothing needs it");
    }
    let mut starts = JoinSet::new();
    for number in 0..8 {
        let bed = bed.clone();
        starts.spawn(async move {
            let workspace_id = WorkspaceId::from_uuid(bed.uuid());
            let principal = PrincipalId::from_uuid(bed.uuid());
            let first = Bootstrap {
                workspace_id,
                workspace_name: format!("from {number}"),
                tokens: vec![token(workspace_id, principal, bed.uuid(), [number; 32])],
            };
            bed.store.bootstrap(first, at(0)).await.expect("works")
        });
    }
    let mut made = starts.join_all().await;
    made.dedup();
    assert_eq!(made.len(), 1);
}

async fn a_workspace_is_added_once(bed: Bed) {
    let other = bed.other_workspace().await;
    let again = bed.store.add_workspace(other.workspace, "renamed", at(9));
    again.await.expect("it is there");
    let found = bed.store.authenticate([9; 32], at(0)).await;
    let found = found.expect("works").expect("it was made");
    assert_eq!(found.principal.workspace_id, other.workspace);
    assert_eq!(found.workspace_name, "other");
}

async fn a_token_speaks_for_its_principal(bed: Bed) {
    let found = bed.store.authenticate([1; 32], at(0)).await;
    let found = found.expect("works").expect("it was made");
    assert_eq!(found.principal.id, bed.principal);
    assert_eq!(found.principal.workspace_id, bed.workspace);
    assert_eq!(found.principal.kind, PrincipalKind::User);
    assert_eq!(found.principal.name, "ada");
    assert_eq!(found.workspace_name, "first");
    let unknown = bed.store.authenticate([7; 32], at(0)).await;
    assert_eq!(unknown.expect("works"), None);
}

async fn an_expired_token_speaks_for_nobody(bed: Bed) {
    let expiring = NewToken {
        expires_at: Some(at(100)),
        ..token(bed.workspace, bed.principal, bed.uuid(), [3; 32])
    };
    bed.store.add_token(expiring, at(0)).await.expect("works");
    let before = bed.store.authenticate([3; 32], at(99)).await;
    assert!(before.expect("works").is_some());
    let then = bed.store.authenticate([3; 32], at(100)).await;
    assert_eq!(then.expect("works"), None);
}

async fn a_token_cannot_be_added_to_another_workspaces_principal(bed: Bed) {
    let other = bed.other_workspace().await;
    let foreign = token(other.workspace, bed.principal, bed.uuid(), [4; 32]);
    let refused = bed.store.add_token(foreign, at(0)).await;
    assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    let nowhere = WorkspaceId::from_uuid(bed.uuid());
    let lost = token(
        nowhere,
        PrincipalId::from_uuid(bed.uuid()),
        bed.uuid(),
        [5; 32],
    );
    let refused = bed.store.add_token(lost, at(0)).await;
    assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
}

on_both!(
    the_first_workspace_is_made_once,
    servers_that_start_at_once_agree,
    a_workspace_is_added_once,
    a_token_speaks_for_its_principal,
    an_expired_token_speaks_for_nobody,
    a_token_cannot_be_added_to_another_workspaces_principal,
);
