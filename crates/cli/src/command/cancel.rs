//! `outwork cancel`: stops a task.

use clap::Args;

use crate::error::CliError;
use crate::render::task;
use crate::session::Session;
use crate::task_ref::TaskRef;
use crate::terminal::style::Style;

/// Stop a task
#[derive(Args, Clone, Debug)]
pub struct CancelArgs {
    /// The task: its id, the first digits of it, or its address
    #[arg(value_name = "TASK")]
    pub task: TaskRef,
    /// Print the task as JSON
    #[arg(long)]
    pub json: bool,
}

pub(crate) async fn run(args: CancelArgs, session: &mut Session) -> Result<(), CliError> {
    let CancelArgs { task, json } = args;
    let client = session.client()?;
    let id = task.resolve(&client).await?;
    let task = client.cancel_task(&id).await?;
    if json {
        return session.out.json(&task);
    }
    let line = match task.summary.outcome {
        Some(_) => task::status(&task.summary, Style::PLAIN),
        None => "asked to stop".to_owned(),
    };
    session.out.line(&line)
}
