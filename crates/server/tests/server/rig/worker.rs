//! A worker driven by hand, over the worker API.

use reqwest::Method;
use serde_json::{Value, json};

use super::Rig;
use super::http::{Answer, Client};
use super::sse::Events;

pub const AT: &str = "2026-11-20T14:53:41.000Z";

pub struct Worker {
    pub client: Client,
    pub id: String,
}

/// One claim.
#[derive(Clone, Debug)]
pub struct Claim {
    pub attempt: String,
    pub epoch: i64,
    pub assignment: Value,
}

impl Worker {
    pub async fn register(rig: &Rig, name: &str) -> Self {
        Self::register_with(rig, name, &["command", "codex"]).await
    }

    pub async fn register_with(rig: &Rig, name: &str, agents: &[&str]) -> Self {
        let client = rig.worker_client();
        let body = json!({"protocol_version": 1, "name": name, "slots": 4, "agents": agents});
        let registered = client
            .post("/api/worker/v1/register", &body)
            .await
            .expect(200);
        let id = registered["worker"].as_str().expect("an id").to_owned();
        let a_sixth_ms = rig.setting.limits.lease.as_millis() as u64 / 6;
        assert_eq!(registered["heartbeat_interval_ms"], a_sixth_ms);
        Self { client, id }
    }

    pub async fn acquire(&self, max: u32, wait_ms: u64) -> Vec<Claim> {
        let body = json!({"worker": self.id, "max": max, "wait_ms": wait_ms});
        let answer = self
            .client
            .post("/api/worker/v1/acquire", &body)
            .await
            .expect(200);
        let assignments = answer["assignments"].as_array().expect("a list").clone();
        let claim = |assignment: Value| Claim {
            attempt: assignment["attempt"].as_str().expect("an id").to_owned(),
            epoch: assignment["epoch"].as_i64().expect("a number"),
            assignment,
        };
        assignments.into_iter().map(claim).collect()
    }

    /// Takes the one attempt that waits.
    pub async fn take(&self) -> Claim {
        let mut claims = self.acquire(1, 10_000).await;
        claims.pop().expect("an attempt waits")
    }

    pub async fn heartbeat(&self, claims: &[&Claim]) -> Vec<String> {
        let leases: Vec<Value> = claims
            .iter()
            .map(|claim| json!({"attempt": claim.attempt, "epoch": claim.epoch}))
            .collect();
        let answer = self
            .client
            .post(
                "/api/worker/v1/heartbeat",
                &json!({"worker": self.id, "leases": leases}),
            )
            .await
            .expect(200);
        let leases = answer["leases"].as_array().expect("a list");
        leases
            .iter()
            .map(|lease| lease["desired"].as_str().expect("a word").to_owned())
            .collect()
    }

    pub async fn commands(&self) -> Events {
        Events::new(
            self.client
                .stream(&format!("/api/worker/v1/commands?worker={}", self.id))
                .await,
        )
    }

    pub async fn step(&self, claim: &Claim, step: &str) -> Answer {
        self.verb(claim, "step", json!({"step": step})).await
    }

    pub async fn append(&self, claim: &Claim, first_seq: i64, events: &[Value]) -> Answer {
        let events: Vec<Value> = events
            .iter()
            .map(|event| {
                let mut event = event.clone();
                event["at"] = json!(AT);
                event
            })
            .collect();
        self.verb(
            claim,
            "events",
            json!({"first_seq": first_seq, "events": events}),
        )
        .await
    }

    pub async fn upload(&self, claim: &Claim, kind: &str, content: &str) -> Answer {
        let path = format!(
            "/api/worker/v1/attempts/{}/objects/{kind}?epoch={}",
            claim.attempt, claim.epoch
        );
        self.client
            .bytes(Method::PUT, &path, content.as_bytes().to_vec())
            .await
    }

    pub async fn download(&self, claim: &Claim, kind: &str) -> Answer {
        self.client
            .get(&format!(
                "/api/worker/v1/attempts/{}/objects/{kind}?epoch={}",
                claim.attempt, claim.epoch
            ))
            .await
    }

    pub async fn finish(&self, claim: &Claim, body: Value) -> Answer {
        self.verb(claim, "finish", body).await
    }

    pub async fn release(&self, claim: &Claim) -> Answer {
        self.verb(claim, "release", json!({})).await
    }

    /// Hands in a diff and succeeds, as if the agent had changed one line.
    pub async fn succeed(&self, claim: &Claim, diff: &str) {
        self.upload(claim, "diff", diff).await.expect(204);
        let result = json!({"outcome": {"result": "succeeded"}, "has_session": false, "last_seq": 0,
            "diff": {"files_changed": 1, "lines_added": 1, "lines_removed": 1}});
        self.finish(claim, result).await.expect(204);
    }

    /// Fails without a diff.
    pub async fn fail(&self, claim: &Claim, code: &str) {
        let failure = json!({"code": code, "message": "it failed"});
        let result = json!({"outcome": {"result": "failed", "failure": failure}, "has_session": false, "last_seq": 0});
        self.finish(claim, result).await.expect(204);
    }

    async fn verb(&self, claim: &Claim, verb: &str, mut body: Value) -> Answer {
        body["epoch"] = json!(claim.epoch);
        self.client
            .post(
                &format!("/api/worker/v1/attempts/{}/{verb}", claim.attempt),
                &body,
            )
            .await
    }
}
