//! Jobs: kept once, in order within a lane, by one server at a time; and conversations that are told once.

use std::time::Duration;

use outwork_domain::integration::{Conversation, Integration, IntegrationKind, LinkedUser};
use outwork_domain::job::{Command, Job, LEASE, Queue, State};
use outwork_domain::principal::{PrincipalKind, Role};
use outwork_domain::{ConversationId, Epoch, IntegrationId, JobId, PrincipalId};
use outwork_store::{
    ConversationChange, Enqueued, IntegrationRecord, MemberRecord, StoreError, Told,
};
use tokio::task::JoinSet;

use crate::bed::{Bed, at};

impl Bed {
    fn job(&self, key: &str, lane: Option<&str>, now: i64) -> Job {
        Job {
            id: JobId::from_uuid(self.uuid()),
            workspace_id: self.workspace,
            queue: Queue::Inbound,
            owner: "int_1".to_owned(),
            key: key.to_owned(),
            lane: lane.map(str::to_owned),
            kind: "mention".to_owned(),
            body: r#"{"text":"hi"}"#.to_owned(),
            memo: None,
            created_at: at(now),
            deadline_at: at(now) + Duration::from_secs(3600),
            epoch: Epoch::ZERO,
            tries: 0,
            state: State::Waiting {
                due_at: at(now),
                trouble: None,
            },
        }
    }

    async fn enqueue(&self, job: &Job) -> Enqueued {
        let kept = self.store.enqueue(vec![job.clone()]).await;
        kept.expect("can be kept")[0]
    }

    async fn claim_job(&self, now: i64) -> Option<Job> {
        let claimed = self.store.claim_job(Queue::Inbound, at(now)).await;
        claimed.expect("works")
    }

    async fn move_job(&self, job: &Job, command: Command, now: i64) -> Result<Job, StoreError> {
        self.store
            .move_job(self.workspace, job.id, command, at(now))
            .await
    }

    async fn integration(&self, name: &str) -> Result<IntegrationRecord, StoreError> {
        let member = MemberRecord {
            id: PrincipalId::from_uuid(self.uuid()),
            kind: PrincipalKind::Integration,
            name: name.to_owned(),
            role: Role::Member,
            created_at: at(0),
        };
        let record = IntegrationRecord {
            integration: Integration {
                id: IntegrationId::from_uuid(self.uuid()),
                workspace_id: self.workspace,
                kind: IntegrationKind::Slack,
                name: name.to_owned(),
                principal_id: member.id,
                settings: "{}".to_owned(),
                is_active: true,
                created_at: at(0),
                updated_at: at(0),
            },
            sealed: Some(vec![1, 2]),
        };
        self.store.add_integration(record.clone(), member).await?;
        Ok(record)
    }

    fn new_conversation(&self, integration: IntegrationId, key: &str) -> Conversation {
        Conversation {
            id: ConversationId::from_uuid(self.uuid()),
            workspace_id: self.workspace,
            integration_id: integration,
            key: key.to_owned(),
            task_id: None,
            environment_id: None,
            data: "{}".to_owned(),
            told_at: None,
            created_at: at(0),
            updated_at: at(0),
        }
    }
}

async fn the_same_key_is_kept_once(bed: Bed) {
    let first = bed.job("delivery-1", None, 0);
    assert_eq!(bed.enqueue(&first).await, Enqueued::New);
    let again = bed.job("delivery-1", None, 5);
    assert_eq!(bed.enqueue(&again).await, Enqueued::Before(first.id));
    let claimed = bed.claim_job(10).await.expect("due");
    assert_eq!((claimed.id, claimed.epoch), (first.id, Epoch::new(1)));
    assert_eq!(claimed.body, first.body);
    let finish = |epoch, note: &str| Command::Finish {
        epoch,
        note: Some(note.to_owned()),
    };
    let done = bed
        .move_job(&claimed, finish(claimed.epoch, "task_1"), 20)
        .await;
    done.expect("it has it");
    // Also when it was done.
    assert_eq!(bed.enqueue(&again).await, Enqueued::Before(first.id));
    assert_eq!(bed.claim_job(30).await, None);
    let listed = bed
        .store
        .jobs(bed.workspace, Queue::Inbound, "int_1", 10, None)
        .await;
    let listed = listed.expect("works").items;
    assert_eq!(listed.len(), 1);
    let State::Done { note, ended_at } = &listed[0].state else {
        panic!("{listed:?}");
    };
    assert_eq!((note.as_deref(), *ended_at), (Some("task_1"), at(20)));
    let stranger = bed.other_workspace().await;
    let theirs = stranger.store.job(stranger.workspace, first.id).await;
    assert_eq!(theirs.expect("works"), None);
    let moved = stranger
        .move_job(&first, Command::Replay { within: LEASE }, 40)
        .await;
    assert!(matches!(moved, Err(StoreError::NotFound)), "{moved:?}");
}

