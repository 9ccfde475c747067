//! `outwork env create`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use outwork_api::environment::{Agent, NewEnvironment};

use crate::error::CliError;
use crate::session::Session;
use crate::terminal::plain::plain;

/// The agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AgentName {
    /// The Codex CLI
    Codex,
    /// Any program; the prompt is its standard input
    Command,
}

/// Make an environment
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork env create demo --repo https://github.com/ada/engine --setup setup.sh
  outwork env create notes --repo /srv/notes.git --agent-command 'cat >> notes.md'")]
pub struct CreateArgs {
    /// What people will call it
    pub label: String,
    /// The repository: a URL that git clones, or a path
    #[arg(long, value_name = "URL")]
    pub repo: String,
    /// Where tasks start from; the repository's default branch when left out
    #[arg(long)]
    pub branch: Option<String>,
    /// Which agent: codex, or command for any program whose standard input is the prompt [default:
    /// codex, or command when --agent-command is given]
    #[arg(long, hide_possible_values = true)]
    pub agent: Option<AgentName>,
    /// The program, run by bash
    #[arg(long, value_name = "COMMAND")]
    pub agent_command: Option<String>,
    /// A Bash script to run before the agent; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub setup: Option<PathBuf>,
    /// A variable for setup and agent; may be given several times
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = parse_variable)]
    pub variables: Vec<(String, String)>,
    /// How long the agent may run, such as 30m [default: 1h]
    #[arg(long, value_name = "DURATION", value_parser = crate::duration::parse)]
    pub timeout: Option<Duration>,
    /// Print the environment as JSON
    #[arg(long)]
    pub json: bool,
}

pub(crate) async fn run(args: CreateArgs, session: &mut Session) -> Result<(), CliError> {
    let CreateArgs {
        label,
        repo,
        branch,
        agent,
        agent_command,
        setup,
        variables,
        timeout,
        json,
    } = args;
    let agent = choose_agent(agent, agent_command)?.unwrap_or(Agent::Codex {});
    let client = session.client()?;
    let setup_script = match setup {
        Some(path) => Some(read_script(session, &path).await?),
        None => None,
    };
    let environment = NewEnvironment {
        label,
        repository_url: repository(session, repo),
        branch,
        agent,
        setup_script,
        variables: BTreeMap::from_iter(variables),
        timeout_seconds: timeout.map(|timeout| timeout.as_secs()),
    };
    let key = session.idempotency_key();
    let environment = client.create_environment(&environment, &key).await?;
    match json {
        true => session.out.json(&environment),
        false => session.out.line(&plain(&environment.id)),
    }
}

/// The agent that the flags name, if they name one.
pub(super) fn choose_agent(
    name: Option<AgentName>,
    command: Option<String>,
) -> Result<Option<Agent>, CliError> {
    match (name, command) {
        (None | Some(AgentName::Command), Some(command)) => Ok(Some(Agent::Command { command })),
        (Some(AgentName::Codex), None) => Ok(Some(Agent::Codex {})),
        (None, None) => Ok(None),
        (Some(AgentName::Command), None) => Err(CliError::usage(
            "--agent command needs --agent-command",
        )
        .hint(
            "say what to run: --agent-command 'my-agent --flag'; the prompt is its standard input",
        )),
        (Some(AgentName::Codex), Some(_)) => Err(CliError::usage(
            "--agent-command goes with --agent command only",
        )
        .hint("leave one of them out")),
    }
}

/// A folder given by a relative path is meant from here, as git takes it.
pub(super) fn repository(session: &Session, text: String) -> String {
    // With a colon before any slash it is `host:path`.
    let is_path = text
        .split('/')
        .next()
        .is_some_and(|start| !start.contains(':'));
    let absolute = (is_path && !text.is_empty() && !text.starts_with('/'))
        .then(|| session.current_dir.join(&text).canonicalize().ok())
        .flatten();
    absolute.map_or(text, |path| path.display().to_string())
}

pub(super) async fn read_script(session: &mut Session, path: &Path) -> Result<String, CliError> {
    let bytes = if path.as_os_str() == "-" {
        session.read_stdin().await?
    } else {
        let path = session.current_dir.join(path);
        std::fs::read(&path).map_err(|error| {
            CliError::usage(format!("the script {} cannot be read", path.display()))
                .source(error)
                .hint("name a Bash script on this machine, or `-` for standard input")
        })?
    };
    String::from_utf8(bytes)
        .map_err(|_| CliError::usage("the script is not UTF-8").hint("convert it with `iconv`"))
}

pub(super) fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("write it as NAME=VALUE".to_owned()),
    }
}
