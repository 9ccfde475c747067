//! Whether an environment makes sense, as far as can be said without asking its repository.

use outwork_domain::environment::{EnvironmentSpec, InvalidEnvironment};
use outwork_git::{RefName, RepoUrl};

use crate::refusal::Refusal;

/// The same environment with its address and branch as git knows them.
pub(super) fn check(mut spec: EnvironmentSpec) -> Result<EnvironmentSpec, Refusal> {
    spec.check()
        .map_err(|InvalidEnvironment { field, problem }| Refusal::field(pointer(field), problem))?;
    for (name, text) in [
        ("/label", Some(&spec.label)),
        ("/setup_script", spec.setup_script.as_ref()),
    ] {
        if text.is_some_and(|text| text.contains('\0')) {
            return Err(Refusal::field(name, "contains a NUL byte"));
        }
    }
    let url = RepoUrl::parse(&spec.repository_url)
        .map_err(|fault| Refusal::field("/repository_url", fault.to_string()))?;
    url.as_str().clone_into(&mut spec.repository_url);
    if let Some(branch) = &spec.branch {
        let branch =
            RefName::parse(branch).map_err(|fault| Refusal::field("/branch", fault.to_string()))?;
        spec.branch = Some(branch.as_str().to_owned());
    }
    Ok(spec)
}

fn pointer(field: &str) -> &str {
    match field {
        "label" => "/label",
        "repository_url" => "/repository_url",
        "agent_command" => "/agent/command",
        "variables" => "/variables",
        "setup_script" => "/setup_script",
        "timeout" => "/timeout_seconds",
        other => other,
    }
}
