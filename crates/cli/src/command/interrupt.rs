//! `outwork interrupt`: ends an agent's turn.

use clap::Args;
use outwork_api::task::Interruption;

use crate::error::CliError;
use crate::session::Session;
use crate::task_ref::TaskRef;
use crate::terminal::plain::plain;

/// End an agent's turn, to say how it goes on
///
/// What it has done is kept. The task then needs input: `outwork answer` lets the agent go on with
/// what you say, `outwork cancel` ends it.
#[derive(Args, Clone, Debug)]
pub struct InterruptArgs {
    /// The task: its id, the first or last digits of it, or its address
    #[arg(value_name = "TASK")]
    pub task: TaskRef,
    /// Interrupt this attempt of the newest turn; needed if several run
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub attempt: Option<u32>,
    /// Print the task as JSON
    #[arg(long)]
    pub json: bool,
}

pub(crate) async fn run(args: InterruptArgs, session: &mut Session) -> Result<(), CliError> {
    let InterruptArgs {
        task,
        attempt,
        json,
    } = args;
    let client = session.client()?;
    let id = task.resolve(&client).await?;
    let task = client.interrupt(&id, Interruption { attempt }).await?;
    if json {
        return session.out.json(&task);
    }
    session.out.line("asked to stop its turn")?;
    let id = plain(&task.summary.id);
    session
        .out
        .note(&format!("go on:  outwork answer {id} \"…\""));
    Ok(())
}
