//! `outwork follow-up`: the next turn of a task.

use clap::Args;
use outwork_api::comment::SendComments;
use outwork_api::task::NewTurn;

use super::output_schema::OutputSchemaArgs;
use super::prompt;
use super::submitted::SubmittedArgs;
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::session::Session;
use crate::task_ref::TaskRef;

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
    /// Hand the open comments on that attempt's diff to the agent (`outwork comment`)
    #[arg(long)]
    pub comments: bool,
    #[command(flatten)]
    pub output_schema: OutputSchemaArgs,
    #[command(flatten)]
    pub submitted: SubmittedArgs,
    /// What is to be done next; `-` for standard input; may be left out with --comments
    pub prompt: Option<String>,
}

pub(crate) async fn run(args: FollowUpArgs, session: &mut Session) -> Result<ExitStatus, CliError> {
    let FollowUpArgs {
        task,
        attempt,
        attempts,
        comments,
        output_schema,
        submitted,
        prompt,
    } = args;
    submitted.check(session).await?;
    let output_schema = output_schema.read(session)?;
    let client = session.client()?;
    let prompt = match (&prompt, comments) {
        (None, true) => String::new(),
        (prompt, _) => prompt::read(session, prompt.as_deref(), &[]).await?,
    };
    let id = task.resolve(&client).await?;
    let turn = NewTurn {
        prompt,
        comments: comments.then_some(SendComments::Open(true)),
        attempts,
        attempt,
        output_schema,
    };
    let key = session.idempotency_key();
    let task = client.follow_up(&id, &turn, &key).await?;
    submitted.go_on(session, &client, &task).await
}
