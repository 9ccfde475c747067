//! `outwork steer`: tells a running agent something.

use clap::Args;
use outwork_api::task::NewMessage;

use super::prompt;
use crate::error::CliError;
use crate::session::Session;
use crate::task_ref::TaskRef;

/// Tell a running agent something
#[derive(Args, Clone, Debug)]
pub struct SteerArgs {
    /// The task: its id, the first or last digits of it, or its address
    #[arg(value_name = "TASK")]
    pub task: TaskRef,
    /// Tell this attempt of the newest turn; needed if several run
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub attempt: Option<u32>,
    /// Print the task as JSON
    #[arg(long)]
    pub json: bool,
    /// What the agent is to know; `-` for standard input
    #[arg(value_name = "TEXT")]
    pub text: Option<String>,
}

pub(crate) async fn run(args: SteerArgs, session: &mut Session) -> Result<(), CliError> {
    let SteerArgs {
        task,
        attempt,
        json,
        text,
    } = args;
    let client = session.client()?;
    let text = prompt::read(session, text.as_deref(), &[]).await?;
    let id = task.resolve(&client).await?;
    let message = NewMessage { text, attempt };
    let key = session.idempotency_key();
    let task = client.steer(&id, &message, &key).await?;
    match json {
        true => session.out.json(&task),
        false => session.out.line("told; the log says when the agent has it"),
    }
}
