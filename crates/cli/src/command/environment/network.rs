//! The flags of `env create` and `env edit` that say what the agent may reach.

use clap::{Args, ValueEnum};
use outwork_api::network::AgentNetwork;
use outwork_domain::network::{self as domain, DomainName, Methods, NetworkRules, Preset, Tls};

use super::edit::absent;
use crate::error::CliError;

/// What the agent may reach.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Network of the agent")]
pub struct NetworkFlags {
    /// Whether the agent has a network at all: on or off; the other flags need it on
    #[arg(long, value_name = "STATE", hide_possible_values = true)]
    pub network: Option<Switch>,
    /// Hosts that many projects need, allowed together: none, common, or all for every public host
    #[arg(long, value_name = "NAME", hide_possible_values = true)]
    pub preset: Option<PresetName>,
    /// A domain that may be reached, with its subdomains; may be given several times
    #[arg(long, value_name = "DOMAIN", value_parser = parse_domain)]
    pub allow: Vec<DomainName>,
    /// Only GET, HEAD and OPTIONS, and what `git fetch` needs
    #[arg(long)]
    pub read_only_methods: bool,
    /// The ports that may be asked for, in place of 80 and 443; may be given several times
    #[arg(long = "port", value_name = "N")]
    pub ports: Vec<u16>,
    /// Let git push over HTTP
    #[arg(long)]
    pub allow_git_push: bool,
    /// Let connections become WebSockets
    #[arg(long)]
    pub allow_websocket: bool,
    /// What is done with TLS: inspect, so that methods, pushes and WebSockets are seen, or tunnel for
    /// programs that trust no other certificate authority
    #[arg(long, value_name = "HOW", hide_possible_values = true)]
    pub tls: Option<TlsName>,
}

/// What of it is taken back.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Network of the agent")]
pub struct NetworkRemovals {
    /// Take a domain off the list; may be given several times
    #[arg(long, value_name = "DOMAIN", value_parser = parse_domain)]
    pub disallow: Vec<DomainName>,
    /// All methods again
    #[arg(long, conflicts_with = "read_only_methods")]
    pub all_methods: bool,
    /// Let git push no more
    #[arg(long, conflicts_with = "allow_git_push")]
    pub no_git_push: bool,
    /// Let connections become WebSockets no more
    #[arg(long, conflicts_with = "allow_websocket")]
    pub no_websocket: bool,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Off
    Off,
    /// On
    On,
}

/// Hosts that are allowed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PresetName {
    /// None
    None,
    /// Package registries, source hosts and the like
    Common,
    /// Every public host
    All,
}

/// What is done with TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TlsName {
    /// It is ended and looked into
    Inspect,
    /// It is passed on unread
    Tunnel,
}

fn parse_domain(text: &str) -> Result<DomainName, String> {
    DomainName::parse_covering(text).map_err(|fault| fault.to_string())
}

/// The network of a new environment, if the flags say something of it: rules turn it on.
pub(crate) fn created(flags: NetworkFlags) -> Result<Option<AgentNetwork>, CliError> {
    let off = AgentNetwork::Off {};
    changed(&off, Switch::On, flags, NetworkRemovals::default())
}

/// The network of an environment that has `current`, if the flags change something. Turning it on
/// is said in so many words.
pub(super) fn edited(
    current: &AgentNetwork,
    flags: NetworkFlags,
    removals: NetworkRemovals,
) -> Result<Option<AgentNetwork>, CliError> {
    let now = match current {
        AgentNetwork::Off {} => Switch::Off,
        AgentNetwork::On { .. } => Switch::On,
    };
    changed(current, now, flags, removals)
}

/// `default` is whether it is on when `--network` is not given.
fn changed(
    current: &AgentNetwork,
    default: Switch,
    flags: NetworkFlags,
    removals: NetworkRemovals,
) -> Result<Option<AgentNetwork>, CliError> {
    let has_rules = has_rules(&flags, &removals);
    match (flags.network, has_rules, default) {
        (None, false, _) => return Ok(None),
        (Some(Switch::Off), false, _) => return Ok(Some(AgentNetwork::Off {})),
        (Some(Switch::Off), true, _) => {
            return Err(CliError::usage("--network off goes with no other rule")
                .hint("leave the other flags out; the rules are forgotten when it is off"));
        }
        (None, true, Switch::Off) => {
            return Err(
                CliError::usage("the network of this environment's agent is off")
                    .hint("turn it on in the same command, with --network on"),
            );
        }
        (Some(Switch::On), _, _) | (None, true, Switch::On) => {}
    }
    let known = domain::AgentNetwork::try_from(current.clone())
        .map_err(|fault| CliError::failed(fault.to_string()).code("protocol"))?;
    let rules = match known {
        domain::AgentNetwork::Off => NetworkRules::default(),
        domain::AgentNetwork::On(rules) => rules,
    };
    let rules = with(rules, flags, removals)?;
    Ok(Some(domain::AgentNetwork::On(rules).into()))
}