async fn jobs_are_listed_in_pages(bed: Bed) {
    let jobs: Vec<_> = ["1", "2", "3"].map(|key| bed.job(key, None, 0)).into();
    bed.store.enqueue(jobs.clone()).await.expect("kept");
    let page = async |cursor: Option<&str>| {
        let page = bed
            .store
            .jobs(bed.workspace, Queue::Inbound, "int_1", 2, cursor);
        page.await
    };
    let first = page(None).await.expect("works");
    let ids = |jobs: &[Job]| jobs.iter().map(|job| job.id).collect::<Vec<_>>();
    assert_eq!(ids(&first.items), [jobs[2].id, jobs[1].id]);
    let second = page(first.next_cursor.as_deref()).await.expect("works");
    assert_eq!(ids(&second.items), [jobs[0].id]);
    assert_eq!(second.next_cursor, None);
    let bad = page(Some("yesterday")).await;
    assert!(matches!(bad, Err(StoreError::BadCursor)), "{bad:?}");
}

async fn a_lane_is_done_in_order(bed: Bed) {
    let [first, second] = ["1", "2"].map(|key| bed.job(key, Some("issue 7"), 0));
    let beside = bed.job("3", Some("issue 8"), 0);
    let kept = bed
        .store
        .enqueue(vec![first.clone(), second.clone(), beside.clone()])
        .await;
    assert_eq!(kept.expect("can be kept"), [Enqueued::New; 3]);
    let one = bed.claim_job(1).await.expect("due");
    assert_eq!(one.id, first.id);
    let other = bed.claim_job(1).await.expect("another lane is free");
    assert_eq!(other.id, beside.id);
    assert_eq!(bed.claim_job(1).await, None);
    // Waiting for trouble to pass blocks, too: else a reply would come before what it replies to.
    let later = Command::PutOff {
        epoch: one.epoch,
        trouble: Some("503".to_owned()),
        at: at(1_000),
    };
    bed.move_job(&one, later, 2).await.expect("held");
    assert_eq!(bed.claim_job(3).await, None);
    let one = bed.claim_job(1_000).await.expect("due again");
    assert_eq!((one.id, one.tries), (first.id, 1));
    let fail = Command::Fail {
        epoch: one.epoch,
        message: "no".to_owned(),
    };
    bed.move_job(&one, fail, 1_001).await.expect("held");
    let two = bed.claim_job(1_002).await.expect("the lane is free");
    assert_eq!(two.id, second.id);
}

async fn one_server_has_a_job(bed: Bed) {
    for n in 0..20 {
        bed.enqueue(&bed.job(&n.to_string(), None, 0)).await;
    }
    let mut servers = JoinSet::new();
    for _ in 0..4 {
        let bed = bed.clone();
        servers.spawn(async move {
            let mut taken = Vec::new();
            while let Some(job) = bed.claim_job(1).await {
                taken.push(job.id);
            }
            taken
        });
    }
    let mut all = servers.join_all().await.concat();
    assert_eq!(all.len(), 20);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 20);
    // They are gone.
    let later = 1 + i64::try_from(LEASE.as_millis()).expect("short");
    let again = bed.claim_job(later).await.expect("the lease ran out");
    assert_eq!(again.epoch, Epoch::new(2));
    let stale = Command::Note {
        epoch: Epoch::new(1),
        memo: "posted".to_owned(),
    };
    let refused = bed.move_job(&again, stale, later).await;
    assert!(matches!(refused, Err(StoreError::Job(_))), "{refused:?}");
    bed.store.release_jobs(at(later)).await.expect("works");
    assert!(bed.claim_job(later).await.is_some());
}

