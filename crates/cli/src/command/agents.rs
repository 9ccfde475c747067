//! The agents of single attempts, as they are named on the command line.

use std::str::FromStr;

use clap::Args;
use outwork_api::environment::AgentChoice;

use crate::error::CliError;

/// Which agent runs which attempt.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentsArgs {
    /// The agent of one attempt, in place of the environment's: codex, codex:MODEL, or command with
    /// --agent-command; given several times, as many attempts run
    #[arg(long = "agent", value_name = "AGENT[:MODEL]")]
    pub agents: Vec<Named>,
    /// The program of an attempt with the agent command, run by bash; may be given several times
    #[arg(long = "agent-command", value_name = "COMMAND")]
    pub agent_commands: Vec<String>,
}

/// An agent as it is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// The Codex CLI, with the workspace's model or this one.
    Codex(Option<String>),
    /// The next of the commands that were given.
    Command,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, model) = match text.split_once(':') {
            Some((name, model)) => (name, Some(model)),
            None => (text, None),
        };
        match (name, model) {
            ("codex", Some("")) => Err("no model is named after the colon".to_owned()),
            ("codex", model) => Ok(Self::Codex(model.map(str::to_owned))),
            ("command", None) => Ok(Self::Command),
            ("command", Some(_)) => Err(
                "the agent command has no model; give its program with --agent-command".to_owned(),
            ),
            _ => Err("the agents are codex and command".to_owned()),
        }
    }
}

impl AgentsArgs {
    /// One agent for each attempt; none when nothing was named. Each `command` takes the next program, and programs that are left over
    /// are attempts of their own.
    pub(crate) fn choices(self) -> Result<Vec<AgentChoice>, CliError> {
        let Self {
            agents,
            agent_commands,
        } = self;
        let mut commands = agent_commands.into_iter();
        let command = |command| AgentChoice::Command { command };
        let mut choices = Vec::with_capacity(agents.len());
        for named in agents {
            choices.push(match named {
                Named::Codex(model) => AgentChoice::Codex { model },
                Named::Command => command(commands.next().ok_or_else(without_command)?),
            });
        }
        choices.extend(commands.map(command));
        Ok(choices)
    }
}

fn without_command() -> CliError {
    CliError::usage("each --agent command needs an --agent-command of its own").hint(
        "say what to run: --agent-command 'my-agent --flag'; the prompt is its standard input",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(agents: &[&str], commands: &[&str]) -> Option<Vec<AgentChoice>> {
        let args = AgentsArgs {
            agents: agents
                .iter()
                .map(|it| it.parse().expect("an agent"))
                .collect(),
            agent_commands: commands.iter().map(|&it| it.to_owned()).collect(),
        };
        args.choices().ok()
    }

    #[test]
    fn each_command_has_its_program_and_those_left_over_are_attempts() {
        let codex = |model: Option<&str>| AgentChoice::Codex {
            model: model.map(str::to_owned),
        };
        let command = |command: &str| AgentChoice::Command {
            command: command.to_owned(),
        };
        assert_eq!(choices(&[], &[]), Some(vec![]));
        assert_eq!(
            choices(&["command", "codex:gpt-5:high", "codex"], &["a", "b"]),
            Some(vec![
                command("a"),
                codex(Some("gpt-5:high")),
                codex(None),
                command("b")
            ])
        );
        assert_eq!(choices(&["command", "command"], &["a"]), None);
        for wrong in ["codex:", "command:x", "claude", ""] {
            assert!(wrong.parse::<Named>().is_err(), "{wrong}");
        }
    }
}