fn has_rules(flags: &NetworkFlags, removals: &NetworkRemovals) -> bool {
    let NetworkFlags {
        network: _,
        preset,
        allow,
        read_only_methods,
        ports,
        allow_git_push,
        allow_websocket,
        tls,
    } = flags;
    let NetworkRemovals {
        disallow,
        all_methods,
        no_git_push,
        no_websocket,
    } = removals;
    let switches = [
        read_only_methods,
        allow_git_push,
        allow_websocket,
        all_methods,
        no_git_push,
        no_websocket,
    ];
    preset.is_some()
        || tls.is_some()
        || !allow.is_empty()
        || !disallow.is_empty()
        || !ports.is_empty()
        || switches.into_iter().any(|is_given| *is_given)
}

/// The rules as the flags change them.
fn with(
    mut rules: NetworkRules,
    flags: NetworkFlags,
    removals: NetworkRemovals,
) -> Result<NetworkRules, CliError> {
    let NetworkFlags {
        network: _,
        preset,
        allow,
        read_only_methods,
        ports,
        allow_git_push,
        allow_websocket,
        tls,
    } = flags;
    let NetworkRemovals {
        disallow,
        all_methods,
        no_git_push,
        no_websocket,
    } = removals;
    for name in &disallow {
        if !rules.allow.remove(name) {
            let names: Vec<&str> = rules.allow.iter().map(DomainName::as_str).collect();
            return Err(absent("allowed domain", name.as_str(), &names));
        }
    }
    rules.allow.extend(allow);
    if !ports.is_empty() {
        rules.ports = ports.into_iter().collect();
    }
    rules.preset = match preset {
        None => rules.preset,
        Some(PresetName::None) => Preset::None,
        Some(PresetName::Common) => Preset::Common,
        Some(PresetName::All) => Preset::All,
    };
    rules.methods = match (read_only_methods, all_methods) {
        (true, _) => Methods::ReadOnly,
        (false, true) => Methods::All,
        (false, false) => rules.methods,
    };
    rules.tls = match tls {
        None => rules.tls,
        Some(TlsName::Inspect) => Tls::Inspect,
        Some(TlsName::Tunnel) => Tls::Tunnel,
    };
    rules.git_push = (rules.git_push || allow_git_push) && !no_git_push;
    rules.websocket = (rules.websocket || allow_websocket) && !no_websocket;
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn names(texts: &[&str]) -> Vec<DomainName> {
        let parsed = texts.iter().map(|text| parse_domain(text));
        parsed.collect::<Result<_, _>>().expect("names")
    }

    fn json_of(network: Result<Option<AgentNetwork>, CliError>) -> Value {
        serde_json::to_value(network.expect("it fits")).expect("plain data")
    }

    #[test]
    fn rules_turn_a_new_network_on() {
        assert_eq!(json_of(created(NetworkFlags::default())), Value::Null);
        let flags = NetworkFlags {
            allow: names(&["*.b.example", "A.example"]),
            read_only_methods: true,
            ..NetworkFlags::default()
        };
        assert_eq!(
            json_of(created(flags.clone())),
            json!({"mode": "on", "preset": "none", "allow": ["a.example", "b.example"],
                "ports": [80, 443], "methods": "read_only", "git_push": false, "websocket": false,
                "tls": "inspect"})
        );
        let off = NetworkFlags {
            network: Some(Switch::Off),
            ..flags
        };
        let error = created(off).expect_err("a contradiction");
        assert!(error.message.contains("--network off"), "{error}");
    }

    #[test]
    fn an_edit_changes_what_it_names() {
        let start = NetworkFlags {
            preset: Some(PresetName::Common),
            allow: names(&["a.example", "b.example"]),
            allow_git_push: true,
            ports: vec![443],
            read_only_methods: true,
            ..NetworkFlags::default()
        };
        let current = created(start).expect("it fits").expect("it is on");
        let flags = NetworkFlags {
            allow: names(&["c.example"]),
            allow_websocket: true,
            ..NetworkFlags::default()
        };
        let removals = NetworkRemovals {
            disallow: names(&["a.example"]),
            all_methods: true,
            no_git_push: true,
            no_websocket: false,
        };
        assert_eq!(
            json_of(edited(&current, flags, removals)),
            json!({"mode": "on", "preset": "common", "allow": ["b.example", "c.example"],
                "ports": [443], "methods": "all", "git_push": false, "websocket": true,
                "tls": "inspect"})
        );
        let unknown = NetworkRemovals {
            disallow: names(&["sub.a.example"]),
            ..NetworkRemovals::default()
        };
        let error = edited(&current, NetworkFlags::default(), unknown).expect_err("not there");
        assert_eq!(error.code, "not_found");
        let nothing = edited(
            &current,
            NetworkFlags::default(),
            NetworkRemovals::default(),
        );
        assert_eq!(json_of(nothing), Value::Null);
    }

    #[test]
    fn an_edit_turns_it_on_only_when_told_so() {
        let off = AgentNetwork::Off {};
        let flags = NetworkFlags {
            allow: names(&["a.example"]),
            ..NetworkFlags::default()
        };
        let removals = NetworkRemovals::default;
        let error = edited(&off, flags.clone(), removals()).expect_err("it is off");
        let hint = error.hint.expect("a hint");
        assert!(hint.contains("--network on"), "{hint}");
        let on = NetworkFlags {
            network: Some(Switch::On),
            ..flags
        };
        assert_eq!(json_of(edited(&off, on, removals()))["mode"], "on");
    }
}