async fn what_was_noted_is_there_for_the_next(bed: Bed) {
    bed.enqueue(&bed.job("1", None, 0)).await;
    let job = bed.claim_job(1).await.expect("due");
    let memo = "comment 5".to_owned();
    let note = Command::Note {
        epoch: job.epoch,
        memo,
    };
    bed.move_job(&job, note, 2).await.expect("held");
    let later = 2 + i64::try_from(LEASE.as_millis()).expect("short");
    let next = bed.claim_job(later).await.expect("the first is gone");
    assert_eq!(next.memo.as_deref(), Some("comment 5"));
    let late = at(later) + Duration::from_secs(7200);
    let none = bed.store.claim_job(Queue::Inbound, late).await;
    assert_eq!(none.expect("works"), None, "its time is over");
    let job = bed
        .store
        .job(bed.workspace, job.id)
        .await
        .expect("works")
        .expect("there");
    assert!(matches!(job.state, State::Failed { .. }), "{job:?}");
    let kept = bed.store.forget_jobs(at(later)).await;
    assert_eq!(kept.expect("works"), 0);
    assert_eq!(bed.store.forget_jobs(late).await.expect("works"), 1);
}

async fn an_integration_comes_and_goes_with_its_member(bed: Bed) {
    let slack = bed.integration("slack").await.expect("new");
    let taken = bed.integration("Slack").await;
    assert!(matches!(taken, Err(StoreError::NameTaken)), "{taken:?}");
    let it = &slack.integration;
    let found = bed.store.integration(it.id).await.expect("works");
    assert_eq!(found.as_ref(), Some(&slack));
    let acting = bed.store.acting(bed.workspace, it.principal_id).await;
    let acting = acting.expect("works").expect("a member");
    assert_eq!(
        (acting.role, acting.kind),
        (Role::Member, PrincipalKind::Integration)
    );
    let user = LinkedUser {
        integration_id: it.id,
        external_id: "U1".to_owned(),
        name: "ada".to_owned(),
        principal_id: bed.principal,
        created_at: at(1),
    };
    bed.store
        .link_user(bed.workspace, user.clone())
        .await
        .expect("linked");
    let known = bed.store.linked_user(it.id, "U1").await.expect("works");
    assert_eq!(known, Some(user.clone()));
    // Whoever was a member is not taken for somebody that nobody knows.
    let mut gone = user.clone();
    gone.external_id = "U2".to_owned();
    gone.principal_id = it.principal_id;
    let linked = bed.store.link_user(bed.workspace, gone.clone()).await;
    linked.expect("linked");
    let left = bed
        .store
        .deactivate_member(bed.workspace, it.principal_id, at(2));
    left.await.expect("removed");
    let known = bed.store.linked_user(it.id, "U2").await.expect("works");
    assert_eq!(known, Some(gone));
    let acting = bed.store.acting(bed.workspace, it.principal_id).await;
    assert_eq!(acting.expect("works"), None);
    let stranger = bed.other_workspace().await;
    let foreign = stranger.store.link_user(stranger.workspace, user).await;
    assert!(matches!(foreign, Err(StoreError::NotFound)), "{foreign:?}");
    let mut changed = slack.clone();
    changed.integration.is_active = false;
    changed.sealed = None;
    bed.store
        .change_integration(changed.clone())
        .await
        .expect("changed");
    let all = bed.store.integrations(bed.workspace).await.expect("works");
    assert_eq!(all, [changed]);
    let mut job = bed.job("1", None, 0);
    job.owner = it.id.to_string();
    bed.enqueue(&job).await;
    let talk = bed.new_conversation(it.id, "C1/1");
    bed.store
        .open_conversation(talk.clone())
        .await
        .expect("opened");
    let gone = bed
        .store
        .remove_integration(bed.workspace, it.id, at(5))
        .await;
    gone.expect("removed");
    assert_eq!(bed.claim_job(9).await, None);
    let talk = bed.store.conversation_by_id(bed.workspace, talk.id).await;
    assert_eq!(talk.expect("works"), None);
    let acting = bed.store.acting(bed.workspace, it.principal_id).await;
    assert_eq!(acting.expect("works"), None);
    let again = bed
        .store
        .remove_integration(bed.workspace, it.id, at(6))
        .await;
    assert!(matches!(again, Err(StoreError::NotFound)), "{again:?}");
}

