//! `outwork follow-up`: the next turn of a task.

use std::time::Duration;

use clap::Args;
use outwork_api::task::{NewTurn, Task};

use super::prompt;
use crate::error::{CliError, Kind};
use crate::exit::ExitStatus;
use crate::session::Session;
use crate::task_ref::TaskRef;
use crate::terminal::plain::plain;
use crate::wait;

/// Ask more of a task, in the same session
#[derive(Args, Clone, Debug)]
pub struct FollowUpArgs {
    /// The task: its id, the first or last digits of it, or its address
    #[arg(value_name = "TASK")]
    pub task: TaskRef,
    /// Continue this attempt of the newest turn
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub attempt: Option<u32>,
    /// How many attempts to run at once
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
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
    /// What is to be done next; `-` for standard input
    pub prompt: Option<String>,
}

pub(crate) async fn run(args: FollowUpArgs, session: &mut Session) -> Result<ExitStatus, CliError> {
    let FollowUpArgs {
        task,
        attempt,
        attempts,
        wait,
        timeout,
        json,
        prompt,
    } = args;
    let client = session.client()?;
    let prompt = prompt::read(session, prompt.as_deref()).await?;
    let id = task.resolve(&client).await?;
    let turn = NewTurn {
        prompt,
        attempts,
        attempt,
    };
    let key = session.idempotency_key();
    let task = client.follow_up(&id, &turn, &key).await?;
    tell_submitted(session, &task, wait, json)?;
    match wait {
        true => wait::wait(session, &client, &task, timeout, json).await,
        false => Ok(ExitStatus::Ok),
    }
}

/// Id and address of what was submitted. With `--wait --json` the task is printed once, at its end.
pub(crate) fn tell_submitted(
    session: &mut Session,
    task: &Task,
    waits: bool,
    is_json: bool,
) -> Result<(), CliError> {
    let (id, url) = (plain(&task.summary.id), plain(&task.summary.url));
    let told = match (is_json, waits) {
        (true, true) => {
            session.out.note(&format!("{id}\n{url}"));
            Ok(())
        }
        (true, false) => session.out.json(task),
        (false, _) => session.out.line(&format!("{id}\n{url}")),
    };
    match told {
        // The task is submitted, whether or not somebody reads that.
        Err(error) if error.kind == Kind::BrokenPipe => Ok(()),
        told => told,
    }
}
