//! What people say about results, what they have seen, and who did what.

use outwork_domain::approval::{Given, Verdict};
use outwork_domain::comment::{Comment, Lines, Side};
use outwork_domain::principal::Role;
use outwork_domain::{AttemptId, AuditId, CommentId, PrincipalId};
use outwork_store::{
    Claimed, CommentChange, FileChanges, NewAudit, NewVerdict, SentComment, StoreError, Submitted,
};
use tokio::task::JoinSet;

use crate::bed::{Bed, at, result};
use crate::past_the_store::execute;

impl Bed {
    /// An attempt that has ended with a diff.
    async fn done(&self) -> Claimed {
        let held = self.held(at(0)).await;
        let attempt = &held.attempt;
        let finished = self.store.finish(
            self.workspace,
            attempt.id,
            attempt.epoch,
            outwork_domain::attempt::Outcome::Succeeded,
            result(attempt),
            0,
            at(2),
        );
        finished.await.expect("held");
        held
    }

    fn new_comment(&self, on: &Claimed, now: i64) -> Comment {
        Comment {
            id: CommentId::from_uuid(self.uuid()),
            workspace_id: self.workspace,
            task_id: on.task.id,
            attempt_id: on.attempt.id,
            repository: "app".to_owned(),
            path: "src/ü.rs".to_owned(),
            side: Side::Old,
            lines: Some(Lines { first: 3, last: 4 }),
            excerpt: "a\n\tb".to_owned(),
            text: "why?".to_owned(),
            created_by: self.principal,
            created_at: at(now),
            updated_at: at(now),
            resolved_at: None,
            sent_in_turn: None,
        }
    }

    async fn comment(&self, on: &Claimed, now: i64) -> Comment {
        let comment = self.new_comment(on, now);
        let added = self.store.add_comment(comment.clone()).await;
        added.expect("the attempt is there");
        comment
    }

    async fn follow_up(
        &self,
        on: &Claimed,
        comments: &[Comment],
        now: i64,
    ) -> Result<Submitted, StoreError> {
        let turn = self.turn(on.task.id, 1, at(now));
        let attempts = self.attempts(&turn, 1, at(now));
        let sent = comments.iter().map(|comment| SentComment {
            id: comment.id,
            updated_at: comment.updated_at,
        });
        let sent = sent.collect();
        self.store
            .add_turn_with_comments(self.workspace, turn, attempts, sent, None)
            .await
    }

    async fn change(
        &self,
        comment: &Comment,
        text: Option<&str>,
        resolved: Option<bool>,
        now: i64,
    ) -> Result<Comment, StoreError> {
        let change = CommentChange {
            text: text.map(str::to_owned),
            resolved,
        };
        self.store
            .change_comment(self.workspace, comment.id, change, at(now))
            .await
    }

    async fn say(
        &self,
        attempt: AttemptId,
        by: PrincipalId,
        verdict: Option<Verdict>,
        now: i64,
    ) -> Result<(), StoreError> {
        let said = NewVerdict {
            attempt,
            by,
            verdict,
            text: Some("because".to_owned()),
        };
        self.store.say(self.workspace, said, at(now)).await
    }

    async fn said(&self, on: &Claimed) -> Vec<Given> {
        let all = self.store.approvals([on.task.id].into_iter()).await;
        let mut all = all.expect("works").remove(&on.task.id).unwrap_or_default();
        all.remove(&on.attempt.id).unwrap_or_default()
    }
}

