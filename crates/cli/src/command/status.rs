//! `outwork status`: one task.

use clap::Args;

use crate::error::CliError;
use crate::render::task;
use crate::session::Session;
use crate::task_ref::TaskRef;

/// Show a task
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// The task: its id, the first or last digits of it, or its address
    #[arg(value_name = "TASK")]
    pub task: TaskRef,
    /// Print the task as JSON
    #[arg(long)]
    pub json: bool,
}

pub(crate) async fn run(args: StatusArgs, session: &mut Session) -> Result<(), CliError> {
    let StatusArgs { task, json } = args;
    let client = session.client()?;
    let id = task.resolve(&client).await?;
    let task = client.task(&id).await?;
    if json {
        return session.out.json(&task);
    }
    for line in task::task(&task, session.out.stdout_style, (session.now)()) {
        session.out.line(&line)?;
    }
    Ok(())
}
