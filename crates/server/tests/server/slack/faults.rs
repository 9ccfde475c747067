//! Slack refuses, is slow, or away; the server stops in between. What came of a task is told once.

use std::time::Duration;

use outwork_domain::integration::Conversation;
use outwork_domain::job::{Job, Queue, State};
use outwork_domain::{ConversationId, Epoch, JobId, WorkspaceId};
use outwork_server::Clock;
use outwork_test_slack::{CHANNEL, Fault};
use serde_json::json;
use uuid::Uuid;

use super::Scene;

/// Every fault at every call that tells of a task.
#[tokio::test]
async fn after_each_fault_the_outcome_is_told_once() {
    let scene = Scene::start().await;
    let faults = [
        Fault::Error("invalid_auth"),
        Fault::Error("ratelimited"),
        Fault::Error("internal_error"),
        Fault::Error("not_in_channel"),
        Fault::Error("missing_scope"),
        Fault::Status(401, Vec::new()),
        Fault::Status(403, Vec::new()),
        Fault::Status(404, Vec::new()),
        Fault::Status(409, Vec::new()),
        Fault::Status(422, Vec::new()),
        Fault::Status(429, vec![("retry-after", "30")]),
        Fault::Status(500, Vec::new()),
        Fault::Status(503, Vec::new()),
        Fault::DoneBut(500),
        Fault::DoneBut(503),
        Fault::DoneAndSilent,
    ];
    for (all, fault) in (1..).zip(faults) {
        let root = scene.say("U1ADA", None, "<@U0BOT> fix it").await;
        scene
            .until("a task", async || scene.tasks().await.len() == all)
            .await;
        scene.told(&root, 1).await;
        let claim = scene.worker.take().await;
        scene.slack.fail("chat.postMessage", fault.clone());
        scene.slack.fail("reactions.remove", fault.clone());
        scene.work(&claim, "three", "Done.").await;
        scene
            .until_later(&format!("{fault:?}"), async || {
                let told = scene.slack.told(CHANNEL, &root);
                told.len() > 1 && scene.slack.faults_left() == 0
            })
            .await;
        scene.quiet_later().await;
        let told = scene.slack.told(CHANNEL, &root);
        let results = told.iter().filter(|it| it.text.contains("is done"));
        assert_eq!(
            (told.len(), results.count()),
            (2, 1),
            "{fault:?}: {told:#?}"
        );
    }
    scene.stop().await;
}

impl Scene {
    async fn quiet_later(&self) {
        self.until_later("all is dealt with", async || {
            let all = self.deliveries().await;
            let items = all["items"].as_array().expect("a list");
            items
                .iter()
                .all(|it| it["state"] == "done" || it["state"] == "failed")
        })
        .await;
    }
}

/// Slack says how long, and is not asked before, whoever wants to.
#[tokio::test]
async fn a_limit_holds_for_the_method() {
    let scene = Scene::start().await;
    let limit = Fault::Status(429, vec![("retry-after", "600")]);
    scene.slack.fail("chat.postMessage", limit);
    let first = scene.say("U1ADA", None, "<@U0BOT> fix it").await;
    scene
        .until("it is put off", async || {
            let all = scene.deliveries().await;
            all.to_string().contains("Slack takes no more for now.")
        })
        .await;
    let second = scene.say("U1ADA", None, "<@U0BOT> fix that").await;
    scene
        .until("a second task", async || scene.tasks().await.len() == 2)
        .await;
    scene
        .until("it is put off as well", async || {
            let all = scene.deliveries().await;
            let items = all["items"].as_array().expect("a list");
            let put_off = items
                .iter()
                .filter(|it| it["kind"] == "progress" && it["tries"] == 1);
            put_off.count() == 2
        })
        .await;
    assert_eq!(scene.slack.calls("chat.postMessage"), 1);
    scene.rig.pass(Duration::from_secs(601)).await;
    for root in [first, second] {
        scene.told(&root, 1).await;
    }
    scene.stop().await;
}

/// Without the right to read the thread, the task is given all the same; a slow Slack loses nothing that comes in.
#[tokio::test]
async fn what_comes_in_is_kept_while_slack_is_away() {
    let scene = Scene::start().await;
    let (_, root) = scene.slack.say("U2BEN", CHANNEL, None, "It is broken.");
    scene
        .slack
        .fail("conversations.replies", Fault::Status(503, Vec::new()));
    scene
        .slack
        .fail("conversations.replies", Fault::Error("missing_scope"));
    scene.say("U1ADA", Some(&root), "<@U0BOT> fix it").await;
    scene
        .until_later("a task", async || !scene.tasks().await.is_empty())
        .await;
    let id = scene.task().await;
    let prompt = scene.whole(&id).await["turns"][0]["prompt"].clone();
    assert_eq!(prompt, "fix it");
    scene.told(&root, 1).await;
    scene.stop().await;
}

