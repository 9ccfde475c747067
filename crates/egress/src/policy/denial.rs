//! A no of the policy, with its story.

use serde::{Deserialize, Serialize};

use super::Rule;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    pub(crate) kind: DenialKind,
    pub(crate) rule: Rule,
    /// A sentence.
    pub(crate) reason: String,
    pub(crate) remedy: Remedy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DenialKind {
    NotListed,
    Port,
    OwnName,
    LiteralAddress,
    Method,
    GitPush,
    WebSocket,
    OtherUpgrade,
    PlainHttp,
    Ambiguous,
    UploadBytes,
}

/// What would have to be changed for it to pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    Allow(String),
    Port {
        port: u16,
        /// The environment's list is given whole.
        beside: Vec<u16>,
    },
    AllMethods,
    GitPush,
    WebSocket,
    /// Only who runs the worker can.
    Operator,
    None,
}

/// How those who may change the policy do it: the commands that hints begin with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remedies {
    /// For the environment's settings, such as `outwork env edit web`. `None`: they do not rule here, as in setup.
    pub environment: Option<String>,
    /// For the addresses and ports that the operator of the worker allows.
    pub operator: OperatorOptions,
}

/// The worker's options that widen its network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorOptions {
    pub address: String,
    pub port: String,
}

impl Default for Remedies {
    fn default() -> Self {
        Self {
            environment: None,
            operator: OperatorOptions {
                address: "--setup-allow-address".to_owned(),
                port: "--setup-allow-port".to_owned(),
            },
        }
    }
}

impl Remedies {
    /// What to type, or whom to ask.
    pub(crate) fn hint(&self, remedy: &Remedy) -> Option<String> {
        let environment = |option: String| {
            let command = self.environment.as_ref()?;
            Some(format!("{command} {option}"))
        };
        match remedy {
            Remedy::Allow(host) => environment(format!("--allow {host}")),
            Remedy::Port { port, beside } => {
                let all = beside.iter().chain([port]);
                let all: Vec<_> = all.map(|port| format!("--port {port}")).collect();
                environment(all.join(" ")).or_else(|| {
                    let option = &self.operator.port;
                    Some(format!("outwork worker {option} {port}"))
                })
            }
            Remedy::AllMethods => environment("--all-methods".to_owned()),
            Remedy::GitPush => environment("--allow-git-push".to_owned()),
            Remedy::WebSocket => environment("--allow-websocket".to_owned()),
            Remedy::Operator => {
                let option = &self.operator.address;
                Some(format!("outwork worker {option} ADDRESS"))
            }
            Remedy::None => None,
        }
    }
}
