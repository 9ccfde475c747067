//! A worker says who it is.

use std::collections::BTreeMap;

use outwork_api::problem::Code;
use outwork_api::worker::{
    GIT_GATEWAY_SINCE, OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION, Register, Registered,
};
use outwork_domain::WorkerId;
use outwork_domain::labels::check_labels;
use outwork_domain::limits::ISOLATION_CHARS;
use outwork_domain::principal::{Worker, WorkerVersions};

use super::{WorkerService, wrong};
use crate::refusal::{Refusal, pointer};

pub(crate) const MAX_SLOTS: u32 = 1000;
const MAX_NAME_CHARS: usize = 200;
const MAX_VERSION_CHARS: usize = 100;
const MAX_AGENTS: usize = 100;
const NOT_PLAIN: &str = "is empty, too long or holds control characters";
/// How many heartbeats fit into a lease. The worker gives up at two thirds of it, so three may fail before that.
const HEARTBEATS_PER_LEASE: u32 = 6;

impl WorkerService {
    pub(super) async fn do_register(&self, request: Register) -> Result<Registered, Refusal> {
        let Register {
            protocol_version,
            worker,
            name,
            slots,
            agents,
            isolation,
            labels,
            version,
            agent_versions,
        } = request;
        let oldest = match self.plane.git_gateway.is_required() {
            true => GIT_GATEWAY_SINCE,
            false => OLDEST_PROTOCOL_VERSION,
        };
        check(oldest, protocol_version, &name, slots, &agents)?;
        if !plain(&isolation, ISOLATION_CHARS) {
            return Err(wrong("/isolation", NOT_PLAIN));
        }
        check_versions(version.as_deref(), &agent_versions, &agents)?;
        check_labels(&labels).map_err(|fault| wrong("/labels", fault.to_string()))?;
        let old = worker.and_then(|old| old.parse().ok());
        if let Some(old) = old {
            self.may_speak_for(old)?;
        }
        let known = match old {
            // Not found is one thing, a store that cannot be read another: with a new id the worker would lose all that it holds.
            Some(old) => self.plane.store.worker(self.workspace, old).await?,
            None => None,
        };
        let id = known
            .map(|record| record.worker.id)
            .or(self.only)
            .unwrap_or_else(|| WorkerId::from_uuid(self.plane.ids.uuid()));
        let worker = Worker {
            id,
            workspace_id: self.workspace,
            name,
            slots,
            agents,
            isolation: Some(isolation),
            labels,
            versions: WorkerVersions {
                protocol: protocol_version,
                program: version,
                agents: agent_versions,
            },
        };
        self.plane
            .store
            .register_worker(&worker, self.plane.now())
            .await?;
        tracing::info!(worker = %id, name = worker.name, slots, agents = ?worker.agents, isolation = worker.isolation, labels = ?worker.labels, "a worker registered");
        let interval = self.plane.limits.lease / HEARTBEATS_PER_LEASE;
        Ok(Registered {
            worker: id.to_string(),
            heartbeat_interval_ms: u64::try_from(interval.as_millis()).unwrap_or(u64::MAX),
            protocol_version,
        })
    }
}

fn check(
    oldest: u32,
    version: u32,
    name: &str,
    slots: u32,
    agents: &[String],
) -> Result<(), Refusal> {
    if !(oldest..=PROTOCOL_VERSION).contains(&version) {
        let detail = format!(
            "The worker speaks version {version} of the protocol; this server speaks {oldest} to {PROTOCOL_VERSION}."
        );
        return Err(Refusal::new(Code::Unprocessable, detail)
            .with_field("/protocol_version", "is not supported")
            .with_hint("Use a worker of the server's own version."));
    }
    if !plain(name, MAX_NAME_CHARS) {
        return Err(wrong("/name", NOT_PLAIN));
    }
    if !(1..=MAX_SLOTS).contains(&slots) {
        return Err(wrong(
            "/slots",
            format!("is {slots}; it must be 1 to {MAX_SLOTS}"),
        ));
    }
    if agents.len() > MAX_AGENTS || !agents.iter().all(|agent| plain(agent, MAX_NAME_CHARS)) {
        return Err(wrong(
            "/agents",
            format!("must be at most {MAX_AGENTS} names"),
        ));
    }
    Ok(())
}

fn check_versions(
    version: Option<&str>,
    agent_versions: &BTreeMap<String, String>,
    agents: &[String],
) -> Result<(), Refusal> {
    if version.is_some_and(|version| !plain(version, MAX_VERSION_CHARS)) {
        return Err(wrong("/version", NOT_PLAIN));
    }
    for (name, version) in agent_versions {
        if !agents.contains(name) {
            let detail = format!("holds `{name}`, which is not one of `agents`");
            return Err(wrong("/agent_versions", detail));
        }
        if !plain(version, MAX_VERSION_CHARS) {
            return Err(wrong(&pointer(&["agent_versions", name]), NOT_PLAIN));
        }
    }
    Ok(())
}

fn plain(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= most && !text.chars().any(char::is_control)
}
