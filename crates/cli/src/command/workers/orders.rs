//! `outwork workers drain`, `undrain`, `retire` and `set-slots`: what is wanted of a worker.

use std::time::Duration;

use clap::Args;
use outwork_api::enrolment::{Drain, SetSlots};

use crate::error::CliError;
use crate::session::Session;
use crate::terminal::plain::plain;

/// Give a worker nothing more
///
/// What it runs may go on until the deadline, or to its end if there is none. What still runs then is
/// saved and given to another worker; that counts as no failure. It holds also over the worker's
/// restarts, until `undrain`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork workers drain builder-1
  outwork workers drain builder-1 --deadline 30m")]
pub struct DrainArgs {
    /// Its id or name
    #[arg(value_name = "WORKER")]
    pub worker: String,
    /// How long what runs may go on, such as 30m; 0s: not at all
    #[arg(long, value_name = "DURATION", value_parser = deadline)]
    pub deadline: Option<Duration>,
}

/// Let a worker take work again
#[derive(Args, Clone, Debug)]
pub struct UndrainArgs {
    /// Its id or name
    #[arg(value_name = "WORKER")]
    pub worker: String,
}

/// Drain a worker, then end it for good
///
/// When it holds nothing any more it signs off and ends with success; its own token is revoked and it is
/// not shown any more.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork workers retire builder-1 --deadline 1h
  outwork workers retire builder-1 --force        # its machine is gone")]
pub struct RetireArgs {
    /// Its id or name
    #[arg(value_name = "WORKER")]
    pub worker: String,
    /// How long what runs may go on, such as 30m; 0s: not at all
    #[arg(long, value_name = "DURATION", value_parser = deadline)]
    pub deadline: Option<Duration>,
    /// Forget it at once, and give what it held to others without waiting for its leases: only for one
    /// that is gone
    #[arg(long, conflicts_with = "deadline")]
    pub force: bool,
}

/// Set how many attempts a worker runs at once
///
/// What runs goes on if that is fewer than now. It holds also over the worker's restarts.
#[derive(Args, Clone, Debug)]
#[command(
    group = clap::ArgGroup::new("number").required(true),
    after_help = "\
Examples:
  outwork workers set-slots builder-1 8
  outwork workers set-slots builder-1 --reset"
)]
pub struct SetSlotsArgs {
    /// Its id or name
    #[arg(value_name = "WORKER")]
    pub worker: String,
    /// How many
    #[arg(value_name = "N", group = "number", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub slots: Option<u32>,
    /// As many as the worker was started with
    #[arg(long, group = "number")]
    pub reset: bool,
}

fn deadline(text: &str) -> Result<Duration, String> {
    // The parser of durations takes no zero, which has a meaning here.
    match text {
        "0" | "0s" => Ok(Duration::ZERO),
        _ => crate::duration::parse(text),
    }
}

fn how(deadline: Option<Duration>) -> Drain {
    Drain {
        deadline_seconds: deadline.map(|deadline| deadline.as_secs()),
    }
}

pub(super) async fn drain(args: DrainArgs, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    let id = super::resolve(&client, &args.worker).await?;
    client.drain_worker(&id, how(args.deadline)).await?;
    let name = plain(&args.worker);
    session.out.note(&format!(
        "{name} takes nothing more; `outwork workers` shows when it is drained"
    ));
    Ok(())
}

pub(super) async fn undrain(args: UndrainArgs, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    let id = super::resolve(&client, &args.worker).await?;
    client.undrain_worker(&id).await?;
    let name = plain(&args.worker);
    session.out.note(&format!("{name} takes work again"));
    Ok(())
}

pub(super) async fn retire(args: RetireArgs, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    let id = super::resolve(&client, &args.worker).await?;
    let name = plain(&args.worker);
    if args.force {
        client.forget_worker(&id).await?;
        session.out.note(&format!("{name} is forgotten"));
        return Ok(());
    }
    client.retire_worker(&id, how(args.deadline)).await?;
    session.out.note(&format!(
        "{name} takes nothing more, and ends when it holds nothing"
    ));
    Ok(())
}

pub(super) async fn set_slots(args: SetSlotsArgs, session: &mut Session) -> Result<(), CliError> {
    let client = session.client()?;
    let id = super::resolve(&client, &args.worker).await?;
    let slots = SetSlots { slots: args.slots };
    client.set_worker_slots(&id, slots).await?;
    let name = plain(&args.worker);
    let note = match args.slots {
        Some(slots) => format!("{name} runs at most {slots} at once"),
        None => format!("{name} runs as many at once as it was started with"),
    };
    session.out.note(&note);
    Ok(())
}
