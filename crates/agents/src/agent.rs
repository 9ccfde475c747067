//! Which agents exist, and how to get an adapter for one.

use std::str::FromStr;

use crate::adapter::Adapter;
use crate::codex::Codex;
use crate::command::Command;
use crate::launch::{Launch, LaunchContext};
use crate::path::AbsolutePath;

/// The name of an agent, as environments store it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AgentKind {
    Codex,
    Command,
}

impl AgentKind {
    pub const ALL: [Self; 2] = [Self::Codex, Self::Command];

    pub fn name(self) -> &'static str {
        match self {
            Self::Codex => "codex",
            Self::Command => "command",
        }
    }

    pub fn parse(name: &str) -> Result<Self, UnknownAgent> {
        match name {
            "codex" => Ok(Self::Codex),
            "command" => Ok(Self::Command),
            "claude" | "acp" => Err(UnknownAgent::NotYet {
                name: name.to_owned(),
            }),
            other => Err(UnknownAgent::Unknown {
                name: other.to_owned(),
            }),
        }
    }
}

impl FromStr for AgentKind {
    type Err = UnknownAgent;

    fn from_str(name: &str) -> Result<Self, UnknownAgent> {
        Self::parse(name)
    }
}

impl std::fmt::Display for AgentKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownAgent {
    #[error("the agent `{name}` is not supported yet by this version; use `codex` or `command`")]
    NotYet { name: String },
    #[error("there is no agent `{name}`; use `codex` or `command`")]
    Unknown { name: String },
}

/// An agent with what it needs on the worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Agent {
    Codex {
        /// Inside the sandbox: the package's `vendor/<target>` directory, which holds `bin/codex` and the programs it
        /// looks for beside itself.
        binary_root: AbsolutePath,
    },
    Command {
        /// Run by `/bin/bash -c`.
        command_line: String,
    },
}

impl Agent {
    pub fn kind(&self) -> AgentKind {
        match self {
            Self::Codex { .. } => AgentKind::Codex,
            Self::Command { .. } => AgentKind::Command,
        }
    }

    /// Everything to run one turn. Launch and adapter come together, so that a process is never driven with another
    /// turn's prompt or session.
    pub fn prepare(&self, context: LaunchContext) -> Result<Prepared, PrepareError> {
        match self {
            Self::Codex { binary_root } => Codex::prepare(binary_root, context),
            Self::Command { command_line } => Command::prepare(command_line, context),
        }
    }
}

pub struct Prepared {
    pub launch: Launch,
    pub adapter: Box<dyn Adapter>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    #[error("the agent `{agent}` needs a model; configure one with `outwork model set`")]
    ModelMissing { agent: AgentKind },
    #[error(
        "the environment uses the agent `command` but names no command; set one with `--agent-command`"
    )]
    CommandMissing,
    #[error("the prompt is empty")]
    PromptEmpty,
    #[error("the stored session is not one of the agent `{agent}`: {reason}")]
    SessionUnusable { agent: AgentKind, reason: String },
}
