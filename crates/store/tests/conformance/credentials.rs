//! Credentials for repositories, and the known text under the server's key.

use outwork_domain::CredentialId;
use outwork_domain::credential::{Credential, CredentialKind, CredentialScope};
use outwork_store::{CredentialRecord, ModelRecord, SealCheck, SecretChange, StoreError};

use crate::bed::{Bed, at};

fn record(bed: &Bed, scope: &str, kind: CredentialKind, sealed: u8) -> CredentialRecord {
    CredentialRecord {
        credential: Credential {
            id: CredentialId::from_uuid(bed.uuid()),
            workspace_id: bed.workspace,
            scope: CredentialScope::parse(scope).expect("a scope"),
            kind,
            username: None,
            updated_at: at(i64::from(sealed)),
        },
        sealed: vec![sealed, 0, 255],
    }
}

async fn a_credential_is_replaced_by_one_of_its_scope_and_kind(bed: Bed) {
    use CredentialKind::{SshKey, Token};
    let store = &bed.store;
    let mut token = record(&bed, "host", Token, 1);
    token.credential.username = Some("ada ü".into());
    let key = record(&bed, "host", SshKey, 2);
    let narrow = record(&bed, "host/Team", Token, 3);
    for record in [&narrow, &token, &key] {
        let answered = store.set_credential(record.clone()).await;
        assert_eq!(answered.expect("works"), record.credential);
    }
    let stored = store.credentials(bed.workspace).await.expect("works");
    assert_eq!(stored, [key.clone(), token.clone(), narrow.clone()]);

    let again = record(&bed, "HOST", Token, 9);
    let mut expected = again.clone();
    expected.credential.id = token.credential.id;
    let answered = store.set_credential(again).await;
    assert_eq!(answered.expect("works"), expected.credential);
    let claimed = bed.held(at(9)).await;
    assert_eq!(claimed.credentials, [key.clone(), expected, narrow]);

    let other = bed.other_workspace().await;
    assert_eq!(store.credentials(other.workspace).await.expect("works"), []);
    let id = key.credential.id;
    let stolen = store.delete_credential(other.workspace, id).await;
    assert!(matches!(stolen, Err(StoreError::NotFound)), "{stolen:?}");
    let deleted = store.delete_credential(bed.workspace, id).await;
    deleted.expect("there");
    let again = store.delete_credential(bed.workspace, id).await;
    assert!(matches!(again, Err(StoreError::NotFound)), "{again:?}");
    let rest = store.credentials(bed.workspace).await.expect("works");
    assert_eq!(rest.len(), 2);
    assert!(other.claim_many(bed.worker(), 1, at(9)).await.is_empty());
}

async fn there_are_only_so_many(bed: Bed) {
    const MOST: usize = outwork_domain::limits::CREDENTIALS;
    let mut sets = tokio::task::JoinSet::new();
    for number in 0..MOST + 8 {
        let bed = bed.clone();
        sets.spawn(async move {
            let scope = format!("host-{number}");
            let record = record(&bed, &scope, CredentialKind::Token, 1);
            bed.store.set_credential(record).await
        });
    }
    let answers = sets.join_all().await;
    let refused = answers
        .iter()
        .filter(|answer| matches!(answer, Err(StoreError::TooMany { most: MOST })))
        .count();
    let taken = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!((taken, refused), (MOST, 8));
    let stored = bed.store.credentials(bed.workspace).await.expect("works");
    assert_eq!(stored.len(), MOST);
    // One that is there can be replaced all the same.
    let scope = stored[7].credential.scope.as_str();
    let again = record(&bed, scope, CredentialKind::Token, 2);
    bed.store.set_credential(again).await.expect("replaced");
}

async fn what_is_sealed_is_known_and_can_be_forgotten(bed: Bed) {
    let (store, ws) = (&bed.store, bed.workspace);
    let check = async || store.seal_check().await.expect("works");
    assert_eq!(check().await, SealCheck::default());
    store.keep_seal_check(vec![1]).await.expect("works");
    store.keep_seal_check(vec![2, 0]).await.expect("works");
    let kept = SealCheck {
        kept: Some(vec![2, 0]),
        ..SealCheck::default()
    };
    assert_eq!(check().await, kept);
    let model = ModelRecord {
        base_url: "http://127.0.0.1".into(),
        name: "m".into(),
        sealed_key: Some(vec![7]),
        context_window: 1,
        prices: None,
        updated_at: at(0),
    };
    store.set_model(ws, model).await.expect("works");
    let with_model = check().await;
    assert_eq!(with_model.model_key, Some((ws, vec![7])));
    assert!(with_model.in_use);
    store.delete_model(ws).await.expect("works");
    assert_eq!(check().await, kept);

    let credential = record(&bed, "host", CredentialKind::Token, 1);
    let id = store.set_credential(credential).await.expect("works").id;
    assert!(check().await.in_use);
    store.delete_credential(ws, id).await.expect("there");
    let secret = SecretChange::Set {
        name: "A".into(),
        sealed: vec![1],
    };
    let edited = store.update_environment(&bed.environment, vec![secret.clone()], None);
    edited.await.expect("works");
    assert!(check().await.in_use);

    // All of it, of all workspaces; what says that it is there is an edit.
    let other = bed.other_workspace().await;
    let foreign = record(&other, "host", CredentialKind::Token, 1);
    store.set_credential(foreign).await.expect("works");
    assert_eq!(store.forget_sealed(at(50)).await.expect("works"), 2);
    assert_eq!(check().await, kept);
    let environment = store.environment(ws, bed.environment.id).await;
    let environment = environment.expect("works").expect("there");
    assert_eq!(environment.secrets, []);
    let environment = environment.environment;
    assert_eq!((environment.revision, environment.updated_at), (3, at(50)));
    assert_eq!(store.forget_sealed(at(51)).await.expect("works"), 0);
}

on_both!(
    a_credential_is_replaced_by_one_of_its_scope_and_kind,
    there_are_only_so_many,
    what_is_sealed_is_known_and_can_be_forgotten,
);
