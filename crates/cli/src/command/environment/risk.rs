//! What a person should know who lets an agent out.

use outwork_api::environment::Environment;
use outwork_api::network::{AgentNetwork, NetworkPreset};

use crate::session::Session;
use crate::terminal::plain::plain;

/// Says on standard error what is opened by a change from `before`, if anything is, and what has no
/// effect. With `--json`, too: whoever reads standard output reads it alone.
pub(crate) fn tell(session: &mut Session, before: &AgentNetwork, after: &Environment) {
    if is_opened(before, &after.network) {
        for line in RISK {
            session.out.note(line);
        }
    }
    for note in without_effect(after) {
        session.out.note(&format!("note: {}", plain(&note)));
    }
}

const RISK: [&str; 3] = [
    "warning: the agent can reach the network now. What it reads there (pages, packages, issues) can tell it what",
    "  to do, and what it can read (the code, its variables) can be sent to any host that is allowed, also in the",
    "  address of a GET. Allow few domains; `outwork log TASK --verbose` shows every request that it made.",
];

/// Whether it lets out what was kept in before.
fn is_opened(before: &AgentNetwork, after: &AgentNetwork) -> bool {
    let rank = |network: &AgentNetwork| match network {
        AgentNetwork::Off {} => 0,
        AgentNetwork::On { preset, .. } => match preset {
            NetworkPreset::None => 1,
            NetworkPreset::Common => 2,
            NetworkPreset::All => 3,
        },
    };
    rank(after) > rank(before)
}

fn without_effect(environment: &Environment) -> Vec<String> {
    let injections = &environment.injections;
    let (preset, allow) = match &environment.network {
        AgentNetwork::Off {} if injections.is_empty() => return Vec::new(),
        AgentNetwork::Off {} => {
            return vec![
                "no header is put into requests while the network is off; see --network on"
                    .to_owned(),
            ];
        }
        AgentNetwork::On { preset, allow, .. } => (preset, allow),
    };
    if *preset != NetworkPreset::None {
        return Vec::new();
    }
    if allow.is_empty() {
        return vec![
            "no host is allowed yet; give some with --allow DOMAIN or --preset common".to_owned(),
        ];
    }
    let is_covered = |host: &str| {
        allow.iter().any(|domain| {
            let rest = host.strip_suffix(domain.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    };
    injections
        .iter()
        .filter(|one| !is_covered(&one.host))
        .map(|one| {
            let host = &one.host;
            format!("{host} is not allowed, so its header is put into nothing; see --allow {host}")
        })
        .collect()
}
