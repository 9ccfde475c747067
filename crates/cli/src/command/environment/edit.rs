//! `outwork env edit`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use outwork_api::environment::EnvironmentPatch;

use super::create::{AgentName, choose_agent, parse_variable, read_script, repository};
use crate::environment_ref;
use crate::error::CliError;
use crate::session::Session;
use crate::terminal::plain::plain;

/// Change an environment; what is left out stays as it is
#[derive(Args, Clone, Debug)]
pub struct EditArgs {
    /// Its label or id
    #[arg(value_name = "ENVIRONMENT")]
    pub environment: String,
    /// What people will call it
    #[arg(long)]
    pub label: Option<String>,
    /// The repository
    #[arg(long, value_name = "URL")]
    pub repo: Option<String>,
    /// Where tasks start from; '' for the repository's default branch
    #[arg(long)]
    pub branch: Option<String>,
    /// Which agent: codex, or command
    #[arg(long, hide_possible_values = true)]
    pub agent: Option<AgentName>,
    /// The program, run by bash
    #[arg(long, value_name = "COMMAND")]
    pub agent_command: Option<String>,
    /// A Bash script to run before the agent; `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "no_setup")]
    pub setup: Option<PathBuf>,
    /// No setup script any more
    #[arg(long)]
    pub no_setup: bool,
    /// Set a variable; may be given several times
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = parse_variable)]
    pub variables: Vec<(String, String)>,
    /// Unset a variable; may be given several times
    #[arg(long = "unset", value_name = "NAME")]
    pub unset: Vec<String>,
    /// How long the agent may run
    #[arg(long, value_name = "DURATION", value_parser = crate::duration::parse)]
    pub timeout: Option<Duration>,
    /// Print the environment as JSON
    #[arg(long)]
    pub json: bool,
}

pub(crate) async fn run(args: EditArgs, session: &mut Session) -> Result<(), CliError> {
    let EditArgs {
        environment,
        label,
        repo,
        branch,
        agent,
        agent_command,
        setup,
        no_setup,
        variables,
        unset,
        timeout,
        json,
    } = args;
    let agent = choose_agent(agent, agent_command)?;
    let client = session.client()?;
    let current = environment_ref::find(&client, &environment).await?;
    let setup_script = match setup {
        Some(path) => Some(read_script(session, &path).await?),
        None => no_setup.then(String::new),
    };
    let changed = (!variables.is_empty() || !unset.is_empty()).then(|| {
        let mut all = current.variables.clone();
        all.retain(|name, _| !unset.contains(name));
        all.extend(variables);
        all
    });
    let patch = EnvironmentPatch {
        label,
        repository_url: repo.map(|repo| repository(session, repo)),
        branch,
        agent,
        setup_script,
        variables: changed,
        timeout_seconds: timeout.map(|timeout| timeout.as_secs()),
    };
    if patch == EnvironmentPatch::default() {
        return Err(
            CliError::usage("nothing to change was given").hint("see `outwork env edit --help`")
        );
    }
    let edited = client
        .update_environment(&current.id, &patch, Some(current.revision))
        .await?;
    match json {
        true => session.out.json(&edited),
        false => session.out.line(&plain(&edited.id)),
    }
}
