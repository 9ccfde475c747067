//! Signing in with a code that is typed elsewhere.

use outwork_domain::principal::PrincipalKind;
use outwork_domain::{PrincipalId, TokenId};
use outwork_store::{DeviceLogin, DeviceToken, NewDeviceLogin, NewToken, StoreError};

use crate::bed::{Bed, at, token};

const TOKEN: [u8; 32] = [77; 32];

impl Bed {
    async fn device_login(&self, number: u8, now: i64) -> Result<(), StoreError> {
        let new = NewDeviceLogin {
            hash: [number; 32],
            user_code: format!("CODE-{number}"),
            expires_at: at(now + 100),
        };
        self.store.add_device_login(new, at(now)).await
    }

    async fn exchanged(&self, number: u8, now: i64) -> Option<PrincipalId> {
        let token = DeviceToken {
            token_id: TokenId::from_uuid(self.uuid()),
            hash: TOKEN,
            expires_at: at(1_000),
        };
        let exchanged = self
            .store
            .exchange_device_login([number; 32], token, at(now));
        exchanged
            .await
            .expect("works")
            .map(|principal| principal.id)
    }
}

async fn a_login_is_approved_and_exchanged_once(bed: Bed) {
    bed.device_login(1, 0).await.expect("it is new");
    bed.device_login(2, 0).await.expect("it is new");
    let seen = async |number: u8, now| {
        let login = bed.store.device_login([number; 32], at(now)).await;
        login.expect("works")
    };
    assert_eq!(seen(1, 1).await, Some(DeviceLogin::Waiting));
    assert_eq!(bed.exchanged(1, 1).await, None, "nobody approved it");
    let approve = async |code: &str, now| {
        let approved = bed.store.approve_device_login(code, bed.principal, at(now));
        approved.await
    };
    let unknown = approve("CODE-9", 2).await;
    assert!(matches!(unknown, Err(StoreError::NotFound)), "{unknown:?}");
    approve("CODE-1", 2).await.expect("it waits");
    let twice = approve("CODE-1", 3).await;
    assert!(matches!(twice, Err(StoreError::NotFound)), "{twice:?}");
    let Some(DeviceLogin::Approved(principal)) = seen(1, 3).await else {
        panic!("it was approved");
    };
    assert_eq!(
        (principal.id, principal.kind),
        (bed.principal, PrincipalKind::User)
    );
    assert_eq!(
        seen(2, 3).await,
        Some(DeviceLogin::Waiting),
        "another stays"
    );
    assert_eq!(bed.exchanged(1, 4).await, Some(bed.principal));
    assert_eq!(bed.exchanged(1, 5).await, None, "once");
    assert_eq!(seen(1, 5).await, None);
    let known = async |now| bed.store.authenticate(TOKEN, at(now)).await.expect("works");
    assert_eq!(
        known(6).await.expect("it is a token").principal.id,
        bed.principal
    );
    assert!(known(1_000).await.is_none(), "it has expired");
}

async fn a_login_expires(bed: Bed) {
    bed.device_login(1, 0).await.expect("it is new");
    bed.store
        .approve_device_login("CODE-1", bed.principal, at(99))
        .await
        .expect("it waits");
    assert_eq!(bed.exchanged(1, 100).await, None);
    assert_eq!(
        bed.store
            .device_login([1; 32], at(100))
            .await
            .expect("works"),
        None
    );
    bed.device_login(2, 100).await.expect("it is new");
    let late = bed
        .store
        .approve_device_login("CODE-2", bed.principal, at(200))
        .await;
    assert!(matches!(late, Err(StoreError::NotFound)), "{late:?}");
    // Its code is free again.
    bed.device_login(1, 100).await.expect("the old one is gone");
}

async fn a_login_ends_at_once_and_only_a_login_does(bed: Bed) {
    let add = async |hash: [u8; 32]| {
        let token = NewToken {
            expires_at: Some(at(100)),
            ..token(bed.workspace, bed.principal, bed.uuid(), hash)
        };
        bed.store.add_token(token, at(0)).await.expect("it is new");
    };
    let is_known = async |hash| {
        let known = bed.store.authenticate(hash, at(1)).await;
        known.expect("works").is_some()
    };
    for login in [2, 3, 4] {
        add([login; 32]).await;
        // It is kept in memory from here on.
        assert!(is_known([login; 32]).await);
    }
    let ended = async |hash| bed.store.remove_login(hash).await.expect("works");
    assert!(ended([2; 32]).await);
    assert!(!is_known([2; 32]).await);
    assert!(!ended([2; 32]).await, "it is gone");
    assert!(!ended([9; 32]).await, "there was none");
    assert!(
        !ended([1; 32]).await,
        "what the server was set up with stays"
    );
    let all = bed.store.remove_logins(bed.principal).await.expect("works");
    assert_eq!(all, 2);
    for (hash, stays) in [(1, true), (3, false), (4, false)] {
        assert_eq!(is_known([hash; 32]).await, stays, "{hash}");
    }
    let none = bed.store.remove_logins(bed.principal).await.expect("works");
    assert_eq!(none, 0);
}

on_both!(
    a_login_is_approved_and_exchanged_once,
    a_login_expires,
    a_login_ends_at_once_and_only_a_login_does
);