/// A message that somebody removed is not written again, and holds nothing up.
#[tokio::test]
async fn a_message_that_is_gone_stays_gone() {
    let scene = Scene::start().await;
    let root = scene.say("U1ADA", None, "<@U0BOT> fix it").await;
    scene.task().await;
    scene.told(&root, 1).await;
    scene
        .slack
        .fail("chat.update", Fault::Error("message_not_found"));
    let claim = scene.worker.take().await;
    scene.work(&claim, "three", "Done.").await;
    scene.told(&root, 2).await;
    scene.stop().await;
}

/// The server stops between what it does and what it knows of it, again and again.
#[tokio::test]
async fn a_server_that_starts_again_tells_once() {
    let mut scene = Scene::start().await;
    let root = scene.say("U1ADA", None, "<@U0BOT> fix it").await;
    scene.task().await;
    scene.told(&root, 1).await;
    let claim = scene.worker.take().await;
    scene.slack.fail("chat.postMessage", Fault::DoneAndSilent);
    scene.work(&claim, "three", "Done.").await;
    scene
        .until("it is posted, and not known", async || {
            scene.slack.told(CHANNEL, &root).len() == 2
        })
        .await;
    scene.rig = scene.rig.restart(Duration::from_secs(1)).await;
    scene.quiet_later().await;
    let told = scene.slack.told(CHANNEL, &root);
    assert_eq!(told.len(), 2, "{told:#?}");
    assert_eq!(told[1].buttons(), ["open", "follow_up", "pull_request"]);
    // It is brought up to date as if nothing had been.
    let body = json!({"prompt": "more"});
    let id = scene.task().await;
    let path = format!("/api/v1/tasks/{id}/turns");
    scene.rig.user().post(&path, &body).await.expect(201);
    scene.told(&root, 3).await;
    scene.stop().await;
}

/// What an admin wants again is not done twice.
#[tokio::test]
async fn deliveries_that_are_done_again_change_nothing() {
    let scene = Scene::start().await;
    let root = scene.say("U1ADA", None, "<@U0BOT> fix it").await;
    let task = scene.task().await;
    let claim = scene.worker.take().await;
    scene.work(&claim, "three", "Done.").await;
    scene.told(&root, 2).await;
    scene.quiet().await;
    let all = scene.deliveries().await;
    for it in all["items"].as_array().expect("a list") {
        if it["kind"] == "reaction" {
            continue;
        }
        let id = it["id"].as_str().expect("an id");
        let path = format!(
            "/api/v1/integrations/{}/deliveries/{id}/replay",
            scene.integration
        );
        let again = scene.rig.user().post(&path, &json!({})).await;
        assert!(again.status < 300, "{again:?}");
    }
    scene.quiet().await;
    assert_eq!(scene.slack.told(CHANNEL, &root).len(), 2);
    assert_eq!(scene.tasks().await.len(), 1);
    let turns = scene.whole(&task).await["turns"].clone();
    assert_eq!(turns.as_array().expect("turns").len(), 1);
    scene.stop().await;
}

/// A message outside of threads, to a person and to a channel.
#[tokio::test]
async fn a_notice_is_sent_once() {
    let scene = Scene::start().await;
    let now = scene.rig.clock.now();
    let workspace_id = WorkspaceId::from_uuid(Uuid::from_u128(1));
    let conversation = Conversation {
        id: ConversationId::from_uuid(Uuid::from_u128(7)),
        workspace_id,
        integration_id: scene.integration.parse().expect("an id"),
        key: "slack:to/U1ADA".to_owned(),
        task_id: None,
        environment_id: None,
        data: "{}".to_owned(),
        told_at: None,
        created_at: now,
        updated_at: now,
    };
    let store = &scene.rig.store;
    store
        .open_conversation(conversation.clone())
        .await
        .expect("opened");
    scene.slack.fail("chat.postMessage", Fault::DoneBut(503));
    let notices = [
        json!({"to": "U1ADA", "text": "It <waits> for you.", "url": "https://outwork.example/tasks/1"}),
        json!({"to": CHANNEL, "text": "It is done."}),
    ];
    let jobs = notices.iter().zip(1_u128..).map(|(body, number)| Job {
        id: JobId::from_uuid(Uuid::from_u128(number)),
        workspace_id,
        queue: Queue::Post,
        owner: scene.integration.clone(),
        key: format!("notice/{number}"),
        lane: Some(conversation.id.to_string()),
        kind: "notice".to_owned(),
        body: body.to_string(),
        memo: None,
        created_at: now,
        deadline_at: now + Duration::from_secs(3600),
        epoch: Epoch::ZERO,
        tries: 0,
        state: State::Waiting {
            due_at: now,
            trouble: None,
        },
    });
    store.enqueue(jobs.collect()).await.expect("kept");
    scene
        .until_later("both", async || {
            scene.slack.messages(CHANNEL).len() == 1 && !scene.slack.messages("D1ADA").is_empty()
        })
        .await;
    scene.quiet_later().await;
    let direct = scene.slack.messages("D1ADA");
    assert_eq!(direct.len(), 1, "{direct:#?}");
    assert_eq!(
        direct[0].text,
        "It &lt;waits&gt; for you.\nhttps://outwork.example/tasks/1"
    );
    assert_eq!(scene.slack.messages(CHANNEL)[0].text, "It is done.");
    scene.stop().await;
}
