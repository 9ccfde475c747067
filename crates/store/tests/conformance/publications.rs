//! Publications: one for each request, one at a time, one server at a time, and none for ever.

use std::time::Duration;

use outwork_domain::publication::{
    Asked, Command, DEADLINE, LEASE, Publication, PullRequest, State,
};
use outwork_domain::{Epoch, PublicationId};
use outwork_store::{NewPublication, Requested, StoreError, Submission};
use tokio::task::JoinSet;

use crate::bed::{Bed, at};

impl Bed {
    fn publication(&self, submission: &Submission, now: i64) -> Publication {
        Publication {
            id: PublicationId::from_uuid(self.uuid()),
            workspace_id: self.workspace,
            task_id: submission.task.id,
            attempt_id: submission.attempts[0].id,
            repository: "app".to_owned(),
            asked: Asked {
                branch: "outwork/x".to_owned(),
                base: Some("main".to_owned()),
                title: Some("Title".to_owned()),
                body: None,
                draft: true,
                author: None,
            },
            created_by: self.principal,
            created_at: at(now),
            deadline_at: at(now) + DEADLINE,
            epoch: Epoch::ZERO,
            tries: 0,
            commit: None,
            state: State::Queued {
                visible_at: at(now),
                trouble: None,
            },
        }
    }

    async fn publish(
        &self,
        publication: &Publication,
        request: Option<(&str, u8)>,
    ) -> Result<Requested, StoreError> {
        let new = NewPublication {
            publication: publication.clone(),
            request: request.map(|(key, body)| (key.to_owned(), [body; 32])),
        };
        self.store.publish(new).await
    }

    async fn published(&self, id: PublicationId) -> Publication {
        let found = self.store.publication(self.workspace, id).await;
        found.expect("works").expect("it is there")
    }
}

async fn one_request_is_one_publication(bed: Bed) {
    let submission = bed.submit(1, at(0)).await;
    let first = bed.publication(&submission, 10);
    let made = bed.publish(&first, Some(("key", 1))).await.expect("new");
    assert_eq!(made, Requested::New);
    assert_eq!(bed.published(first.id).await, first);
    let again = bed.publication(&submission, 11);
    let replayed = bed.publish(&again, Some(("key", 1))).await.expect("known");
    assert_eq!(replayed, Requested::Before(Box::new(first.clone())));
    let other = bed.publish(&again, Some(("key", 2))).await;
    assert!(
        matches!(other, Err(StoreError::IdempotencyMismatch)),
        "{other:?}"
    );
    let beside = bed.publish(&again, Some(("other", 1))).await;
    let Err(StoreError::PublicationUnderWay { publication }) = beside else {
        panic!("{beside:?}");
    };
    assert_eq!(publication, first.id);
    let stranger = bed.other_workspace().await;
    let foreign = stranger
        .store
        .publication(stranger.workspace, first.id)
        .await;
    assert_eq!(foreign.expect("works"), None);
    let mut theirs = bed.publication(&submission, 12);
    theirs.workspace_id = stranger.workspace;
    let refused = stranger.publish(&theirs, None).await;
    assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
}

async fn one_server_has_it(bed: Bed) {
    let submission = bed.submit(1, at(0)).await;
    let new = bed.publication(&submission, 10);
    bed.publish(&new, None).await.expect("new");
    assert_eq!(
        bed.store.claim_publication(at(9)).await.expect("works"),
        None
    );
    let mut servers = JoinSet::new();
    for _ in 0..8 {
        let store = bed.store.clone();
        servers.spawn(async move { store.claim_publication(at(10)).await.expect("works") });
    }
    let claims = servers.join_all().await;
    let mut claims = claims.into_iter().flatten();
    let claimed = claims.next().expect("one has it");
    assert_eq!(claims.next(), None, "and nobody else");
    assert_eq!(claimed.epoch, Epoch::new(1));
    // The commit is noted before it is pushed, and stays when the server is gone.
    let plan = Command::Plan {
        epoch: claimed.epoch,
        commit: "ab".repeat(20),
    };
    bed.store
        .move_publication(new.id, plan, at(20))
        .await
        .expect("held");
    let later = at(20) + LEASE;
    let early = bed.store.claim_publication(at(19) + LEASE);
    assert_eq!(early.await.expect("works"), None);
    let next = bed.store.claim_publication(later).await.expect("works");
    let next = next.expect("the lease ran out");
    assert_eq!(
        (next.epoch, next.commit.as_deref()),
        (Epoch::new(2), Some("ab".repeat(20).as_str()))
    );
    let finish = |epoch| Command::Finish {
        epoch,
        pull_request: Some(PullRequest {
            url: "https://forge.example/1".to_owned(),
            number: 1,
            state: "open".to_owned(),
        }),
        note: Some("done".to_owned()),
    };
    let stale = bed
        .store
        .move_publication(new.id, finish(claimed.epoch), later)
        .await;
    assert!(
        matches!(stale, Err(StoreError::Publication(_))),
        "{stale:?}"
    );
    let ended = bed
        .store
        .move_publication(new.id, finish(next.epoch), later)
        .await;
    let ended = ended.expect("held");
    assert_eq!(bed.published(new.id).await, ended);
    assert_eq!(
        bed.store
            .claim_publication(at(10_000_000))
            .await
            .expect("works"),
        None
    );
    let listed = bed
        .store
        .publications(bed.workspace, submission.task.id)
        .await;
    assert_eq!(listed.expect("works"), [ended]);
    let log = bed.log(submission.attempts[0].id).await;
    let of_it = log.iter().filter(|line| line.contains("publication"));
    assert_eq!(of_it.count(), 2, "{log:?}");
    // The next one of the task has its turn.
    let more = bed.publication(&submission, 40_000);
    bed.publish(&more, None)
        .await
        .expect("nothing is under way");
}

async fn what_waits_too_long_fails(bed: Bed) {
    let submission = bed.submit(1, at(0)).await;
    let new = bed.publication(&submission, 10);
    bed.publish(&new, None).await.expect("new");
    // While no server ran its time stood still.
    let away = Duration::from_secs(3600);
    bed.store.extend_leases(away, at(20)).await.expect("works");
    let claimed = bed
        .store
        .claim_publication(at(20) + away)
        .await
        .expect("works");
    let claimed = claimed.expect("it has time left");
    assert_eq!(claimed.deadline_at, new.deadline_at + away);
    // The only server begins anew.
    bed.store
        .release_publications(at(30) + away)
        .await
        .expect("works");
    let again = bed
        .store
        .claim_publication(at(30) + away)
        .await
        .expect("works");
    let again = again.expect("nobody has it");
    let put_off = Command::PutOff {
        epoch: again.epoch,
        trouble: Some("It is down.".to_owned()),
        wait: Duration::from_secs(1),
    };
    let now = at(40) + away;
    bed.store
        .move_publication(new.id, put_off, now)
        .await
        .expect("held");
    assert_eq!(
        bed.store.claim_publication(now).await.expect("works"),
        None,
        "it waits"
    );
    let late = new.deadline_at + away;
    assert_eq!(
        bed.store.claim_publication(late).await.expect("works"),
        None
    );
    let State::Failed { failure, .. } = bed.published(new.id).await.state else {
        panic!("its time is over");
    };
    assert_eq!(
        failure.message,
        "It was not published within 15 minutes. It is down."
    );
}

on_both!(
    one_request_is_one_publication,
    one_server_has_it,
    what_waits_too_long_fails,
);
