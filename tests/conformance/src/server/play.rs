//! Workers and people as the checks play them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::Scene;
use crate::client::{Client, Content, Reply};

/// An environment whose work only the workers of this check are given.
pub(super) struct Play {
    pub(super) scene: Arc<Scene>,
    label: String,
}

/// A worker.
pub(super) struct Player {
    client: Client,
    pub(super) id: String,
}

/// A claim.
#[derive(Clone)]
pub(super) struct Held {
    client: Client,
    pub(super) attempt: String,
    pub(super) epoch: i64,
    pub(super) assignment: Value,
}

impl Play {
    /// With a plain command as its agent.
    pub(super) async fn new(scene: &Arc<Scene>) -> Result<Self> {
        Self::of(scene, json!({"name": "command", "command": "true"})).await
    }

    pub(super) async fn of(scene: &Arc<Scene>, agent: Value) -> Result<Self> {
        let label = scene.label();
        let environment = json!({
            "label": label,
            "repository_url": format!("{}/git/demo.git", scene.git.url()),
            "branch": "main",
            "agent": agent,
            "required_labels": {"conformance": label},
        });
        let made = scene
            .admin
            .post("/api/v1/environments", &environment)
            .await?
            .ok()?;
        let id = text(&made, "id")?;
        scene.note(
            Method::DELETE,
            format!("/api/v1/environments/{id}"),
            Value::Null,
        );
        Ok(Self {
            scene: Arc::clone(scene),
            label,
        })
    }

    /// What a worker of this environment registers with.
    pub(super) fn registration(&self) -> Value {
        json!({
            "protocol_version": 4, "name": "conformance", "slots": 4, "agents": ["command", "codex"],
            "isolation": "none", "labels": {"conformance": self.label},
        })
    }

    pub(super) async fn register(&self, registration: &Value) -> Result<Reply> {
        let reply = self
            .scene
            .worker
            .post("/api/worker/v1/register", registration)
            .await?;
        if reply.status == 200 {
            let body = json!({"worker": reply.json()?["worker"]});
            let path = "/api/worker/v1/deregister".to_owned();
            self.scene.note(Method::POST, path, body);
        }
        Ok(reply)
    }

    pub(super) async fn worker(&self) -> Result<Player> {
        self.worker_with(&self.registration()).await
    }

    pub(super) async fn worker_with(&self, registration: &Value) -> Result<Player> {
        let registered = self.register(registration).await?.ok()?;
        Ok(Player {
            client: self.scene.worker.clone(),
            id: text(&registered, "worker")?,
        })
    }

    /// A task, with more fields than environment and prompt.
    pub(super) async fn submit(&self, more: Value) -> Result<Value> {
        let mut task = json!({"environment": self.label, "prompt": "do it"});
        for (field, value) in more.as_object().into_iter().flatten() {
            task[field] = value.clone();
        }
        let task = self.scene.admin.post("/api/v1/tasks", &task).await?.ok()?;
        let path = format!("/api/v1/tasks/{}/cancel", text(&task, "id")?);
        self.scene.note(Method::POST, path, Value::Null);
        Ok(task)
    }

    /// A task, a worker that has claimed it, and the claim.
    pub(super) async fn begin(&self) -> Result<(Player, Held)> {
        self.submit(json!({})).await?;
        let player = self.worker().await?;
        let held = player.claim().await?;
        Ok((player, held))
    }

    /// What people do to the attempt's task: `cancel`, `interrupt`, `answer`, …
    pub(super) async fn person(&self, held: &Held, what: &str, body: Value) -> Result<Value> {
        let path = format!("/api/v1/tasks/{}/{what}", text(&held.assignment, "task")?);
        let content = match body {
            Value::Null => Content::None,
            body => Content::Json(body),
        };
        self.scene
            .admin
            .send(Method::POST, &path, content)
            .await?
            .ok()
    }

    /// The attempt as people see it.
    pub(super) async fn shown(&self, held: &Held) -> Result<Value> {
        let path = format!("/api/v1/attempts/{}", held.attempt);
        self.scene.admin.get(&path).await?.ok()
    }

    pub(super) async fn state_is(&self, held: &Held, state: &str) -> Result<Value> {
        let shown = self.shown(held).await?;
        ensure!(
            shown["state"] == state,
            "the attempt is {}, and should be {state}: {shown}",
            shown["state"]
        );
        Ok(shown)
    }

