//! What happens comes to who wants to know: signed, in order, at least once, and always with the same name.

use std::time::Duration;

use outwork_domain::webhook::PAUSES;
use outwork_server::Clock;
use outwork_test_postgres::shared;
use reqwest::Method;
use serde_json::{Value, json};

use super::receiver::{Answers, Receiver, deliveries, newest, path, setting, test, webhook};
use crate::rig::worker::Worker;
use crate::rig::{Database, Rig, Setting, repository, until};

/// Longer than any pause with its jitter.
fn beyond(pause: Duration) -> Duration {
    pause + pause / 10 + Duration::from_millis(1)
}

#[tokio::test]
async fn a_task_is_told_from_its_beginning_to_its_end() {
    told(Rig::start_with(setting()).await).await;
}

#[tokio::test]
async fn a_task_is_told_from_its_beginning_to_its_end_on_postgresql() {
    let setting = Setting {
        database: Database::Postgres(shared().new_database()),
        ..setting()
    };
    told(Rig::start_with(setting).await).await;
}

async fn told(rig: Rig) {
    let receiver = Receiver::start().await;
    let made = webhook(&rig, &receiver.url, &[]).await;
    let few = Receiver::start().await;
    webhook(&rig, &few.url, &["task.finished"]).await;
    let worker = Worker::register(&rig, "w").await;
    rig.environment("demo", &repository::make(rig.directory.path()))
        .await;
    let task = rig.task("demo", "fix it").await;
    let claim = worker.take().await;
    worker.step(&claim, "running").await.expect(200);
    worker.succeed(&claim, "").await;
    let got = receiver.got_at_least(9).await;
    let kinds: Vec<_> = got.iter().map(super::receiver::Got::kind).collect();
    let expected = [
        "task.created",
        "turn.created",
        "attempt.state_changed",
        "attempt.state_changed",
        "task.updated",
    ];
    assert_eq!(kinds[..5], expected);
    assert_eq!(kinds[kinds.len() - 2..], ["task.updated", "task.finished"]);
    let secret = made["secret"].as_str().expect("a secret");
    let mut ids: Vec<_> = got.iter().map(|got| got.id.clone()).collect();
    for got in &got {
        got.verify(secret, rig.clock.now()).expect("it is signed");
        assert_eq!(got.json()["data"]["task"]["id"], task["id"]);
    }
    assert!(ids.is_sorted(), "{ids:?}");
    ids.dedup();
    assert_eq!(ids.len(), got.len());

    let finished = few.got_at_least(1).await;
    assert_eq!(finished.len(), 1);
    let body = finished[0].json();
    let id = task["id"].as_str().expect("an id");
    let told = &body["data"]["task"];
    assert_eq!(told["url"], format!("https://outwork.example/tasks/{id}"));
    assert_eq!(
        (&told["status"], &told["outcome"], &told["title"]),
        (&json!("completed"), &json!("succeeded"), &json!("fix it"))
    );
    // By its name, what is one event for two webhooks is the same.
    assert_eq!(finished[0].id, got[got.len() - 1].id);
    assert_eq!(finished[0].body, got[got.len() - 1].body);
    let listed = until(
        async || deliveries(&rig, &made).await,
        |all| all.iter().all(|one| one["state"] == "delivered"),
    )
    .await;
    assert_eq!(listed.len(), got.len());
    assert_eq!(listed[0]["event_id"], got[got.len() - 1].id);
    assert_eq!(listed[0]["answer"]["status"], 204);
    rig.stop().await;
}

#[tokio::test]
async fn what_fails_is_tried_again_with_growing_pauses_and_then_by_hand() {
    let rig = Rig::start_with(setting()).await;
    let receiver = Receiver::start().await;
    let made = webhook(&rig, &receiver.url, &[]).await;
    receiver.answers(&[], Answers::Says(500));
    test(&rig, &made).await;
    for (tries, pause) in (1..).zip(PAUSES) {
        let waiting = newest(&rig, &made, "waiting", tries).await;
        assert_eq!(waiting["answer"]["status"], 500);
        assert_eq!(waiting["answer"]["body"], "told\u{fffd} ü");
        assert_eq!(receiver.got().len() as u64, tries);
        rig.pass(beyond(pause)).await;
    }
    let failed = newest(&rig, &made, "failed", 8).await;
    let error = failed["answer"]["error"].as_str().expect("an error");
    assert!(error.contains("given up after 8 tries"), "{error}");
    let shown = rig.get(&path(&made)).await;
    assert_eq!(
        (&shown["state"], shown["failing_since"].is_string()),
        (&json!("active"), true)
    );

    receiver.answers(&[], Answers::Says(200));
    let again = format!(
        "{}/deliveries/{}/replay",
        path(&made),
        failed["id"].as_str().expect("an id")
    );
    rig.user().bare(Method::POST, &again).await.expect(200);
    newest(&rig, &made, "delivered", 1).await;
    let got = receiver.got();
    assert!(
        got.iter()
            .all(|one| one.id == got[0].id && one.body == got[0].body)
    );
    assert_eq!(got.len(), 9);
    let secret = made["secret"].as_str().expect("a secret");
    got[8]
        .verify(secret, rig.clock.now())
        .expect("it is of now");
    assert_eq!(rig.get(&path(&made)).await["failing_since"], Value::Null);
    rig.stop().await;
}

