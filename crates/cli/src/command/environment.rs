//! `outwork env`: how the tasks of a repository run.

pub(crate) mod values;

pub(crate) mod create;
pub(crate) mod edit;
pub(crate) mod init;
pub(crate) mod sync;

pub(crate) mod cache;
pub(crate) mod secret;

mod inject;
pub(crate) mod network;
pub(crate) mod resources;
pub(crate) mod risk;

use clap::{Args, Subcommand};
use outwork_api::environment::Environment;
use serde::Serialize;

use crate::environment_ref;
use crate::error::CliError;
use crate::render::network::word as network_word;
use crate::render::{environment, table};
use crate::session::Session;
use crate::terminal::plain::plain;

/// Make and change environments: how the tasks of a repository run
#[derive(Subcommand, Clone, Debug)]
pub enum EnvironmentCommand {
    Init(Box<init::InitArgs>),
    /// Make an environment
    Create(Box<create::CreateArgs>),
    /// List the environments
    List(ListArgs),
    /// Show an environment
    Show(ShowArgs),
    /// Change an environment; what is left out stays as it is
    Edit(Box<edit::EditArgs>),
    /// Remove an environment
    Rm(RmArgs),
    Sync(sync::SyncArgs),
    /// Set, list and remove its secrets
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    /// List and reset the snapshots that tasks start from
    #[command(subcommand)]
    Cache(cache::CacheCommand),
}

impl EnvironmentCommand {
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::Init(args) => args.json,
            Self::Sync(args) => args.json,
            Self::Create(args) => args.json,
            Self::List(args) => args.json,
            Self::Show(args) => args.json,
            Self::Edit(args) => args.json,
            Self::Secret(secret::SecretCommand::List(args)) => args.json,
            Self::Cache(command) => command.is_json(),
            Self::Rm(_)
            | Self::Secret(secret::SecretCommand::Set(_) | secret::SecretCommand::Rm(_)) => false,
        }
    }
}

impl EnvironmentCommand {
    /// Whether its result may be longer than the screen.
    pub(crate) fn is_paged(&self) -> bool {
        matches!(self, Self::List(_) | Self::Show(_))
    }
}

/// List the environments
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Print `{"environments":[…]}`
    #[arg(long)]
    pub json: bool,
}

/// Show an environment
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// Its label or id
    #[arg(value_name = "ENVIRONMENT")]
    pub environment: String,
    /// Print the environment as JSON
    #[arg(long)]
    pub json: bool,
}

/// Remove an environment
#[derive(Args, Clone, Debug)]
pub struct RmArgs {
    /// Its label or id
    #[arg(value_name = "ENVIRONMENT")]
    pub environment: String,
}

/// What `env list --json` prints.
#[derive(Serialize)]
struct Listed<'a> {
    environments: &'a [Environment],
}

pub(crate) async fn run(
    command: EnvironmentCommand,
    session: &mut Session,
) -> Result<(), CliError> {
    match command {
        EnvironmentCommand::Init(args) => init::run(*args, session).await,
        EnvironmentCommand::Sync(args) => sync::run(args, session).await,
        EnvironmentCommand::Create(args) => create::run(*args, session).await,
        EnvironmentCommand::List(args) => list(args, session).await,
        EnvironmentCommand::Show(args) => show(args, session).await,
        EnvironmentCommand::Edit(args) => edit::run(*args, session).await,
        EnvironmentCommand::Rm(args) => remove(args, session).await,
        EnvironmentCommand::Secret(command) => secret::run(command, session).await,
        EnvironmentCommand::Cache(command) => cache::run(command, session).await,
    }
}

async fn list(args: ListArgs, session: &mut Session) -> Result<(), CliError> {
    let all = session.client()?.all_environments().await?;
    if args.json {
        return session.out.json(&Listed { environments: &all });
    }
    if all.is_empty() {
        session
            .out
            .note("no environments; make one with `outwork env init` in a clone");
        return Ok(());
    }
    // The label names it as well, and a line of a terminal is short.
    let shows_id = !session.out.stdout_is_terminal;
    let row = |one: &Environment| {
        let branch = one.branch.clone().unwrap_or_default();
        let (label, agent) = (one.label.clone(), environment::agent(&one.agent));
        let network = network_word(&one.network);
        match shows_id {
            true => vec![
                one.id.clone(),
                label,
                agent,
                one.repository_url.clone(),
                branch,
                network,
            ],
            false => vec![label, agent, branch, network, one.repository_url.clone()],
        }
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    let headers = ["LABEL", "AGENT", "BRANCH", "NETWORK", "REPOSITORY"];
    table::print(&mut session.out, &headers, rows)
}

async fn show(args: ShowArgs, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    let environment = environment_ref::find(&client, &args.environment).await?;
    if args.json {
        return session.out.json(&environment);
    }
    let now = (session.now)();
    for line in environment::environment(&environment, session.out.stdout_style, now) {
        session.out.line(&line)?;
    }
    Ok(())
}

async fn remove(args: RmArgs, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    let environment = environment_ref::find(&client, &args.environment).await?;
    client.delete_environment(&environment.id).await?;
    session
        .out
        .note(&format!("removed {}", plain(&environment.label)));
    Ok(())
}