    /// Waits until the attempt is in that state.
    pub(super) async fn becomes(&self, held: &Held, state: &str) -> Result<Value> {
        let begun = Instant::now();
        loop {
            let shown = self.shown(held).await?;
            if shown["state"] == state {
                return Ok(shown);
            }
            let limit = self.scene.patience + 3 * held.lease();
            ensure!(
                begun.elapsed() < limit,
                "the attempt is {}, and should become {state}",
                shown["state"]
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The attempt's log.
    pub(super) async fn events(&self, held: &Held) -> Result<Vec<Value>> {
        let path = format!("/api/v1/attempts/{}/events?limit=1000", held.attempt);
        let page = self.scene.admin.get(&path).await?.ok()?;
        Ok(page["items"].as_array().cloned().unwrap_or_default())
    }

    /// The texts of `output` in the attempt's log.
    pub(super) async fn outputs(&self, held: &Held) -> Result<Vec<String>> {
        let events = self.events(held).await?;
        let outputs = events.iter().filter(|event| event["type"] == "output");
        Ok(outputs
            .filter_map(|event| event["text"].as_str().map(str::to_owned))
            .collect())
    }

    pub(super) async fn diff(&self, held: &Held) -> Result<Vec<u8>> {
        let path = format!("/api/v1/attempts/{}/diff", held.attempt);
        let reply = self.scene.admin.get(&path).await?;
        ensure!(reply.status == 200, "{reply}");
        Ok(reply.bytes)
    }
}

impl Player {
    pub(super) async fn ask(&self, max: u32, wait_ms: u64) -> Result<Reply> {
        let body = json!({"worker": self.id, "max": max, "wait_ms": wait_ms});
        self.client.post("/api/worker/v1/acquire", &body).await
    }

    pub(super) async fn acquire(&self, max: u32, wait_ms: u64) -> Result<Vec<Held>> {
        let answer = self.ask(max, wait_ms).await?.ok()?;
        let assignments = answer["assignments"]
            .as_array()
            .context("`assignments` is a list")?;
        let held = assignments.iter().map(|assignment| {
            Ok(Held {
                client: self.client.clone(),
                attempt: text(assignment, "attempt")?,
                epoch: assignment["epoch"]
                    .as_i64()
                    .context("`epoch` is a number")?,
                assignment: assignment.clone(),
            })
        });
        held.collect()
    }

    /// One attempt; waits for it.
    pub(super) async fn claim(&self) -> Result<Held> {
        self.claim_within(Duration::from_secs(25)).await
    }

    pub(super) async fn claim_within(&self, limit: Duration) -> Result<Held> {
        let begun = Instant::now();
        while begun.elapsed() < limit {
            if let Some(held) = self.acquire(1, 5000).await?.pop() {
                return Ok(held);
            }
        }
        bail!("no attempt was given out within {} s", limit.as_secs())
    }

    pub(super) async fn beat(&self, claims: &[Value]) -> Result<Reply> {
        let body = json!({"worker": self.id, "leases": claims});
        self.client.post("/api/worker/v1/heartbeat", &body).await
    }

    /// The answer about one claim.
    pub(super) async fn wanted(&self, held: &Held, message_seq: u32) -> Result<Value> {
        let claim =
            json!({"attempt": held.attempt, "epoch": held.epoch, "message_seq": message_seq});
        let answer = self.beat(&[claim]).await?.ok()?;
        let leases = answer["leases"].as_array().context("`leases` is a list")?;
        ensure!(leases.len() == 1, "one claim, {} answers", leases.len());
        ensure!(
            leases[0]["attempt"] == held.attempt.as_str(),
            "the answer is about another: {answer}"
        );
        Ok(leases[0].clone())
    }

    pub(super) async fn desired(&self, held: &Held) -> Result<String> {
        text(&self.wanted(held, 0).await?, "desired")
    }

    pub(super) async fn deregister(&self) -> Result<Reply> {
        let body = json!({"worker": self.id});
        self.client.post("/api/worker/v1/deregister", &body).await
    }

    /// The next command of a new stream.
    pub(super) async fn command(&self, limit: Duration) -> Result<Value> {
        self.event("command", limit).await
    }

    /// The next event of that type of a new stream of commands.
    pub(super) async fn event(&self, kind: &str, limit: Duration) -> Result<Value> {
        let path = format!("/api/worker/v1/commands?worker={}", self.id);
        let mut stream = self.client.open(Method::GET, &path, Content::None).await?;
        let status = stream.status();
        ensure!(status.is_success(), "the stream is answered with {status}");
        let read = async {
            let mut text = String::new();
            while let Some(piece) = stream.chunk().await? {
                text += &String::from_utf8_lossy(&piece);
                if let Some(data) = data_of(&text, kind) {
                    return Ok(data);
                }
            }
            bail!("the stream ended")
        };
        match tokio::time::timeout(limit, read).await {
            Ok(data) => data,
            Err(_) => bail!("no event `{kind}` came within {} s", limit.as_secs()),
        }
    }
}

/// The data of the first event of that type in what came of a stream so far.
fn data_of(text: &str, kind: &str) -> Option<Value> {
    let name = format!("event: {kind}");
    let mut events = text.split("\n\n").map(str::lines);
    let mut event = events.find(|lines| lines.clone().any(|line| line == name))?;
    let data = event.find_map(|line| line.strip_prefix("data: "))?;
    // It may have been cut in the middle.
    serde_json::from_str(data).ok()
}

impl Held {
    pub(super) fn lease(&self) -> Duration {
        Duration::from_millis(self.assignment["lease_ms"].as_u64().unwrap_or(10_000))
    }

    /// The same attempt as another claim would speak of it.
    pub(super) fn at(&self, epoch: i64) -> Self {
        Self {
            epoch,
            ..self.clone()
        }
    }

    /// The same said with another token.
    pub(super) fn by(&self, client: &Client) -> Self {
        Self {
            client: client.clone(),
            ..self.clone()
        }
    }

    async fn post(&self, verb: &str, body: Value) -> Result<Reply> {
        let path = format!("/api/worker/v1/attempts/{}/{verb}", self.attempt);
        self.client.post(&path, &body).await
    }

    pub(super) async fn step(&self, step: &str) -> Result<Reply> {
        self.post("step", json!({"epoch": self.epoch, "step": step}))
            .await
    }

    pub(super) async fn append(&self, first_seq: i64, events: &[Value]) -> Result<Reply> {
        let body = json!({"epoch": self.epoch, "first_seq": first_seq, "events": events});
        self.post("events", body).await
    }

    fn object(&self, kind: &str) -> String {
        format!(
            "/api/worker/v1/attempts/{}/objects/{kind}?epoch={}",
            self.attempt, self.epoch
        )
    }

    pub(super) async fn upload(&self, kind: &str, content: &[u8]) -> Result<Reply> {
        let content = Content::Bytes("application/octet-stream", content.to_vec());
        self.client
            .send(Method::PUT, &self.object(kind), content)
            .await
    }

    pub(super) async fn download(&self, kind: &str) -> Result<Reply> {
        self.client.get(&self.object(kind)).await
    }

    /// The name of its repository.
    pub(super) fn repository(&self) -> &Value {
        &self.assignment["repositories"][0]["name"]
    }

    fn diffs(&self, has_diff: bool) -> Value {
        let diff = json!({"repository": self.repository(), "files_changed": 1, "lines_added": 1, "lines_removed": 0});
        Value::from_iter(has_diff.then_some(diff))
    }

    pub(super) async fn checkpoint(&self, has_diff: bool) -> Result<Reply> {
        let body =
            json!({"epoch": self.epoch, "diffs": self.diffs(has_diff), "has_session": false});
        self.post("checkpoint", body).await
    }

    pub(super) async fn finish(&self, outcome: Value, last_seq: i64) -> Result<Reply> {
        self.finish_with(outcome, last_seq, false, false).await
    }

    pub(super) async fn finish_with(
        &self,
        outcome: Value,
        last_seq: i64,
        has_diff: bool,
        has_session: bool,
    ) -> Result<Reply> {
        let body = json!({
            "epoch": self.epoch, "outcome": outcome, "diffs": self.diffs(has_diff),
            "has_session": has_session, "last_seq": last_seq,
        });
        self.post("finish", body).await
    }

    pub(super) async fn release(&self) -> Result<Reply> {
        self.post("release", json!({"epoch": self.epoch})).await
    }

    /// Every verb about an attempt; each must be refused so.
    pub(super) async fn every_verb_is_refused(&self, status: u16, code: &str) -> Result<()> {
        self.step("running").await?.refused(status, code)?;
        self.append(1, &[super::output("too late")])
            .await?
            .refused(status, code)?;
        self.upload("diff", b"too late")
            .await?
            .refused(status, code)?;
        self.upload("checkpoint_diff", b"too late")
            .await?
            .refused(status, code)?;
        self.download("session").await?.refused(status, code)?;
        self.checkpoint(false).await?.refused(status, code)?;
        self.finish(super::succeeded(), 0)
            .await?
            .refused(status, code)?;
        self.release().await?.refused(status, code)
    }
}

/// A field that is text.
pub(super) fn text(value: &Value, field: &str) -> Result<String> {
    let text = value[field].as_str().map(str::to_owned);
    text.with_context(|| format!("`{field}` is no text in {value}"))
}
