//! Slack before a stand-in that checks what it is sent: threads that become tasks, and what they are told.

mod buttons;
mod faults;
mod life;
mod people;
mod requests;
mod socket;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use outwork_server::Clock;
use outwork_test_slack::{BOT_TOKEN, CHANNEL, Delivered, Message, SIGNING_SECRET, Slack};
use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::worker::{Claim, Worker};
use crate::rig::{Rig, Setting, repository};

/// The machine may be slow.
const PATIENCE: Duration = Duration::from_secs(120);
/// When the rig's clock begins.
const START_SECONDS: i64 = 1_795_186_420;

/// A server, a Slack, an environment `web`, a worker, and Ada, who is a member.
struct Scene {
    rig: Rig,
    slack: Slack,
    worker: Worker,
    /// The integration's id.
    integration: String,
    clone: PathBuf,
}

impl Scene {
    async fn start() -> Self {
        Self::start_with(Setting::default(), json!({})).await
    }

    async fn start_with(setting: Setting, settings: Value) -> Self {
        let rig = Rig::start_with(setting).await;
        let slack = Slack::start(START_SECONDS);
        let repository = repository::make(rig.directory.path());
        let clone = rig.directory.path().join("clone");
        let (from, to) = (
            repository.display().to_string(),
            clone.display().to_string(),
        );
        repository::git(rig.directory.path(), &["clone", "--quiet", &from, &to]);
        rig.environment("web", &repository).await;
        let mut all = json!({"kind": "slack", "signing_secret": SIGNING_SECRET, "bot_token": BOT_TOKEN,
            "api_url": slack.api_url()});
        for (name, value) in settings.as_object().expect("an object") {
            all[name] = value.clone();
        }
        let body = json!({"name": "slack", "settings": all});
        let made = rig
            .user()
            .post("/api/v1/integrations", &body)
            .await
            .expect(201);
        assert!(!made.to_string().contains("canary"), "{made}");
        let scene = Self {
            worker: Worker::register(&rig, "one").await,
            rig,
            slack,
            integration: made["id"].as_str().expect("an id").to_owned(),
            clone,
        };
        let me = scene.rig.get("/api/v1/me").await;
        let member = me["id"].as_str().expect("an id");
        scene.link("U1ADA", member).await;
        for (id, name) in [("U1ADA", "ada"), ("U2BEN", "ben"), ("U3CLEO", "cleo")] {
            scene.slack.add_user(id, name, None);
        }
        scene
    }

    async fn link(&self, user: &str, member: &str) {
        let path = format!("/api/v1/integrations/{}/users", self.integration);
        let body = json!({"external_id": user, "member_id": member});
        self.rig.user().post(&path, &body).await.expect(201);
    }

    /// Somebody who is linked to a member of that role.
    async fn linked(&self, user: &str, name: &str, role: &str) -> String {
        let (id, _) = self.rig.member(name, role).await;
        self.link(user, &id).await;
        id
    }

    async fn change(&self, settings: Value) {
        let path = format!("/api/v1/integrations/{}", self.integration);
        let mut all = json!({"kind": "slack", "api_url": self.slack.api_url()});
        for (name, value) in settings.as_object().expect("an object") {
            all[name] = value.clone();
        }
        let body = json!({"settings": all});
        let user = self.rig.user();
        user.send(Method::PATCH, &path, &body).await.expect(200);
    }

    fn now(&self) -> i64 {
        self.rig.clock.now().as_millis() / 1000
    }

    fn hook(&self) -> String {
        format!("{}/hooks/{}", self.rig.url, self.integration)
    }

    async fn deliver(&self, payload: &Value) -> Delivered {
        let signed = self.slack.signed(payload, self.now());
        signed.to(&self.hook()).await
    }

    /// Somebody writes, and Slack tells of it. Answers the message's time stamp.
    async fn say_in(&self, channel: &str, user: &str, thread: Option<&str>, text: &str) -> String {
        let (event, ts) = self.slack.say(user, channel, thread, text);
        let delivered = self.deliver(&event).await;
        assert_eq!((delivered.status, delivered.body.as_str()), (200, ""));
        ts
    }

    async fn say(&self, user: &str, thread: Option<&str>, text: &str) -> String {
        self.say_in(CHANNEL, user, thread, text).await
    }

    /// Somebody presses a button of a message.
    async fn press(&self, user: &str, message: &Message, button: &str) {
        let action = format!("outwork.{button}");
        let payload = self.slack.press(user, CHANNEL, &message.ts, &action);
        let delivered = self.deliver(&payload).await;
        assert_eq!((delivered.status, delivered.body.as_str()), (200, ""));
    }

