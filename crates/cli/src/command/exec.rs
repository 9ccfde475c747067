//! `outwork exec`: submits a task.

use std::time::Duration;

use clap::Args;
use outwork_api::task::NewTask;

use super::prompt;
use crate::environment_ref;
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::session::Session;
use crate::terminal::plain::plain;
use crate::wait;

/// Submit a task
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork exec --env demo \"fix the failing test\"
  outwork exec --wait --attempts 3 \"make the parser faster\"
  git log -5 | outwork exec --env demo --json -

`outwork help exit-codes` explains the exit codes.")]
pub struct ExecArgs {
    /// The environment's label or id; the one for this folder's repository when left out
    #[arg(short, long)]
    pub env: Option<String>,
    /// Start from this branch
    #[arg(long)]
    pub branch: Option<String>,
    /// Start from this commit
    #[arg(long, value_name = "SHA")]
    pub commit: Option<String>,
    /// How many attempts to run at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub attempts: Option<u32>,
    /// Wait for the end; the live log goes to standard error
    #[arg(short, long)]
    pub wait: bool,
    /// How long to wait, such as 10m; the task goes on afterwards
    #[arg(long, value_name = "DURATION", requires = "wait", value_parser = crate::duration::parse)]
    pub timeout: Option<Duration>,
    /// Print the task as JSON; with --wait at its end, as the last line
    #[arg(long)]
    pub json: bool,
    /// What is to be done; `-` for standard input; an editor opens when left out on a terminal
    pub prompt: Option<String>,
}

pub(crate) async fn run(args: ExecArgs, session: &mut Session) -> Result<ExitStatus, CliError> {
    let ExecArgs {
        env,
        branch,
        commit,
        attempts,
        wait,
        timeout,
        json,
        prompt,
    } = args;
    let client = session.client()?;
    let environment = match env {
        Some(environment) => environment,
        None => {
            let guessed = environment_ref::guess(&client, session).await?;
            session
                .out
                .note(&format!("environment: {}", plain(&guessed.label)));
            guessed.id
        }
    };
    let prompt = prompt::read(session, prompt.as_deref()).await?;
    let starting_diff = session
        .variables
        .text("CODEX_STARTING_DIFF")
        .filter(|diff| !diff.is_empty());
    let task = NewTask {
        environment,
        prompt,
        branch,
        commit,
        attempts,
        starting_diff,
    };
    let key = session.idempotency_key();
    let task = client.submit(&task, &key).await?;
    super::follow_up::tell_submitted(session, &task, wait, json)?;
    match wait {
        true => wait::wait(session, &client, &task, timeout, json).await,
        false => Ok(ExitStatus::Ok),
    }
}
