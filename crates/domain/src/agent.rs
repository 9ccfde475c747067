//! Which agent runs: an environment's, or an attempt's own.

/// Which agent, without what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AgentName {
    /// The Codex CLI.
    Codex,
    /// Any program.
    Command,
    /// Nothing runs: the attempt is to be what it begins with.
    None,
}

impl AgentName {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Codex, Self::Command, Self::None];

    /// The name in the API, in the database and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Codex => "codex",
            Self::Command => "command",
            Self::None => "none",
        }
    }

    /// The agent of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

/// Which agent runs the tasks of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentSpec {
    /// The Codex CLI, driven through `codex app-server`.
    Codex,
    /// Any program: run by `/bin/bash -c`, the prompt on standard input.
    Command(String),
    /// Nothing runs: of compositions, and of no environment.
    None,
}

impl AgentSpec {
    /// Which it is.
    pub const fn kind(&self) -> AgentName {
        match self {
            Self::Codex => AgentName::Codex,
            Self::Command(_) => AgentName::Command,
            Self::None => AgentName::None,
        }
    }

    /// The agent's name in the API and on the command line.
    pub const fn name(&self) -> &'static str {
        self.kind().as_str()
    }

    /// The program, where it is any.
    pub fn command(&self) -> Option<&str> {
        match self {
            Self::Codex | Self::None => None,
            Self::Command(command) => Some(command),
        }
    }

    /// The agent of that name with that program.
    pub fn from_parts(name: &str, command: Option<String>) -> Option<Self> {
        match (AgentName::parse(name)?, command) {
            (AgentName::Codex, None) => Some(Self::Codex),
            (AgentName::Command, Some(command)) => Some(Self::Command(command)),
            (AgentName::None, None) => Some(Self::None),
            (AgentName::Codex | AgentName::None, Some(_)) | (AgentName::Command, None) => None,
        }
    }

    /// Whether it talks to the configured model through the worker's gateway.
    pub const fn needs_model(&self) -> bool {
        match self {
            Self::Codex => true,
            Self::Command(_) | Self::None => false,
        }
    }

    /// What is wrong with its program, if anything is.
    pub fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Command(command) if command.trim().is_empty() => {
                Some("is empty; give the program to run")
            }
            Self::Command(command) if command.contains('\0') => Some("contains a NUL byte"),
            Self::Command(_) | Self::Codex | Self::None => None,
        }
    }
}

/// The agent of one attempt, in place of its environment's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentChoice {
    /// The agent.
    pub agent: AgentSpec,
    /// The model's name, in place of the workspace's.
    pub model: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_what_its_parts_say_or_nothing() {
        let command = AgentSpec::Command("cat".into());
        for agent in [AgentSpec::Codex, command, AgentSpec::None] {
            let command = agent.command().map(str::to_owned);
            assert_eq!(AgentSpec::from_parts(agent.name(), command), Some(agent));
        }
        assert_eq!(AgentSpec::from_parts("codex", Some("cat".into())), None);
        assert_eq!(AgentSpec::from_parts("command", None), None);
        assert_eq!(AgentSpec::from_parts("another", None), None);
    }
}
