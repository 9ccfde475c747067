//! Whether an environment makes sense, as far as can be said without asking its repositories.

use std::collections::BTreeMap;

use outwork_api::network as wire;
use outwork_domain::environment::{EnvironmentSpec, InvalidEnvironment, Runtime, RuntimeName};
use outwork_domain::network::{AgentNetwork, InvalidDomain};
use outwork_git::{RefName, RepoUrl};

use crate::refusal::{Refusal, pointer};

/// The same environment with its addresses and branches as git knows them.
pub(super) fn check(mut spec: EnvironmentSpec) -> Result<EnvironmentSpec, Refusal> {
    spec.check().map_err(refused)?;
    if spec.label.contains('\0') {
        return Err(Refusal::field("/label", "contains a NUL byte"));
    }
    spec.repository_url = url(&spec.repository_url, "/repository_url")?;
    spec.branch = branch(spec.branch, "/branch")?;
    for (index, repository) in spec.further_repositories.iter_mut().enumerate() {
        let field = |name| format!("/further_repositories/{index}/{name}");
        repository.url = url(&repository.url, &field("url"))?;
        repository.branch = branch(repository.branch.take(), &field("branch"))?;
    }
    Ok(spec)
}

/// Runtimes by their names.
pub(super) fn runtimes(wanted: BTreeMap<String, String>) -> Result<Vec<Runtime>, Refusal> {
    wanted
        .into_iter()
        .map(|(name, version)| match RuntimeName::parse(&name) {
            Some(name) => Ok(Runtime { name, version }),
            None => {
                let known = RuntimeName::ALL.map(RuntimeName::as_str).join(", ");
                let detail = format!("is not a runtime that can be pinned; those are {known}");
                Err(Refusal::field(&pointer(&["runtimes", &name]), detail))
            }
        })
        .collect()
}

/// What the agent may reach, its domains as they are compared.
pub(super) fn network(wanted: wire::AgentNetwork) -> Result<AgentNetwork, Refusal> {
    wanted
        .try_into()
        .map_err(|fault: InvalidDomain| Refusal::field("/network/allow", fault.to_string()))
}

pub(super) fn refused(fault: InvalidEnvironment) -> Refusal {
    let InvalidEnvironment { field, problem } = fault;
    let pointer = match field {
        "agent_command" => "/agent/command".to_owned(),
        "timeout" | "setup_timeout" => format!("/{field}_seconds"),
        field => format!("/{}", field.replace('.', "/")),
    };
    Refusal::field(&pointer, problem)
}

fn url(text: &str, pointer: &str) -> Result<String, Refusal> {
    let url = RepoUrl::parse(text).map_err(|fault| Refusal::field(pointer, fault.to_string()))?;
    Ok(url.as_str().to_owned())
}

fn branch(text: Option<String>, pointer: &str) -> Result<Option<String>, Refusal> {
    let Some(text) = text else { return Ok(None) };
    let name = RefName::parse(&text).map_err(|fault| Refusal::field(pointer, fault.to_string()))?;
    Ok(Some(name.as_str().to_owned()))
}
