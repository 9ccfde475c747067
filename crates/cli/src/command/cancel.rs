//! `outwork cancel`: stops a task.

use clap::Args;
use outwork_api::client::{Client, ClientError};
use outwork_api::problem::Code;

use crate::error::CliError;
use crate::render::task;
use crate::session::Session;
use crate::task_ref::TaskRef;
use crate::terminal::style::Style;

/// Stop a task
#[derive(Args, Clone, Debug)]
pub struct CancelArgs {
    /// The task: its id, the first or last digits of it, or its address
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
    let task = match client.cancel_task(&id).await {
        Ok(task) => task,
        Err(error) => return Err(refusal(&client, &id, error).await),
    };
    if json {
        return session.out.json(&task);
    }
    let line = match task.summary.outcome {
        Some(_) => task::status(&task.summary, Style::PLAIN),
        None => "asked to stop".to_owned(),
    };
    session.out.line(&line)
}

/// The server speaks of attempts; what was asked for is a task.
async fn refusal(client: &Client, id: &str, error: ClientError) -> CliError {
    let is_conflict = error.problem().is_some_and(|it| it.is(Code::Conflict));
    let task = match is_conflict {
        true => client.task(id).await.ok(),
        false => None,
    };
    match task {
        Some(task) if task.summary.outcome.is_some() => CliError::failed(format!(
            "the task has ended: {}",
            task::status(&task.summary, Style::PLAIN)
        ))
        .code("conflict")
        .hint(format!("see how with `outwork status {id}`")),
        Some(_) | None => error.into(),
    }
}