async fn a_conversation_is_told_once(bed: Bed) {
    let slack = bed.integration("slack").await.expect("new");
    let new = bed.new_conversation(slack.integration.id, "C1/1");
    let talk = bed
        .store
        .open_conversation(new.clone())
        .await
        .expect("opened");
    let mut second = bed.new_conversation(slack.integration.id, "C1/1");
    second.data = "other".to_owned();
    let same = bed.store.open_conversation(second).await.expect("opened");
    assert_eq!(same, talk);
    assert_eq!(bed.store.conversations_to_tell(9).await.expect("works"), []);
    let submission = bed.submit(1, at(10)).await;
    let change = ConversationChange {
        task: Some(submission.task.id),
        environment: Some(bed.environment.id),
        data: None,
    };
    let talk = bed.store.change_conversation(talk.id, change, at(11)).await;
    let talk = talk.expect("changed");
    let of_task = bed
        .store
        .conversations_of_task(bed.workspace, submission.task.id)
        .await;
    assert_eq!(of_task.expect("works"), std::slice::from_ref(&talk));
    let due = bed.store.conversations_to_tell(9).await.expect("works");
    assert_eq!(due, [(talk.clone(), at(10))]);
    let mut post = bed.job("queued", Some(&talk.id.to_string()), 12);
    post.queue = Queue::Post;
    let told = Told {
        conversation: talk.clone(),
        told_at: at(10),
        posts: vec![post.clone()],
        data: "{\"told\":1}".to_owned(),
    };
    let first = bed.store.tell_conversation(told.clone(), at(12)).await;
    assert!(first.expect("works"));
    // Another server read it before.
    let second = bed.store.tell_conversation(told, at(12)).await;
    assert!(!second.expect("works"));
    assert_eq!(bed.store.conversations_to_tell(9).await.expect("works"), []);
    let sent = bed
        .store
        .claim_job(Queue::Post, at(12))
        .await
        .expect("works");
    assert_eq!(sent.expect("due").id, post.id);
    let cancelled = bed
        .store
        .cancel_task(bed.workspace, submission.task.id, at(20))
        .await;
    cancelled.expect("cancelled");
    let due = bed.store.conversations_to_tell(9).await.expect("works");
    assert_eq!(due.len(), 1);
    assert_eq!((due[0].0.data.as_str(), due[0].1), ("{\"told\":1}", at(20)));
}

/// Two that change what is remembered lose nothing of each other's.
async fn what_is_remembered_is_changed_from_what_it_was(bed: Bed) {
    let slack = bed.integration("slack").await.expect("added");
    let talk = bed.new_conversation(slack.integration.id, "C1/1");
    let talk = bed.store.open_conversation(talk).await.expect("opened");
    let data = |text: &str| ConversationChange {
        data: Some(text.to_owned()),
        ..ConversationChange::default()
    };
    let edit = async |was: &Conversation, text: &str| {
        let edited = bed.store.edit_conversation(was, data(text), at(5)).await;
        edited.expect("works")
    };
    let first = edit(&talk, "{\"a\":1}").await.expect("nobody was faster");
    assert_eq!(first.data, "{\"a\":1}");
    assert_eq!(edit(&talk, "{\"b\":1}").await, None);
    let second = edit(&first, "{\"a\":1,\"b\":1}").await;
    assert_eq!(second.expect("read again").data, "{\"a\":1,\"b\":1}");
}

on_both!(
    what_is_remembered_is_changed_from_what_it_was,
    the_same_key_is_kept_once,
    jobs_are_listed_in_pages,
    a_lane_is_done_in_order,
    one_server_has_a_job,
    what_was_noted_is_there_for_the_next,
    an_integration_comes_and_goes_with_its_member,
    a_conversation_is_told_once,
);