    /// Waits until it holds; fails with what was told.
    async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        // A standing clock would hide what comes after.
        self.wait(what, Duration::from_millis(1), holds).await;
    }

    /// The same while time passes on the server's clock, so that what was put off is tried again.
    async fn until_later(&self, what: &str, holds: impl AsyncFn() -> bool) {
        self.wait(what, Duration::from_secs(5), holds).await;
    }

    async fn wait(&self, what: &str, step: Duration, holds: impl AsyncFn() -> bool) {
        let begun = Instant::now();
        let mut stepped = Instant::now();
        while !holds().await {
            assert!(
                begun.elapsed() < PATIENCE,
                "{what}: never; told: {:#?}; deliveries: {:#}; complaints: {:#?}",
                self.slack.messages(CHANNEL),
                self.deliveries().await,
                self.slack.complaints()
            );
            if stepped.elapsed() > Duration::from_millis(200) {
                self.rig.pass(step).await;
                stepped = Instant::now();
            }
            tokio::task::yield_now().await;
        }
    }

    /// What came in and went out.
    async fn deliveries(&self) -> Value {
        let mut all = Vec::new();
        for direction in ["in", "out"] {
            let path = format!(
                "/api/v1/integrations/{}/deliveries?limit=100&direction={direction}",
                self.integration
            );
            let page = self.rig.get(&path).await;
            all.extend(page["items"].as_array().expect("a list").clone());
        }
        json!({"items": all})
    }

    /// Until all that came in and went out has been dealt with.
    async fn quiet(&self) {
        self.until("all is dealt with", async || {
            let all = self.deliveries().await;
            let items = all["items"].as_array().expect("a list");
            items.iter().all(|it| it["state"] == "done")
        })
        .await;
    }

    async fn tasks(&self) -> Vec<Value> {
        let all = self.rig.get("/api/v1/tasks").await;
        all["items"].as_array().expect("a list").clone()
    }

    /// Waits for the one task there is, and answers its id.
    async fn task(&self) -> String {
        self.until("a task", async || !self.tasks().await.is_empty())
            .await;
        let all = self.tasks().await;
        assert_eq!(all.len(), 1, "{all:#?}");
        all[0]["id"].as_str().expect("an id").to_owned()
    }

    async fn whole(&self, id: &str) -> Value {
        self.rig.get(&format!("/api/v1/tasks/{id}")).await
    }

    /// What the thread was told, once there are so many messages.
    async fn told(&self, thread: &str, count: usize) -> Vec<Message> {
        self.until(&format!("{count} messages"), async || {
            self.slack.told(CHANNEL, thread).len() >= count
        })
        .await;
        let told = self.slack.told(CHANNEL, thread);
        assert_eq!(told.len(), count, "{told:#?}");
        told
    }

    /// The attempt hands in a change of `file`.
    async fn work(&self, claim: &Claim, line: &str, message: &str) {
        std::fs::write(self.clone.join("file"), format!("{line}\n")).expect("a file");
        repository::git(&self.clone, &["add", "--all"]);
        let diff = repository::git(
            &self.clone,
            &[
                "diff",
                "--cached",
                "--binary",
                "--full-index",
                "origin/main",
            ],
        );
        self.worker.upload(claim, "diff", &diff).await.expect(204);
        let name = claim.assignment["repositories"][0]["name"]
            .as_str()
            .expect("a name");
        let body = json!({"outcome": {"result": "succeeded"}, "has_session": false, "last_seq": 0, "message": message,
            "diffs": [{"repository": name, "files_changed": 1, "lines_added": 1, "lines_removed": 1}]});
        self.worker.finish(claim, body).await.expect(204);
    }

    async fn asks(&self, claim: &Claim, question: &str) {
        let body = json!({"outcome": {"result": "awaiting_input", "question": question}, "has_session": false,
            "last_seq": 0});
        self.worker.finish(claim, body).await.expect(204);
    }

    /// Nothing was sent that Slack would have refused, and no secret is in the log.
    async fn stop(self) {
        assert_eq!(self.slack.complaints(), Vec::<String>::new());
        let log = crate::rig::log::text();
        for secret in [BOT_TOKEN, SIGNING_SECRET] {
            assert!(!log.contains(secret), "the log has a secret");
        }
        self.rig.stop().await;
    }
}

/// The event as the other kind of event that Slack makes of the same message.
fn as_message(event: &Value) -> Value {
    let mut other = event.clone();
    other["event"]["type"] = json!("message");
    other["event"]["channel_type"] = json!("channel");
    other["event_id"] = json!("Ev0OTHER");
    other
}
