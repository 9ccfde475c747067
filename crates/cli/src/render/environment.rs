//! Environments as text.

use outwork_api::environment::{Agent, Environment, Repository};
use outwork_domain::Timestamp;
use outwork_domain::environment::repository_name;

use super::network;
use super::task::age;
use crate::duration;
use crate::terminal::plain::plain;
use crate::terminal::style::{Paint, Style};

/// The agent in a few words.
pub(crate) fn agent(agent: &Agent) -> String {
    match agent {
        Agent::Codex {} => "codex".to_owned(),
        Agent::Command { command } => format!("command: {}", plain(command)),
        Agent::None {} => "none".to_owned(),
    }
}

/// `docs  https://h/docs (branch main)`.
pub(crate) fn further(repository: &Repository) -> String {
    let Repository { name, url, branch } = repository;
    let at = match branch {
        Some(branch) => format!(" (branch {})", plain(branch)),
        None => String::new(),
    };
    format!("{}  {}{at}", plain(name), plain(url))
}

/// An environment, several lines.
pub(crate) fn environment(environment: &Environment, style: Style, now: Timestamp) -> Vec<String> {
    let Environment {
        id,
        label,
        repository_url,
        branch,
        agent: chosen,
        further_repositories,
        base_image,
        runtimes,
        setup_script,
        maintenance_script,
        verify_command,
        verify_timeout_seconds,
        variables,
        secrets,
        setup_timeout_seconds,
        timeout_seconds,
        network: reachable,
        resources,
        nested_namespaces,
        max_tokens,
        required_labels,
        max_concurrent,
        approvals,
        injections,
        revision: _,
        created_at: _,
        updated_at,
    } = environment;
    let name = |name: &str| style.paint(Paint::Dim, &format!("{name:<14}"));
    let text = |label: &str, text: &str| format!("{}{}", name(label), plain(text));
    let mut lines = vec![
        style.paint(Paint::Bold, &plain(label)),
        text("id", id),
        text("repository", repository_url),
        text("branch", branch.as_deref().unwrap_or("(default)")),
    ];
    if !further_repositories.is_empty() {
        lines.push(text("called", &repository_name(repository_url)));
    }
    for repository in further_repositories {
        lines.push(format!("{}{}", name("also"), further(repository)));
    }
    lines.push(format!("{}{}", name("agent"), agent(chosen)));
    lines.extend(base_image.iter().map(|image| text("image", image)));
    for (runtime, version) in runtimes {
        lines.push(text("runtime", &format!("{runtime}={version}")));
    }
    let verify = verify_command.iter().flat_map(|command| command.lines());
    let names = std::iter::once("verify").chain(std::iter::repeat(""));
    lines.extend(names.zip(verify).map(|(name, line)| text(name, line)));
    if verify_command.is_some() {
        lines.push(text(
            "verify timeout",
            &duration::exactly(*verify_timeout_seconds),
        ));
    }
    lines.push(text(
        "setup timeout",
        &duration::exactly(*setup_timeout_seconds),
    ));
    lines.push(text("timeout", &duration::exactly(*timeout_seconds)));
    lines.push(text("network", &network::rules(reachable)));
    lines.extend(network::allowed(reachable).map(|domain| text("allow", &domain)));
    for one in injections {
        let age = age(one.updated_at, now);
        let told = format!("{} for {} (set {age})", one.header, one.host);
        lines.push(text("inject", &told));
    }
    let limits = network::limits(resources).into_iter();
    lines.extend(limits.map(|(name, limit)| text(name, &limit)));
    if *nested_namespaces {
        lines.push(text("namespaces", "the agent may make its own"));
    }
    lines.extend(max_tokens.map(|tokens| text("tokens", &format!("{tokens} at most"))));
    for (name, value) in required_labels {
        lines.push(text("needs label", &format!("{name}={value}")));
    }
    lines.extend(max_concurrent.map(|most| text("at once", &format!("{most} at most"))));
    let approvals = Some(*approvals).filter(|needed| *needed > 0);
    lines.extend(approvals.map(|needed| text("approvals", &needed.to_string())));
    lines.push(text("updated", &updated_at.to_string()));
    for (key, value) in variables {
        lines.push(text("variable", &format!("{key}={value}")));
    }
    for secret in secrets {
        let age = age(secret.updated_at, now);
        lines.push(text("secret", &format!("{} (set {age})", secret.name)));
    }
    lines.extend(script("setup", setup_script.as_deref(), style));
    lines.extend(script("maintenance", maintenance_script.as_deref(), style));
    lines
}

/// A script below its name; nothing when there is none.
pub(crate) fn script(name: &str, script: Option<&str>, style: Style) -> Vec<String> {
    let Some(script) = script.filter(|script| !script.is_empty()) else {
        return Vec::new();
    };
    let heading = style.paint(Paint::Dim, name);
    let lines = script
        .lines()
        .map(|line| format!("  {}", plain(line)).trim_end().to_owned());
    std::iter::once(heading).chain(lines).collect()
}
