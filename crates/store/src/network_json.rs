//! What an environment's agents may reach and use as the JSON texts of two columns.

use std::collections::BTreeSet;

use outwork_domain::network::{AgentNetwork, DomainName, Methods, NetworkRules, Preset, Tls};
use outwork_domain::resources::Resources;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;

#[derive(Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
enum Network {
    Off,
    On {
        preset: String,
        allow: Vec<String>,
        ports: BTreeSet<u16>,
        methods: String,
        git_push: bool,
        websocket: bool,
        tls: String,
    },
}

pub(crate) fn network_to_json(network: &AgentNetwork) -> String {
    let row = match network {
        AgentNetwork::Off => Network::Off,
        AgentNetwork::On(NetworkRules {
            preset,
            allow,
            ports,
            methods,
            git_push,
            websocket,
            tls,
        }) => Network::On {
            preset: preset.as_str().to_owned(),
            allow: allow.iter().map(DomainName::to_string).collect(),
            ports: ports.clone(),
            methods: methods.as_str().to_owned(),
            git_push: *git_push,
            websocket: *websocket,
            tls: tls.as_str().to_owned(),
        },
    };
    serde_json::to_string(&row).expect("texts and numbers are JSON")
}

/// What cannot be read is an error, not less than what was written: rules that lost a part could
/// let more through.
pub(crate) fn network_from_json(text: &str) -> Result<AgentNetwork, StoreError> {
    let corrupt = || StoreError::corrupt("network");
    match serde_json::from_str(text).map_err(|_| corrupt())? {
        Network::Off => Ok(AgentNetwork::Off),
        Network::On {
            preset,
            allow,
            ports,
            methods,
            git_push,
            websocket,
            tls,
        } => Ok(AgentNetwork::On(NetworkRules {
            preset: Preset::parse(&preset).ok_or_else(corrupt)?,
            allow: allow
                .iter()
                .map(|name| DomainName::parse(name).map_err(|_| corrupt()))
                .collect::<Result<_, _>>()?,
            ports,
            methods: Methods::parse(&methods).ok_or_else(corrupt)?,
            git_push,
            websocket,
            tls: Tls::parse(&tls).ok_or_else(corrupt)?,
        })),
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_millis: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    processes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disk_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_files: Option<u64>,
}

pub(crate) fn resources_to_json(resources: &Resources) -> String {
    let Resources {
        memory_bytes,
        cpu_millis,
        processes,
        disk_bytes,
        open_files,
    } = *resources;
    let limits = Limits {
        memory_bytes,
        cpu_millis,
        processes,
        disk_bytes,
        open_files,
    };
    serde_json::to_string(&limits).expect("numbers are JSON")
}

pub(crate) fn resources_from_json(text: &str) -> Result<Resources, StoreError> {
    let Limits {
        memory_bytes,
        cpu_millis,
        processes,
        disk_bytes,
        open_files,
    } = serde_json::from_str(text).map_err(|_| StoreError::corrupt("resources"))?;
    Ok(Resources {
        memory_bytes,
        cpu_millis,
        processes,
        disk_bytes,
        open_files,
    })
}
