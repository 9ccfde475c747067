//! Environments.

use std::collections::BTreeMap;
use std::time::Duration;

use outwork_api::environment::{Agent, AgentChoice, Environment as Wire, Repository, SecretName};
use outwork_api::injection::Injection;
use outwork_domain::agent;
use outwork_domain::environment;
use outwork_domain::environment::{
    AgentSpec, Environment, EnvironmentSpec, InjectionTarget, Runtime,
};
use outwork_store::EnvironmentRecord;

pub(crate) fn wire(record: EnvironmentRecord) -> Wire {
    let EnvironmentRecord {
        environment,
        secrets,
        injections,
        cache_generation: _,
    } = record;
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
        further_repositories,
        base_image,
        runtimes,
        setup_script,
        maintenance_script,
        verify_command,
        verify_timeout,
        variables,
        setup_timeout,
        timeout,
        network,
        resources,
        nested_namespaces,
        max_tokens,
        required_labels,
        max_concurrent,
        approvals,
    } = spec;
    Wire {
        id: id.to_string(),
        label,
        repository_url,
        branch,
        agent: wire_agent(agent),
        further_repositories: further_repositories
            .into_iter()
            .map(wire_repository)
            .collect(),
        base_image,
        runtimes: wire_runtimes(runtimes),
        setup_script,
        maintenance_script,
        verify_command,
        verify_timeout_seconds: verify_timeout.as_secs(),
        variables: variables.into_iter().collect(),
        secrets: secrets.into_iter().map(wire_secret).collect(),
        setup_timeout_seconds: setup_timeout.as_secs(),
        timeout_seconds: timeout.as_secs(),
        network: network.into(),
        resources: resources.into(),
        nested_namespaces,
        max_tokens,
        required_labels,
        max_concurrent,
        approvals,
        injections: injections.into_iter().map(wire_injection).collect(),
        revision,
        created_at: created_at.into(),
        updated_at: updated_at.into(),
    }
}

fn wire_repository(repository: environment::Repository) -> Repository {
    let environment::Repository { name, url, branch } = repository;
    Repository { name, url, branch }
}

/// An empty branch is the default branch, as in a change of an environment.
pub(crate) fn repository(repository: Repository) -> environment::Repository {
    let Repository { name, url, branch } = repository;
    environment::Repository {
        name,
        url,
        branch: text(branch),
    }
}

pub(crate) fn wire_runtimes(runtimes: Vec<Runtime>) -> BTreeMap<String, String> {
    runtimes
        .into_iter()
        .map(|Runtime { name, version }| (name.as_str().to_owned(), version))
        .collect()
}

fn wire_secret(secret: environment::SecretName) -> SecretName {
    let environment::SecretName {
        name,
        version: _,
        updated_at,
    } = secret;
    SecretName {
        name,
        updated_at: updated_at.into(),
    }
}

fn wire_injection(injection: environment::Injection) -> Injection {
    let environment::Injection { target, updated_at } = injection;
    let InjectionTarget { host, header } = target;
    Injection {
        host: host.to_string(),
        header: header.to_string(),
        updated_at: updated_at.into(),
    }
}

pub(crate) fn wire_agent(agent: AgentSpec) -> Agent {
    match agent {
        AgentSpec::Codex => Agent::Codex {},
        AgentSpec::Command(command) => Agent::Command { command },
        AgentSpec::None => Agent::None {},
    }
}

pub(crate) fn agent(agent: Agent) -> AgentSpec {
    match agent {
        Agent::Codex {} => AgentSpec::Codex,
        Agent::Command { command } => AgentSpec::Command(command),
        Agent::None {} => AgentSpec::None,
    }
}

/// The agent of one attempt.
pub(crate) fn agent_choice(choice: AgentChoice) -> agent::AgentChoice {
    let (agent, model) = match choice {
        AgentChoice::Codex { model } => (AgentSpec::Codex, text(model)),
        AgentChoice::Command { command } => (AgentSpec::Command(command), None),
    };
    agent::AgentChoice { agent, model }
}

/// A text that may be left out; an empty one counts as left out.
pub(crate) fn text(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// The agent's limit asked for, or an hour.
pub(crate) fn timeout(seconds: Option<u64>) -> Duration {
    Duration::from_secs(seconds.unwrap_or(3600))
}

/// The verify command's limit asked for, or ten minutes.
pub(crate) fn verify_timeout(seconds: Option<u64>) -> Duration {
    Duration::from_secs(seconds.unwrap_or(600))
}

/// The scripts' limit asked for, or twenty minutes.
pub(crate) fn setup_timeout(seconds: Option<u64>) -> Duration {
    Duration::from_secs(seconds.unwrap_or(1200))
}
