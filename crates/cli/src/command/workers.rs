//! `outwork workers`: who runs the attempts, how workers are let in, put out of work, and locked out.

mod enrol;
mod list;
mod orders;
mod tokens;

use clap::{Args, Subcommand};
use outwork_api::client::Client;
use outwork_domain::WorkerId;

use crate::error::CliError;
use crate::session::Session;

/// List and operate the workers
#[derive(Args, Clone, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  outwork workers
  outwork workers enrol --uses 3 --expires 1h
  outwork workers drain builder-1 --deadline 30m
  outwork workers retire builder-1"
)]
pub struct WorkersArgs {
    #[command(subcommand)]
    pub command: Option<WorkersCommand>,
    /// Print `{"workers":[…]}`
    #[arg(long)]
    pub json: bool,
}

/// What is done with workers.
#[derive(Subcommand, Clone, Debug)]
pub enum WorkersCommand {
    Enrol(enrol::EnrolArgs),
    /// List enrolment tokens and the workers' own tokens
    Tokens(tokens::TokensArgs),
    Revoke(tokens::RevokeArgs),
    Drain(orders::DrainArgs),
    /// Let a worker take work again
    Undrain(orders::UndrainArgs),
    Retire(orders::RetireArgs),
    SetSlots(orders::SetSlotsArgs),
}

impl WorkersArgs {
    pub(crate) fn is_json(&self) -> bool {
        match &self.command {
            None => self.json,
            Some(WorkersCommand::Enrol(args)) => args.json,
            Some(WorkersCommand::Tokens(args)) => args.json,
            Some(
                WorkersCommand::Revoke(_)
                | WorkersCommand::Drain(_)
                | WorkersCommand::Undrain(_)
                | WorkersCommand::Retire(_)
                | WorkersCommand::SetSlots(_),
            ) => false,
        }
    }
}

pub(crate) async fn run(args: WorkersArgs, session: &mut Session) -> Result<(), CliError> {
    match args.command {
        None => list::run(args.json, session).await,
        Some(WorkersCommand::Enrol(args)) => enrol::run(args, session).await,
        Some(WorkersCommand::Tokens(args)) => tokens::list(args, session).await,
        Some(WorkersCommand::Revoke(args)) => tokens::revoke(args, session).await,
        Some(WorkersCommand::Drain(args)) => orders::drain(args, session).await,
        Some(WorkersCommand::Undrain(args)) => orders::undrain(args, session).await,
        Some(WorkersCommand::Retire(args)) => orders::retire(args, session).await,
        Some(WorkersCommand::SetSlots(args)) => orders::set_slots(args, session).await,
    }
}

/// The id of a worker that was named by its id, or by its name if only one has it.
async fn resolve(client: &Client, name: &str) -> Result<String, CliError> {
    if let Ok(id) = name.parse::<WorkerId>() {
        return Ok(id.to_string());
    }
    let workers = client.workers().await?.items;
    let found: Vec<_> = workers
        .into_iter()
        .filter(|worker| worker.name == name)
        .collect();
    match found.as_slice() {
        [one] => Ok(one.id.clone()),
        [] => Err(
            CliError::failed(format!("there is no worker with the name or id `{name}`"))
                .code("not_found")
                .hint("`outwork workers` shows the workers"),
        ),
        several => Err(CliError::failed(format!(
            "there are {} workers with the name `{name}`",
            several.len()
        ))
        .code("ambiguous")
        .details(
            several
                .iter()
                .map(|one| format!("{}  {}", one.id, one.state.as_str())),
        )
        .hint("name one by its id")),
    }
}
