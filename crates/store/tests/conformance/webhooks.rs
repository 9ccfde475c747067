//! Webhooks, and what is kept for them of what happens.

use outwork_domain::approval::Verdict;
use outwork_domain::attempt::Outcome;
use outwork_domain::comment::{Comment, Side};
use outwork_domain::job::{Command as JobCommand, Job, Queue, State as JobState};
use outwork_domain::notice::{NoticeSettings, Occasion, Place as NoticePlace, QuietHours, Rule};
use outwork_domain::webhook::{FAILING_FOR, Kind, State, Webhook, Why};
use outwork_domain::{
    Attempt, CommentId, Epoch, Failure, FailureCode, IntegrationId, JobId, TaskId, Timestamp,
    WebhookId, limits,
};
use outwork_store::{
    NewVerdict, NoticeOwner, Occurrence, Store, StoreError, Tried, WebhookChange, WebhookRecord,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::bed::{Bed, Place, at, result};
use crate::past_the_store::execute;

impl Bed {
    pub(crate) fn new_webhook(&self, now: Timestamp) -> WebhookRecord {
        WebhookRecord {
            webhook: Webhook {
                id: WebhookId::from_uuid(self.uuid()),
                workspace_id: self.workspace,
                url: "https://example.com/hook".into(),
                kinds: None,
                created_by: self.principal,
                created_at: now,
                updated_at: now,
                state: State::Active {
                    failing_since: None,
                },
            },
            sealed: vec![1, 0, 255],
            before: None,
        }
    }

    pub(crate) async fn webhook(&self, now: Timestamp) -> WebhookId {
        let record = self.new_webhook(now);
        let id = record.webhook.id;
        self.store.add_webhook(record).await.expect("there is room");
        id
    }

    async fn happened(&self) -> Vec<Occurrence> {
        self.store.occurrences(1000).await.expect("works")
    }

    /// Of that task: what, and the data without the task.
    async fn told(&self, task: TaskId) -> Vec<(Kind, Value)> {
        let all = self.happened().await.into_iter();
        let of_task = all.filter(|it| it.task_id == task).map(|it| {
            assert_eq!(it.workspace_id, self.workspace);
            let mut data: Value = serde_json::from_str(&it.data).expect("JSON");
            let subject = data.as_object_mut().expect("an object").remove("task");
            assert_eq!(subject.expect("a task")["id"], task.to_string());
            (it.kind, data)
        });
        of_task.collect()
    }
}

async fn a_webhook_is_kept_as_it_is(bed: Bed) {
    let (store, ws) = (&bed.store, bed.workspace);
    let first = bed.new_webhook(at(1));
    let mut second = bed.new_webhook(at(2));
    second.webhook.kinds = Some(vec![Kind::TaskFinished, Kind::TurnCreated]);
    for record in [&second, &first] {
        store
            .add_webhook(record.clone())
            .await
            .expect("there is room");
    }
    let all = store.webhooks(ws).await.expect("works");
    assert_eq!(all, [first.clone(), second.clone()]);
    let other = bed.other_workspace().await;
    assert_eq!(store.webhooks(other.workspace).await.expect("works"), []);
    let change = WebhookChange {
        url: Some("https://example.com/other".into()),
        kinds: Some(Some(vec![Kind::TaskCreated])),
        paused: Some(true),
    };
    let id = first.webhook.id;
    let stolen = store.change_webhook(other.workspace, id, change.clone(), at(3));
    let stolen = stolen.await;
    assert!(matches!(stolen, Err(StoreError::NotFound)), "{stolen:?}");
    let changed = store.change_webhook(ws, id, change, at(3)).await;
    let changed = changed.expect("it is there");
    let webhook = &changed.webhook;
    assert_eq!(webhook.url, "https://example.com/other");
    assert_eq!(webhook.kinds, Some(vec![Kind::TaskCreated]));
    let paused = State::Disabled {
        at: at(3),
        why: Why::Paused,
    };
    assert_eq!((webhook.state, webhook.updated_at), (paused, at(3)));
    let resume = WebhookChange {
        kinds: Some(None),
        paused: Some(false),
        ..WebhookChange::default()
    };
    let resumed = store.change_webhook(ws, id, resume, at(4)).await;
    assert_eq!(resumed.expect("it is there").webhook.kinds, None);
    let rotated = store.rotate_webhook(ws, id, vec![9], at(99), at(5)).await;
    let rotated = rotated.expect("it is there");
    assert_eq!(rotated.sealed, [9]);
    assert_eq!(rotated.before, Some((vec![1, 0, 255], at(99))));
    let read = store.webhook(id).await.expect("works");
    assert_eq!(read, Some(rotated));
    let stolen = store.delete_webhook(other.workspace, id).await;
    assert!(matches!(stolen, Err(StoreError::NotFound)), "{stolen:?}");
    store.delete_webhook(ws, id).await.expect("it is there");
    assert_eq!(store.webhook(id).await.expect("works"), None);
    assert_eq!(store.webhooks(ws).await.expect("works"), [second]);
}

async fn there_are_only_so_many(bed: Bed) {
    let mut adds = JoinSet::new();
    for _ in 0..limits::WEBHOOKS + 5 {
        let (store, record) = (bed.store.clone(), bed.new_webhook(at(0)));
        adds.spawn(async move { store.add_webhook(record).await });
    }
    let answers = adds.join_all().await;
    let refused = answers.iter().filter(|answer| answer.is_err()).count();
    assert_eq!(refused, 5);
}

async fn five_days_of_failures_end_it(bed: Bed) {
    let id = bed.webhook(at(0)).await;
    let store = &bed.store;
    let failed = Tried::Failed { is_gone: false };
    let tried = async |tried, now| store.tried_webhook(id, tried, now).await.expect("there");
    let failing = |failing_since| State::Active { failing_since };
    assert_eq!(tried(failed, at(1)).await, failing(Some(at(1))));
    assert_eq!(tried(failed, at(2)).await, failing(Some(at(1))));
    assert_eq!(tried(Tried::Delivered, at(3)).await, failing(None));
    assert_eq!(tried(failed, at(4)).await, failing(Some(at(4))));
    let ended = State::Disabled {
        at: at(4) + FAILING_FOR,
        why: Why::Failing,
    };
    assert_eq!(tried(failed, at(4) + FAILING_FOR).await, ended);
    bed.submit(1, at(9)).await;
    assert_eq!(bed.happened().await, []);
    let gone = bed.webhook(at(0)).await;
    let tried = Tried::Failed { is_gone: true };
    let state = store.tried_webhook(gone, tried, at(5)).await;
    let expected = State::Disabled {
        at: at(5),
        why: Why::Gone,
    };
    assert_eq!(state.expect("it is there"), expected);
}

/// Nothing is kept where nobody listens; what is kept is what happened, in its order.
async fn what_happens_is_kept_in_the_transaction_in_which_it_does(bed: Bed) {
    let unheard = bed.held(at(0)).await;
    assert_eq!(bed.happened().await, []);
    bed.webhook(at(1)).await;
    let other = bed.other_workspace().await;
    other.submit(1, at(1)).await;
    assert_eq!(bed.happened().await, []);

    let submitted = bed.submit(2, at(2)).await;
    let task = submitted.task.id;
    let [first, second] = &submitted.attempts[..] else {
        panic!("two attempts")
    };
    let attempt = |attempt: &Attempt, state: &str| {
        json!({"attempt": {
            "id": attempt.id.to_string(), "turn_id": attempt.turn_id.to_string(),
            "number": attempt.number.get(), "state": state,
        }})
    };
    let turn = json!({"turn": {
        "id": submitted.turn.id.to_string(), "number": 1, "created_by": bed.principal.to_string(),
    }});
    let created = vec![
        (Kind::TaskCreated, json!({})),
        (Kind::TurnCreated, turn),
        (Kind::AttemptStateChanged, attempt(first, "queued")),
        (Kind::AttemptStateChanged, attempt(second, "queued")),
    ];
    assert_eq!(bed.told(task).await, created);
    let numbers: Vec<_> = bed.happened().await.iter().map(|it| it.number).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");

    // An attempt from before: nobody knows what was told last.
    let held = unheard.attempt;
    let lost = Failure::new(FailureCode::AgentFailed, "it broke");
    bed.hand_in(&held, Outcome::Failed(lost), at(3)).await;
    let told = bed.told(held.task_id).await;
    let kinds: Vec<_> = told.iter().map(|(kind, _)| *kind).collect();
    let [.., (_, updated), _] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(updated, &json!({}));
    assert_eq!(
        kinds[kinds.len() - 2..],
        [Kind::TaskUpdated, Kind::TaskFinished]
    );

    // Both end at once: the task ends once.
    let worker = bed.worker();
    let claimed = bed.claim_many(worker, 2, at(4)).await;
    let told = bed.told(task).await;
    let updates = |told: &[(Kind, Value)]| -> Vec<(Kind, Value)> {
        let of_task = [Kind::TaskUpdated, Kind::TaskNeedsInput, Kind::TaskFinished];
        let all = told.iter().filter(|(kind, _)| of_task.contains(kind));
        all.cloned().collect()
    };
    let running = (Kind::TaskUpdated, json!({"previous_status": "pending"}));
    assert_eq!(updates(&told), std::slice::from_ref(&running));
    let mut ends = JoinSet::new();
    for one in claimed {
        let bed = bed.clone();
        ends.spawn(async move { bed.hand_in(&one.attempt, Outcome::Succeeded, at(5)).await });
    }
    ends.join_all().await;
    let told = bed.told(task).await;
    let ended = (Kind::TaskUpdated, json!({"previous_status": "running"}));
    let finished = (Kind::TaskFinished, json!({}));
    assert_eq!(updates(&told), [running, ended, finished]);
    let last = bed.happened().await.pop().expect("it was told");
    let data: Value = serde_json::from_str(&last.data).expect("JSON");
    assert_eq!(
        data["task"],
        json!({
            "id": task.to_string(), "title": "fix it", "kind": "code",
            "environment_id": bed.environment.id.to_string(), "environment": "main",
            "created_by": {"id": bed.principal.to_string(), "name": "ada"},
            "status": "completed", "outcome": "succeeded",
        })
    );
    let has = |it: &Occurrence| it.at == at(5) && it.kind == Kind::TaskFinished;
    assert!(has(&last), "{last:?}");
}

async fn people_and_questions_are_told(bed: Bed) {
    bed.webhook(at(0)).await;
    let held = bed.held(at(1)).await.attempt;
    let task = held.task_id;
    let comment = Comment {
        id: CommentId::from_uuid(bed.uuid()),
        workspace_id: bed.workspace,
        task_id: task,
        attempt_id: held.id,
        repository: "repository".into(),
        path: "a.rs".into(),
        side: Side::New,
        lines: None,
        excerpt: String::new(),
        text: "why?".into(),
        created_by: bed.principal,
        created_at: at(2),
        updated_at: at(2),
        resolved_at: None,
        sent_in_turn: None,
    };
    bed.store.add_comment(comment).await.expect("there is room");
    for verdict in [Some(Verdict::Approve), None] {
        let verdict = NewVerdict {
            attempt: held.id,
            by: bed.principal,
            verdict,
            text: None,
        };
        let said = bed.store.say(bed.workspace, verdict, at(3)).await;
        said.expect("it is there");
    }
    let told = bed.told(task).await;
    let people = [Kind::CommentCreated, Kind::ApprovalChanged];
    let told: Vec<_> = told
        .into_iter()
        .filter(|(kind, _)| people.contains(kind))
        .map(|(_, data)| data)
        .collect();
    assert_eq!(told[0]["comment"]["text"], "why?");
    assert_eq!(told[1]["approval"]["verdict"], "approve");
    assert_eq!(told[2]["approval"]["verdict"], Value::Null);

    let asks = Outcome::AwaitingInput {
        question: "which one?".into(),
    };
    bed.hand_in(&held, asks, at(4)).await;
    let told = bed.told(task).await;
    let (kind, data) = told.last().expect("it was told");
    assert_eq!(
        (*kind, data),
        (Kind::TaskNeedsInput, &json!({"question": "which one?"}))
    );
}

/// What another server makes known holds here as soon as a request begins; alone, at once.
async fn who_listens_is_known_to_all_servers(bed: Bed) {
    let other = match &bed.place {
        Place::Sqlite(_) => bed.store.clone(),
        Place::Postgres(_) => bed.place.open().await,
    };
    let submit = async |store: &Store, ms| {
        store.hear().await.expect("works");
        let submission = bed.submission(1, at(ms));
        store.submit(submission, None).await.expect("it is taken");
    };
    submit(&other, 0).await;
    let id = bed.webhook(at(1)).await;
    submit(&other, 2).await;
    assert_eq!(bed.happened().await.len(), 3);
    let pause = WebhookChange {
        paused: Some(true),
        ..WebhookChange::default()
    };
    let paused = bed.store.change_webhook(bed.workspace, id, pause, at(3));
    paused.await.expect("it is there");
    submit(&other, 4).await;
    assert_eq!(bed.happened().await.len(), 3);
    // Also a server that starts.
    let resume = WebhookChange {
        paused: Some(false),
        ..WebhookChange::default()
    };
    let resumed = other.change_webhook(bed.workspace, id, resume, at(5));
    resumed.await.expect("it is there");
    other.close().await;
    if let Place::Postgres(_) = &bed.place {
        let started = bed.place.open().await;
        let submission = bed.submission(1, at(6));
        started.submit(submission, None).await.expect("it is taken");
        started.close().await;
        assert_eq!(bed.happened().await.len(), 6);
    }
}

/// Made in one group with tasks: each task from the next one on is told, and never half of one.
async fn a_webhook_beside_tasks_sees_whole_tasks(bed: Bed) {
    let mut writes = JoinSet::new();
    for number in 0..40 {
        let bed = bed.clone();
        writes.spawn(async move {
            if number == 20 {
                bed.webhook(at(0)).await;
            }
            bed.submit(1, at(number)).await;
        });
    }
    writes.join_all().await;
    let happened = bed.happened().await;
    let created = |it: &&Occurrence| it.kind == Kind::TaskCreated;
    let tasks = happened.iter().filter(created).count();
    assert!(tasks >= 1 && happened.len() == 3 * tasks, "{happened:?}");
    let before = bed.happened().await.len();
    bed.submit(1, at(99)).await;
    assert_eq!(bed.happened().await.len(), before + 3);
}

impl Bed {
    /// Its worker hands it in.
    async fn hand_in(&self, held: &Attempt, outcome: Outcome, now: Timestamp) {
        let (epoch, result) = (held.epoch, result(held));
        let finished = self
            .store
            .finish(self.workspace, held.id, epoch, outcome, result, 0, now)
            .await;
        finished.expect("it holds it");
    }
}

/// Where nobody listens no statement names what webhooks need: it works without the tables.
async fn nothing_is_asked_where_nobody_listens(bed: Bed) {
    let rename = async |from: &str, to: &str| {
        for table in ["webhooks", "notices", "occurrences"] {
            let sql = format!("ALTER TABLE {table}{from} RENAME TO {table}{to}");
            execute(&bed.place, sql).await.expect("it is there");
        }
    };
    rename("", "_away").await;
    let submitted = bed.submit(2, at(0)).await;
    let claimed = bed.claim(bed.worker(), at(1)).await;
    bed.hand_in(&claimed.attempt, Outcome::Succeeded, at(2))
        .await;
    let verdict = NewVerdict {
        attempt: claimed.attempt.id,
        by: bed.principal,
        verdict: Some(Verdict::Approve),
        text: None,
    };
    let said = bed.store.say(bed.workspace, verdict, at(3)).await;
    said.expect("it is there");
    let cancelled = bed
        .store
        .cancel_task(bed.workspace, submitted.task.id, at(4));
    cancelled.await.expect("it is there");
    rename("_away", "").await;
}

fn delivery(bed: &Bed, number: u64, now: Timestamp) -> Job {
    Job {
        id: JobId::from_uuid(uuid::Uuid::from_u128(u128::from(number))),
        workspace_id: bed.workspace,
        queue: Queue::Webhook,
        owner: "whk_1".into(),
        key: format!("evt_{number}"),
        lane: Some("task_1".into()),
        kind: "task.created".into(),
        body: "{}".into(),
        memo: None,
        created_at: now,
        deadline_at: now + FAILING_FOR,
        epoch: Epoch::ZERO,
        tries: 0,
        state: JobState::Waiting {
            due_at: now,
            trouble: None,
        },
    }
}

/// Also by two servers at once, and again after one died.
async fn what_is_handed_on_is_a_delivery_once(bed: Bed) {
    bed.webhook(at(0)).await;
    bed.submit(1, at(1)).await;
    let happened = bed.happened().await;
    assert_eq!(happened.len(), 3);
    let first: Vec<u64> = happened[..2].iter().map(|it| it.number).collect();
    let jobs: Vec<Job> = first.iter().map(|it| delivery(&bed, *it, at(1))).collect();
    let mut servers = JoinSet::new();
    for _ in 0..4 {
        let (store, first, jobs) = (bed.store.clone(), first.clone(), jobs.clone());
        servers.spawn(async move { store.hand_on(first, jobs).await });
    }
    for handed in servers.join_all().await {
        handed.expect("it is kept once");
    }
    assert_eq!(bed.happened().await, happened[2..]);
    let kept = async |cursor| {
        let kept = bed
            .store
            .jobs(bed.workspace, Queue::Webhook, "whk_1", 9, cursor);
        let kept = kept.await.expect("works").items;
        kept.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(kept(None).await, [jobs[1].id, jobs[0].id]);

    // None of those whose receiver is busy.
    let busy = ["whk_0".to_owned(), "whk_1".to_owned()];
    let store = &bed.store;
    let claim = async |but: &[String]| store.claim_job_but(Queue::Webhook, but, at(2)).await;
    assert_eq!(claim(&busy).await.expect("works"), None);
    let claimed = claim(&busy[..1]).await.expect("works").expect("due");
    assert_eq!(claimed.id, jobs[0].id);
    // The next of the lane waits for it.
    assert_eq!(claim(&[]).await.expect("works"), None);
    let epoch = claimed.epoch;
    let done = JobCommand::Finish { epoch, note: None };
    let done = store.move_job(bed.workspace, claimed.id, done, at(3));
    done.await.expect("it is held");
    // The newest are kept, and whatever has not ended.
    let trim = async |keep| store.trim_jobs(Queue::Webhook, "whk_1", keep).await;
    assert_eq!(trim(2).await.expect("works"), 0);
    assert_eq!(trim(1).await.expect("works"), 1);
    assert_eq!(trim(0).await.expect("works"), 0);
    assert_eq!(kept(None).await, [jobs[1].id]);
}

/// What people are told is kept as they said it, and is a reason to keep what happens.
async fn what_people_want_to_be_told_is_kept(bed: Bed) {
    let store = &bed.store;
    let owner = NoticeOwner::Member(bed.principal);
    let read = async |owner| {
        store
            .notice_settings(bed.workspace, owner)
            .await
            .expect("works")
    };
    assert_eq!(read(owner).await, NoticeSettings::default());
    let integration = IntegrationId::from_uuid(bed.uuid());
    let wanted = NoticeSettings {
        rules: vec![
            Rule {
                occasions: vec![Occasion::NeedsInput, Occasion::PullRequest],
                place: NoticePlace::Slack {
                    integration,
                    channel: Some("C1".into()),
                },
            },
            Rule {
                occasions: vec![Occasion::Failed],
                place: NoticePlace::Webhook(WebhookId::from_uuid(bed.uuid())),
            },
            Rule {
                occasions: Occasion::ALL.to_vec(),
                place: NoticePlace::None,
            },
        ],
        quiet: Some(QuietHours::parse("22:00", "07:00", "Europe/Vienna").expect("hours")),
    };
    let set = async |wanted: &NoticeSettings| {
        let set = store.set_notice_settings(bed.workspace, owner, wanted.clone(), at(1));
        set.await.expect("it is kept");
    };
    set(&wanted).await;
    assert_eq!(read(owner).await, wanted);
    let environment = NoticeOwner::Environment(bed.environment.id);
    assert_eq!(read(environment).await, NoticeSettings::default());
    let other = bed.other_workspace().await;
    let elsewhere = store.notice_settings(other.workspace, owner).await;
    assert_eq!(elsewhere.expect("works"), NoticeSettings::default());
    let stolen = store.set_notice_settings(other.workspace, owner, wanted.clone(), at(2));
    let stolen = stolen.await;
    assert!(matches!(stolen, Err(StoreError::NotFound)), "{stolen:?}");

    bed.submit(1, at(2)).await;
    assert_eq!(bed.happened().await.len(), 3);
    set(&NoticeSettings::default()).await;
    assert_eq!(read(owner).await, NoticeSettings::default());
    bed.submit(1, at(3)).await;
    assert_eq!(bed.happened().await.len(), 3);
}

on_both!(
    a_webhook_is_kept_as_it_is,
    there_are_only_so_many,
    five_days_of_failures_end_it,
    what_happens_is_kept_in_the_transaction_in_which_it_does,
    people_and_questions_are_told,
    who_listens_is_known_to_all_servers,
    a_webhook_beside_tasks_sees_whole_tasks,
    nothing_is_asked_where_nobody_listens,
    what_is_handed_on_is_a_delivery_once,
    what_people_want_to_be_told_is_kept,
);
