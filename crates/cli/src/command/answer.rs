//! `outwork answer`: answers an agent's question.

use clap::Args;
use outwork_api::task::NewMessage;

use super::prompt;
use super::submitted::SubmittedArgs;
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::session::Session;
use crate::task_ref::TaskRef;

/// Answer an agent's question
#[derive(Args, Clone, Debug)]
pub struct AnswerArgs {
    /// The task: its id, the first or last digits of it, or its address
    #[arg(value_name = "TASK")]
    pub task: TaskRef,
    /// Answer this attempt of the newest turn; needed if several ask
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub attempt: Option<u32>,
    #[command(flatten)]
    pub submitted: SubmittedArgs,
    /// The answer; `-` for standard input
    #[arg(value_name = "TEXT")]
    pub text: Option<String>,
}

pub(crate) async fn run(args: AnswerArgs, session: &mut Session) -> Result<ExitStatus, CliError> {
    let AnswerArgs {
        task,
        attempt,
        submitted,
        text,
    } = args;
    submitted.check(session).await?;
    let client = session.client()?;
    let text = prompt::read(session, text.as_deref(), &[]).await?;
    let id = task.resolve(&client).await?;
    let message = NewMessage { text, attempt };
    let key = session.idempotency_key();
    let task = client.answer(&id, &message, &key).await?;
    submitted.go_on(session, &client, &task).await
}
