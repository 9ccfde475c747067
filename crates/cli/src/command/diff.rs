//! `outwork diff`: a task's diff, as `git apply` takes it.

use clap::Args;

use crate::error::CliError;
use crate::render::diff;
use crate::session::Session;
use crate::task_ref::TaskRef;

/// Print a task's diff
#[derive(Args, Clone, Debug)]
pub struct DiffArgs {
    /// The task: its id, the first or last digits of it, or its address
    #[arg(value_name = "TASK")]
    pub task: TaskRef,
    /// That of this attempt
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub attempt: Option<u32>,
    /// That of this turn instead of the newest
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub turn: Option<u32>,
}

pub(crate) async fn run(args: DiffArgs, session: &mut Session) -> Result<(), CliError> {
    let DiffArgs {
        task,
        attempt,
        turn,
    } = args;
    let client = session.client()?;
    let id = task.resolve(&client).await?;
    let bytes = client.task_diff(&id, turn, attempt).await?;
    if bytes.is_empty() {
        session.out.note("the diff is empty");
    }
    if session.out.stdout_is_terminal {
        let text = diff::for_terminal(&bytes, session.out.stdout_style);
        return session.out.bytes(text.as_bytes());
    }
    session.out.bytes(&bytes)
}
