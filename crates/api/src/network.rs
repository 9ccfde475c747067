//! What an agent may reach and use, on the wire, and the way from and to the domain's types.

use std::collections::BTreeSet;

use outwork_domain::limits::DEFAULT_PORTS;
use outwork_domain::network as domain;
use outwork_domain::network::{DomainName, InvalidDomain};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The network of the agent. Setup and maintenance scripts are not meant: they reach every public
/// host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum AgentNetwork {
    /// None.
    Off {},
    /// Through the worker's proxy, as far as the rules let it.
    On {
        /// Hosts that many projects need.
        #[serde(default)]
        preset: NetworkPreset,
        /// Further hosts; an entry covers its subdomains. At most 500.
        #[serde(default)]
        #[schema(max_items = 500)]
        allow: Vec<String>,
        /// Ports that may be asked for, at most 20; 80 and 443 when left out.
        #[serde(default = "default_ports")]
        #[schema(min_items = 1, max_items = 20)]
        ports: Vec<u16>,
        /// Methods that may be used.
        #[serde(default)]
        methods: NetworkMethods,
        /// Whether git may push over HTTP, whatever the methods.
        #[serde(default)]
        git_push: bool,
        /// Whether connections may become WebSockets, whatever the methods.
        #[serde(default)]
        websocket: bool,
        /// What the proxy does with TLS. In a tunnel neither methods nor pushes nor WebSockets are
        /// seen, so `read_only` and injections are refused with it.
        #[serde(default)]
        tls: NetworkTls,
    },
}

/// Hosts that are allowed together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NetworkPreset {
    /// None.
    #[default]
    None,
    /// Package registries, source hosts and the like.
    Common,
    /// Every public host.
    All,
}

/// Methods that are let through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NetworkMethods {
    /// All.
    #[default]
    All,
    /// GET, HEAD, OPTIONS, and what `git fetch` posts.
    ReadOnly,
}

/// What the proxy does with TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NetworkTls {
    /// It ends TLS with a certificate of the attempt's own authority, and sees requests.
    #[default]
    Inspect,
    /// It passes bytes on unread, once the host that is asked for is checked.
    Tunnel,
}

fn default_ports() -> Vec<u16> {
    DEFAULT_PORTS.to_vec()
}

impl Default for AgentNetwork {
    fn default() -> Self {
        Self::Off {}
    }
}

impl From<domain::AgentNetwork> for AgentNetwork {
    fn from(network: domain::AgentNetwork) -> Self {
        let rules = match network {
            domain::AgentNetwork::Off => return Self::Off {},
            domain::AgentNetwork::On(rules) => rules,
        };
        let domain::NetworkRules {
            preset,
            allow,
            ports,
            methods,
            git_push,
            websocket,
            tls,
        } = rules;
        Self::On {
            preset: match preset {
                domain::Preset::None => NetworkPreset::None,
                domain::Preset::Common => NetworkPreset::Common,
                domain::Preset::All => NetworkPreset::All,
            },
            allow: allow.iter().map(DomainName::to_string).collect(),
            ports: ports.into_iter().collect(),
            methods: match methods {
                domain::Methods::All => NetworkMethods::All,
                domain::Methods::ReadOnly => NetworkMethods::ReadOnly,
            },
            git_push,
            websocket,
            tls: match tls {
                domain::Tls::Inspect => NetworkTls::Inspect,
                domain::Tls::Tunnel => NetworkTls::Tunnel,
            },
        }
    }
}

impl TryFrom<AgentNetwork> for domain::AgentNetwork {
    type Error = InvalidDomain;

