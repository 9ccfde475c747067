//! `outwork retry`: the newest turn of a task once more.

use clap::Args;
use outwork_api::task::NewRetry;

use super::submitted::SubmittedArgs;
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::session::Session;
use crate::task_ref::TaskRef;

/// Run a task's newest turn once more
///
/// With the same prompt, as a new turn. It goes on from what was done, also by an attempt that
/// failed, was stopped, or lost its worker.
#[derive(Args, Clone, Debug)]
pub struct RetryArgs {
    /// The task: its id, the first or last digits of it, or its address
    #[arg(value_name = "TASK")]
    pub task: TaskRef,
    /// Go on from this attempt of the newest turn
    #[arg(long, value_name = "N", value_parser = crate::args::from_one, conflicts_with = "from_start")]
    pub attempt: Option<u32>,
    /// Leave what was done, and begin where the turn began
    #[arg(long)]
    pub from_start: bool,
    /// How many attempts to run at once
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub attempts: Option<u32>,
    #[command(flatten)]
    pub submitted: SubmittedArgs,
}

pub(crate) async fn run(args: RetryArgs, session: &mut Session) -> Result<ExitStatus, CliError> {
    let RetryArgs {
        task,
        attempt,
        from_start,
        attempts,
        submitted,
    } = args;
    submitted.check(session).await?;
    let client = session.client()?;
    let id = task.resolve(&client).await?;
    let retry = NewRetry {
        attempt,
        from_start,
        attempts,
    };
    let key = session.idempotency_key();
    let task = client.retry(&id, retry, &key).await?;
    submitted.go_on(session, &client, &task).await
}
