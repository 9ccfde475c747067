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
        let body = json!({"protocol_version": 3, "name": name, "slots": 4, "agents": agents, "isolation": "namespaces"});
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

    /// What the server makes of the claims, and the keys of snapshots that were reset.
    pub async fn beat(&self, claims: &[&Claim]) -> Value {
        let leases: Vec<Value> = claims
            .iter()
            .map(|claim| json!({"attempt": claim.attempt, "epoch": claim.epoch}))
            .collect();
        let body = json!({"worker": self.id, "leases": leases});
        let answer = self.client.post("/api/worker/v1/heartbeat", &body).await;
        answer.expect(200)
    }

    pub async fn heartbeat(&self, claims: &[&Claim]) -> Vec<String> {
        let answer = self.beat(claims).await;
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
        let content = content.as_bytes().to_vec();
        let path = object(claim, kind);
        self.client.bytes(Method::PUT, &path, content).await
    }

    /// The diff of a repository.
    pub async fn upload_diff(&self, claim: &Claim, repository: &str, content: &str) -> Answer {
        let content = content.as_bytes().to_vec();
        let path = format!("{}&repository={repository}", object(claim, "diff"));
        self.client.bytes(Method::PUT, &path, content).await
    }

    pub async fn download(&self, claim: &Claim, kind: &str) -> Answer {
        self.client.get(&object(claim, kind)).await
    }

    /// What the attempt starts from in a repository.
    pub async fn download_of(&self, claim: &Claim, kind: &str, repository: &str) -> Answer {
        let path = format!("{}&repository={repository}", object(claim, kind));
        self.client.get(&path).await
    }

    /// Says what it keeps.
    pub async fn inventory(&self, snapshots: Value, uses: Value) -> Answer {
        let body = json!({"worker": self.id, "snapshots": snapshots, "uses": uses});
        self.client
            .send(Method::PUT, "/api/worker/v1/snapshots", &body)
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
            "diffs": [size("repository", 1)]});
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

fn object(claim: &Claim, kind: &str) -> String {
    let Claim { attempt, epoch, .. } = claim;
    format!("/api/worker/v1/attempts/{attempt}/objects/{kind}?epoch={epoch}")
}

/// How large a repository's diff is: the same number of everything.
pub fn size(repository: &str, number: u64) -> Value {
    json!({"repository": repository, "files_changed": number, "lines_added": number, "lines_removed": number})
}