async fn a_comment_is_kept_changed_and_deleted(bed: Bed) {
    let done = bed.done().await;
    let one = bed.comment(&done, 5).await;
    let on_file = Comment {
        lines: None,
        excerpt: String::new(),
        side: Side::New,
        ..bed.new_comment(&done, 6)
    };
    bed.store.add_comment(on_file.clone()).await.expect("there");
    let listed = bed.store.comments(bed.workspace, done.task.id).await;
    assert_eq!(listed.expect("works"), [one.clone(), on_file.clone()]);
    assert_eq!(bed.record(done.task.id).await.task.updated_at, at(6));
    let changed = bed.change(&one, Some("why not?"), Some(true), 7).await;
    let changed = changed.expect("there");
    assert_eq!(changed.text, "why not?");
    assert_eq!(
        (changed.resolved_at, changed.updated_at),
        (Some(at(7)), at(7))
    );
    let again = bed.change(&one, None, Some(true), 8).await.expect("there");
    assert_eq!(again.resolved_at, Some(at(7)), "since when it is");
    let open = bed.change(&one, None, Some(false), 9).await.expect("there");
    assert_eq!(open.resolved_at, None);
    let found = bed.store.comment(bed.workspace, one.id).await;
    assert_eq!(found.expect("works"), Some(open));
    let other = bed.other_workspace().await;
    let found = other.store.comment(other.workspace, one.id).await;
    assert_eq!(found.expect("works"), None);
    let unseen = other.change(&one, None, Some(true), 9).await;
    assert!(matches!(unseen, Err(StoreError::NotFound)), "{unseen:?}");
    let foreign = Comment {
        workspace_id: other.workspace,
        ..bed.new_comment(&done, 9)
    };
    let unseen = other.store.add_comment(foreign).await;
    assert!(matches!(unseen, Err(StoreError::NotFound)), "{unseen:?}");
    let deleted = bed
        .store
        .delete_comment(bed.workspace, one.id, at(10))
        .await;
    deleted.expect("there");
    let listed = bed.store.comments(bed.workspace, done.task.id).await;
    assert_eq!(listed.expect("works"), [on_file]);
}

async fn a_comment_is_sent_as_it_was_read(bed: Bed) {
    let done = bed.done().await;
    let (one, two) = (bed.comment(&done, 5).await, bed.comment(&done, 6).await);
    let newer = bed
        .change(&two, Some("else"), None, 7)
        .await
        .expect("there");
    let refused = bed.follow_up(&done, &[one.clone(), two], 8).await;
    assert!(
        matches!(refused, Err(StoreError::CommentChanged)),
        "{refused:?}"
    );
    assert_eq!(bed.record(done.task.id).await.turns.len(), 1);
    let both = [one.clone(), newer];
    let added = bed.follow_up(&done, &both, 9).await;
    assert_eq!(added.expect("works"), Submitted::New);
    let listed = bed.store.comments(bed.workspace, done.task.id).await;
    for comment in listed.expect("works") {
        assert_eq!(comment.sent_in_turn, Some(2));
        assert!(!comment.is_open());
    }
    let changed = bed.change(&one, Some("other"), None, 10).await;
    let Err(StoreError::CommentSent { turn: 2 }) = changed else {
        panic!("{changed:?}");
    };
    let deleted = bed
        .store
        .delete_comment(bed.workspace, one.id, at(10))
        .await;
    assert!(
        matches!(deleted, Err(StoreError::CommentSent { turn: 2 })),
        "{deleted:?}"
    );
    bed.change(&one, None, Some(true), 11)
        .await
        .expect("it can be settled");
}

async fn one_person_has_one_verdict_on_an_attempt(bed: Bed) {
    let done = bed.done().await;
    let attempt = done.attempt.id;
    let grace = bed.add_member("Grace", Role::Reviewer).await.id;
    let nothing = bed.say(attempt, grace, None, 3).await;
    assert!(matches!(nothing, Err(StoreError::NotFound)), "{nothing:?}");
    let mut at_once = JoinSet::new();
    for _ in 0..8 {
        let bed = bed.clone();
        at_once.spawn(async move { bed.say(attempt, grace, Some(Verdict::Approve), 5).await });
    }
    for said in at_once.join_all().await {
        said.expect("works");
    }
    let ada = bed.principal;
    let reject = bed.say(attempt, ada, Some(Verdict::Reject), 6).await;
    reject.expect("works");
    let given = |by, at_ms, verdict| Given {
        by,
        at: at(at_ms),
        verdict,
        text: Some("because".to_owned()),
        counts: true,
    };
    let expected = [
        given(grace, 5, Verdict::Approve),
        given(ada, 6, Verdict::Reject),
    ];
    assert_eq!(bed.said(&done).await, expected);
    let other = bed.other_workspace().await;
    let unseen = other.say(attempt, other.principal, Some(Verdict::Reject), 7);
    assert!(matches!(unseen.await, Err(StoreError::NotFound)));
    bed.say(attempt, ada, None, 8).await.expect("it was there");
    assert_eq!(bed.said(&done).await, expected[..1]);
    // Whoever may not approve any more has no voice.
    let demote = outwork_store::MemberChange {
        role: Some(Role::Viewer),
        name: None,
    };
    let demoted = bed.store.change_member(bed.workspace, grace, demote, at(9));
    demoted.await.expect("there");
    assert!(!bed.said(&done).await[0].counts);
}