#[tokio::test]
async fn all_since_a_time_are_told_again_in_their_order() {
    let rig = Rig::start_with(setting()).await;
    let receiver = Receiver::start().await;
    let made = webhook(&rig, &receiver.url, &["turn.created"]).await;
    rig.environment("demo", &repository::make(rig.directory.path()))
        .await;
    for prompt in ["one", "two"] {
        rig.task("demo", prompt).await;
    }
    receiver.got_at_least(2).await;
    until(
        async || deliveries(&rig, &made).await,
        |all| all.iter().all(|one| one["state"] == "delivered"),
    )
    .await;
    let since = json!({"since": "2026-11-20T00:00:00.000Z", "delivered": true});
    let replay = format!("{}/replay", path(&made));
    let none = json!({"since": "2026-11-20T00:00:00.000Z"});
    let answer = rig.user().post(&replay, &none).await.expect(200);
    assert_eq!(answer, json!({"count": 0}));
    let answer = rig.user().post(&replay, &since).await.expect(200);
    assert_eq!(answer, json!({"count": 2}));
    let got = receiver.got_at_least(4).await;
    let mut ids: Vec<_> = got.iter().map(|got| &got.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 2);
    let later = json!({"since": "2026-11-21T00:00:00.000Z", "delivered": true});
    let answer = rig.user().post(&replay, &later).await.expect(200);
    assert_eq!(answer, json!({"count": 0}));
    rig.stop().await;
}

/// Of one task nothing is told before what was before it; of another it is.
#[tokio::test]
async fn one_that_fails_holds_up_its_own_task_only() {
    let rig = Rig::start_with(setting()).await;
    let receiver = Receiver::start().await;
    receiver.answers(&[Answers::Says(503)], Answers::Says(204));
    webhook(&rig, &receiver.url, &["task.created", "turn.created"]).await;
    rig.environment("demo", &repository::make(rig.directory.path()))
        .await;
    let first = rig.task("demo", "one").await;
    receiver.got_at_least(1).await;
    let second = rig.task("demo", "two").await;
    let got = receiver.got_at_least(3).await;
    let of = |got: &super::receiver::Got| got.json()["data"]["task"]["id"].clone();
    let tasks: Vec<_> = got.iter().map(of).collect();
    let (one, two) = (first["id"].clone(), second["id"].clone());
    assert_eq!(tasks, [one.clone(), two.clone(), two]);
    rig.pass(beyond(PAUSES[0])).await;
    let got = receiver.got_at_least(5).await;
    let last: Vec<_> = got[3..].iter().map(|got| (of(got), got.kind())).collect();
    let created = (one.clone(), "task.created".to_owned());
    assert_eq!(last, [created, (one, "turn.created".to_owned())]);
    assert_eq!(got[0].id, got[3].id);
    rig.stop().await;
}

#[tokio::test]
async fn both_secrets_sign_for_a_day() {
    let rig = Rig::start_with(setting()).await;
    let receiver = Receiver::start().await;
    let made = webhook(&rig, &receiver.url, &[]).await;
    let rotate = format!("{}/rotate", path(&made));
    let rotated = rig.user().bare(Method::POST, &rotate).await.expect(200);
    let [old, new] = [&made, &rotated].map(|it| it["secret"].as_str().expect("a secret"));
    test(&rig, &made).await;
    let got = receiver.got_at_least(1).await.remove(0);
    for secret in [old, new] {
        got.verify(secret, rig.clock.now()).expect("both sign");
    }
    newest(&rig, &made, "delivered", 1).await;
    rig.pass(Duration::from_secs(24 * 3600)).await;
    test(&rig, &made).await;
    let got = receiver.got_at_least(2).await.remove(1);
    got.verify(new, rig.clock.now()).expect("it signs");
    got.verify(old, rig.clock.now()).expect_err("it is over");
    assert_eq!(rig.get(&path(&made)).await["old_secret_until"], Value::Null);
    rig.stop().await;
}

#[tokio::test]
async fn what_happens_in_a_pause_is_not_told_later() {
    let rig = Rig::start_with(setting()).await;
    let receiver = Receiver::start().await;
    let made = webhook(&rig, &receiver.url, &["task.created"]).await;
    rig.environment("demo", &repository::make(rig.directory.path()))
        .await;
    let set = async |paused: bool| {
        let change = json!({"paused": paused});
        let answer = rig.user().send(Method::PATCH, &path(&made), &change).await;
        answer.expect(200)
    };
    set(true).await;
    rig.task("demo", "unheard").await;
    let problem = rig
        .user()
        .bare(Method::POST, &format!("{}/test", path(&made)))
        .await;
    problem.problem(409, "conflict");
    set(false).await;
    rig.task("demo", "heard").await;
    let got = receiver.got_at_least(1).await;
    assert_eq!(got[0].json()["data"]["task"]["title"], "heard");
    assert_eq!(deliveries(&rig, &made).await.len(), 1);
    // Somebody else's is not there.
    let stranger = rig
        .stranger(outwork_domain::principal::PrincipalKind::User)
        .await;
    for path in [format!("{}/deliveries", path(&made)), path(&made)] {
        stranger.get(&path).await.problem(404, "not_found");
    }
    rig.stop().await;
}

#[tokio::test]
async fn what_was_to_be_told_is_told_after_a_restart() {
    let rig = Rig::start_with(setting()).await;
    let receiver = Receiver::start().await;
    receiver.answers(&[Answers::Says(500)], Answers::Says(204));
    let made = webhook(&rig, &receiver.url, &[]).await;
    test(&rig, &made).await;
    newest(&rig, &made, "waiting", 1).await;
    let rig = rig.restart(beyond(PAUSES[0])).await;
    newest(&rig, &made, "delivered", 2).await;
    let got = receiver.got();
    assert_eq!((got.len(), &got[0].id), (2, &got[1].id));
    rig.stop().await;
}