    fn try_from(network: AgentNetwork) -> Result<Self, InvalidDomain> {
        let (preset, allow, ports, methods, git_push, websocket, tls) = match network {
            AgentNetwork::Off {} => return Ok(Self::Off),
            AgentNetwork::On {
                preset,
                allow,
                ports,
                methods,
                git_push,
                websocket,
                tls,
            } => (preset, allow, ports, methods, git_push, websocket, tls),
        };
        Ok(Self::On(domain::NetworkRules {
            preset: match preset {
                NetworkPreset::None => domain::Preset::None,
                NetworkPreset::Common => domain::Preset::Common,
                NetworkPreset::All => domain::Preset::All,
            },
            allow: allow
                .iter()
                .map(|name| DomainName::parse_covering(name))
                .collect::<Result<BTreeSet<_>, _>>()?,
            ports: ports.into_iter().collect(),
            methods: match methods {
                NetworkMethods::All => domain::Methods::All,
                NetworkMethods::ReadOnly => domain::Methods::ReadOnly,
            },
            git_push,
            websocket,
            tls: match tls {
                NetworkTls::Inspect => domain::Tls::Inspect,
                NetworkTls::Tunnel => domain::Tls::Tunnel,
            },
        }))
    }
}

/// What sandboxes may use of their machine; where a limit is left out, the worker's own holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Memory, in bytes, 64 MiB or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 67108864)]
    pub memory_bytes: Option<u64>,
    /// Processor time in thousandths of a processor, 100 or more: 1500 is one and a half.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 100)]
    pub cpu_millis: Option<u64>,
    /// Processes and threads at once, 16 or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 16)]
    pub processes: Option<u64>,
    /// What may be written to the disk, in bytes, 16 MiB or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 16777216)]
    pub disk_bytes: Option<u64>,
    /// Open files of one process, 64 or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 64)]
    pub open_files: Option<u64>,
}

impl From<outwork_domain::resources::Resources> for Resources {
    fn from(resources: outwork_domain::resources::Resources) -> Self {
        let outwork_domain::resources::Resources {
            memory_bytes,
            cpu_millis,
            processes,
            disk_bytes,
            open_files,
        } = resources;
        Self {
            memory_bytes,
            cpu_millis,
            processes,
            disk_bytes,
            open_files,
        }
    }
}

impl From<Resources> for outwork_domain::resources::Resources {
    fn from(resources: Resources) -> Self {
        let Resources {
            memory_bytes,
            cpu_millis,
            processes,
            disk_bytes,
            open_files,
        } = resources;
        Self {
            memory_bytes,
            cpu_millis,
            processes,
            disk_bytes,
            open_files,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<AgentNetwork, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_left_out_is_the_strict_default_of_the_domain() {
        let network = read(json!({"mode": "on"})).expect("rules");
        let rules = domain::NetworkRules::default();
        assert_eq!(AgentNetwork::from(domain::AgentNetwork::On(rules)), network);
        assert_eq!(
            serde_json::to_value(&network).expect("plain data"),
            json!({"mode": "on", "preset": "none", "allow": [], "ports": [80, 443],
                "methods": "all", "git_push": false, "websocket": false, "tls": "inspect"})
        );
        let off = serde_json::to_value(AgentNetwork::default()).expect("plain data");
        assert_eq!(off, json!({"mode": "off"}));
    }

    #[test]
    fn everything_goes_to_the_domain_and_back() {
        let network = read(
            json!({"mode": "on", "preset": "common", "allow": ["a.example", "b.example"],
            "ports": [8443], "methods": "read_only", "git_push": true, "websocket": true,
            "tls": "tunnel"}),
        )
        .expect("rules");
        let known = domain::AgentNetwork::try_from(network.clone()).expect("valid");
        assert_eq!(AgentNetwork::from(known), network);
        let twice = read(json!({"mode": "on", "allow": ["*.A.example", "a.example."]}));
        let known = domain::AgentNetwork::try_from(twice.expect("rules")).expect("valid");
        let AgentNetwork::On { allow, .. } = AgentNetwork::from(known) else {
            panic!("it is on");
        };
        assert_eq!(allow, ["a.example"]);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for value in [
            json!({"mode": "off", "allow": ["a.example"]}),
            json!({"mode": "on", "alow": []}),
            json!({"mode": "on", "preset": "some"}),
            json!({"mode": "on", "ports": [65536]}),
            json!({"mode": "maybe"}),
            json!({}),
        ] {
            assert!(read(value.clone()).is_err(), "{value}");
        }
    }
}
