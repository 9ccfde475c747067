//! Letting workers in, and locking them out.

use outwork_domain::{EnrolmentTokenId, PrincipalId, TokenId, WorkerId};
use outwork_store::{
    Enrolment, EnrolmentTokenRecord, Expulsion, NewEnrolment, NewEnrolmentToken, StoreError,
};
use tokio::task::JoinSet;

use crate::bed::{Bed, at};

const HASH: [u8; 32] = [50; 32];

impl Bed {
    async fn enrolment_token(&self, max_uses: u32) -> EnrolmentTokenRecord {
        let new = NewEnrolmentToken {
            id: EnrolmentTokenId::from_uuid(self.uuid()),
            workspace_id: self.workspace,
            created_by: self.principal,
            name: Some("builders".into()),
            hash: HASH,
            max_uses,
            expires_at: at(100),
        };
        let added = self.store.add_enrolment_token(new, at(0)).await;
        added.expect("it is new")
    }

    /// A worker whose key is `key`.
    fn enrolling(&self, key: u8) -> NewEnrolment {
        NewEnrolment {
            enrolment_hash: HASH,
            key_hash: [key; 32],
            token_id: TokenId::from_uuid(self.uuid()),
            principal_id: PrincipalId::from_uuid(self.uuid()),
            worker_id: self.worker(),
            name: "one".into(),
            token_hash: [100 + key; 32],
            salt: [200 + key; 32],
        }
    }

    async fn enroll(&self, key: u8, now: i64) -> Enrolment {
        let enrolled = self.store.enroll(self.enrolling(key), at(now)).await;
        enrolled.expect("works")
    }

    async fn enrolled(&self, key: u8, now: i64) -> WorkerId {
        match self.enroll(key, now).await {
            Enrolment::Enrolled { worker_id, salt } => {
                assert_eq!(salt, [200 + key; 32], "what the token was made with");
                worker_id
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn a_worker_is_enrolled_once_however_often_it_asks(bed: Bed) {
    assert_eq!(bed.enroll(1, 0).await, Enrolment::Unknown);
    let made = bed.enrolment_token(1).await;
    let worker = bed.enrolled(1, 1).await;
    assert_eq!(bed.enrolled(1, 2).await, worker, "its answer was lost");
    assert_eq!(bed.enroll(2, 3).await, Enrolment::UsedUp);
    assert_eq!(bed.enrolled(1, 1000).await, worker, "long after it expired");
    let known = bed.store.authenticate([101; 32], at(2000)).await;
    let known = known.expect("works").expect("its token is kept");
    assert_eq!(known.principal.worker_id, Some(worker));
    assert_eq!(known.revoked_at, None);
    let listed = bed.store.enrolment_tokens(bed.workspace).await;
    assert_eq!(
        listed.expect("works"),
        [EnrolmentTokenRecord { uses: 1, ..made }]
    );
    let tokens = bed.store.worker_tokens(bed.workspace).await.expect("works");
    assert_eq!((tokens.len(), tokens[0].worker_id), (1, worker));
    let other = bed.other_workspace().await;
    assert_eq!(
        other
            .store
            .worker_tokens(other.workspace)
            .await
            .expect("works"),
        []
    );
    assert_eq!(
        other
            .store
            .enrolment_tokens(other.workspace)
            .await
            .expect("works"),
        []
    );
}

async fn an_enrolment_token_ends(bed: Bed) {
    let made = bed.enrolment_token(3).await;
    let worker = bed.enrolled(1, 99).await;
    assert_eq!(bed.enroll(2, 100).await, Enrolment::Expired);
    let other = bed.other_workspace().await;
    let foreign = other
        .store
        .revoke_enrolment_token(other.workspace, made.id, at(5));
    assert!(matches!(foreign.await, Err(StoreError::NotFound)));
    for now in [6, 7] {
        let revoked = bed
            .store
            .revoke_enrolment_token(bed.workspace, made.id, at(now));
        revoked.await.expect("it is there");
    }
    let listed = bed.store.enrolment_tokens(bed.workspace).await;
    assert_eq!(listed.expect("works")[0].revoked_at, Some(at(6)));
    for key in [1, 2] {
        assert_eq!(bed.enroll(key, 8).await, Enrolment::Revoked);
    }
    let known = bed.store.authenticate([101; 32], at(9)).await;
    let known = known.expect("works").expect("its token is kept");
    assert_eq!(
        (known.principal.worker_id, known.revoked_at),
        (Some(worker), None)
    );
}

async fn workers_that_enrol_at_once_do_not_share_a_use(bed: Bed) {
    bed.enrolment_token(3).await;
    let mut asking = JoinSet::new();
    for key in 0..8 {
        let bed = bed.clone();
        asking.spawn(async move { bed.enroll(key, 1).await });
    }
    let answers = asking.join_all().await;
    let enrolled = |answer: &&Enrolment| matches!(answer, Enrolment::Enrolled { .. });
    assert_eq!(answers.iter().filter(enrolled).count(), 3, "{answers:?}");
    let rest = answers.iter().filter(|answer| !enrolled(answer));
    assert!(rest.into_iter().all(|answer| *answer == Enrolment::UsedUp));
}

async fn a_revoked_worker_is_nobody(bed: Bed) {
    bed.enrolment_token(2).await;
    let (worker, other) = (bed.enrolled(1, 1).await, bed.enrolled(2, 1).await);
    let revoke = async |worker, now| {
        let how = Expulsion::Revoked;
        bed.store
            .expel_worker(bed.workspace, worker, how, at(now))
            .await
    };
    revoke(worker, 5).await.expect("it has a token");
    let known = bed.store.authenticate([101; 32], at(6)).await;
    assert_eq!(known.expect("works").expect("kept").revoked_at, Some(at(5)));
    assert_eq!(
        bed.enroll(1, 7).await,
        Enrolment::Revoked,
        "with its old key"
    );
    assert_eq!(bed.enrolled(2, 7).await, other, "another worker stays");
    for unknown in [worker, bed.worker()] {
        let again = revoke(unknown, 8).await;
        assert!(matches!(again, Err(StoreError::NotFound)), "{again:?}");
    }
}

on_both!(
    a_worker_is_enrolled_once_however_often_it_asks,
    an_enrolment_token_ends,
    workers_that_enrol_at_once_do_not_share_a_use,
    a_revoked_worker_is_nobody,
);
