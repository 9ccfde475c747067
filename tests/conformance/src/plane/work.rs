//! What an attempt is to do.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

/// What an attempt is to do: an assignment without what the claim adds.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    /// Fields of the assignment, in place of the usual ones.
    fields: Map<String, Value>,
    /// What it starts from, by kind.
    pub(crate) inputs: BTreeMap<&'static str, Vec<u8>>,
}

impl Work {
    /// Bash, with `do it` on its standard input.
    pub(crate) fn command(command: &str) -> Self {
        let agent = json!({"name": "command", "command": command});
        let work = Self {
            fields: Map::new(),
            inputs: BTreeMap::new(),
        };
        work.with("agent", agent)
    }

    pub(crate) fn with(mut self, field: &str, value: Value) -> Self {
        self.fields.insert(field.to_owned(), value);
        self
    }

    pub(crate) fn input(mut self, kind: &'static str, content: Vec<u8>) -> Self {
        self.inputs.insert(kind, content);
        self
    }

    /// The assignment of a claim.
    pub(super) fn assignment(&self, claim: &NewClaim<'_>) -> Value {
        let NewClaim {
            attempt,
            epoch,
            lease,
            url,
            commit,
            messages,
        } = claim;
        let has = |kind| self.inputs.contains_key(kind);
        let mut assignment = json!({
            "attempt": attempt,
            "epoch": epoch,
            "lease_ms": u64::try_from(lease.as_millis()).unwrap_or(u64::MAX),
            "task": "task_000000000000000000000000000000c1",
            "turn": 1,
            "number": 1,
            "environment": "conformance",
            "environment_id": "env_000000000000000000000000000000c1",
            "cache_generation": 0,
            "repositories": [{
                "name": "demo",
                "url": url,
                "branch": "main",
                "commit": commit,
                "has_starting_diff": has("starting_diff"),
                "has_carried_diff": has("carried_diff"),
            }],
            "has_session": has("session"),
            "runtimes": {},
            "prompt": "do it",
            "interactive": true,
            "messages": messages,
            "variables": {},
            "secrets": [],
            "limits": {
                "preparing_ms": 120_000, "setting_up_ms": 120_000, "running_ms": 240_000, "collecting_ms": 120_000,
            },
            "network": {"mode": "off"},
            "resources": {},
            "nested_namespaces": false,
            "injections": [],
        });
        for (field, value) in &self.fields {
            assignment[field] = value.clone();
        }
        assignment
    }
}

/// What a claim adds to the work.
pub(super) struct NewClaim<'a> {
    pub(super) attempt: &'a str,
    pub(super) epoch: i64,
    pub(super) lease: Duration,
    pub(super) url: String,
    pub(super) commit: &'a str,
    pub(super) messages: &'a [Value],
}
