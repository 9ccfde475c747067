//! Environments.

use std::time::Duration;

use outwork_api::environment::{Agent, Environment as Wire};
use outwork_domain::environment::{AgentSpec, Environment, EnvironmentSpec};

pub(crate) fn wire(environment: Environment) -> Wire {
    let Environment {
        id,
        workspace_id: _,
        created_by: _,
        revision,
        created_at,
        updated_at,
        spec,
    } = environment;
    let EnvironmentSpec {
        label,
        repository_url,
        branch,
        agent,
        setup_script,
        variables,
        timeout,
    } = spec;
    Wire {
        id: id.to_string(),
        label,
        repository_url,
        branch,
        agent: wire_agent(agent),
        setup_script,
        variables: variables.into_iter().collect(),
        timeout_seconds: timeout.as_secs(),
        revision,
        created_at: created_at.into(),
        updated_at: updated_at.into(),
    }
}

pub(crate) fn wire_agent(agent: AgentSpec) -> Agent {
    match agent {
        AgentSpec::Codex => Agent::Codex {},
        AgentSpec::Command(command) => Agent::Command { command },
    }
}

pub(crate) fn agent(agent: Agent) -> AgentSpec {
    match agent {
        Agent::Codex {} => AgentSpec::Codex,
        Agent::Command { command } => AgentSpec::Command(command),
    }
}

/// The limit asked for, or an hour.
pub(crate) fn timeout(seconds: Option<u64>) -> Duration {
    Duration::from_secs(seconds.unwrap_or(3600))
}