async fn what_was_seen_are_changes(bed: Bed) {
    let done = bed.done().await;
    let (task, ada) = (done.task.id, bed.principal);
    let grace = bed.add_member("Grace", Role::Viewer).await.id;
    let file = |repository: &str, hash| FileChanges {
        repository: repository.to_owned(),
        patch: [hash; 32],
    };
    let mark = async |file: FileChanges, viewed: Option<i64>| {
        let marked = bed.store.mark_viewed(task, ada, file, viewed.map(at));
        marked.await.expect("works");
    };
    mark(file("app", 1), Some(5)).await;
    mark(file("app", 1), Some(6)).await;
    mark(file("docs", 1), Some(7)).await;
    mark(file("app", 2), Some(8)).await;
    mark(file("app", 2), None).await;
    mark(file("app", 3), None).await;
    let viewed = async |who| {
        let mut viewed = bed.store.viewed(task, who).await.expect("works");
        viewed.sort_by_key(|(_, at)| *at);
        viewed
    };
    let expected = [(file("app", 1), at(5)), (file("docs", 1), at(7))];
    assert_eq!(viewed(ada).await, expected);
    assert_eq!(viewed(grace).await, []);
}

async fn what_was_done_is_listed_newest_first(bed: Bed) {
    let other = bed.other_workspace().await;
    let entry = |bed: &Bed, now: i64| NewAudit {
        id: AuditId::from_uuid(bed.uuid()),
        workspace_id: bed.workspace,
        at: at(now),
        principal_id: bed.principal,
        action: format!("POST /{now}"),
        object: "/x".to_owned(),
    };
    for now in [5, 6, 6, 7] {
        bed.store.audit(entry(&bed, now)).await.expect("works");
    }
    let foreign = other.store.audit(entry(&other, 9)).await;
    foreign.expect("works");
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = bed.store.audited(bed.workspace, 3, cursor.as_deref());
        let page = page.await.expect("works");
        seen.extend(page.items.into_iter().map(|entry| entry.action));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["POST /7", "POST /6", "POST /6", "POST /5"]);
    let wrong = bed.store.audited(bed.workspace, 3, Some("x")).await;
    assert!(matches!(wrong, Err(StoreError::BadCursor)));
}

async fn an_environment_keeps_how_many_approvals_it_needs(bed: Bed) {
    let mut environment = bed.environment.clone();
    environment.spec.approvals = 2;
    let written = bed
        .store
        .update_environment(&environment, Vec::new(), None)
        .await;
    assert_eq!(written.expect("there").environment.spec.approvals, 2);
    let submission = bed.submit(1, at(3)).await;
    assert_eq!(bed.record(submission.task.id).await.approvals_needed, 2);
    let wrong = "UPDATE environments SET approvals = 3";
    assert!(execute(&bed.place, wrong.into()).await.is_err());
}

on_both!(
    a_comment_is_kept_changed_and_deleted,
    a_comment_is_sent_as_it_was_read,
    one_person_has_one_verdict_on_an_attempt,
    what_was_seen_are_changes,
    what_was_done_is_listed_newest_first,
    an_environment_keeps_how_many_approvals_it_needs,
);
