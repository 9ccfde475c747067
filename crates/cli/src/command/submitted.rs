//! What follows a submission, of a task or of a further turn: its id and address, and the wait.

use std::time::Duration;

use clap::Args;
use outwork_api::client::Client;
use outwork_api::task::Task;

use crate::error::{CliError, Kind};
use crate::exit::ExitStatus;
use crate::session::Session;
use crate::terminal::plain::plain;
use crate::wait;

/// Whether to wait, and what to print.
#[derive(Args, Clone, Debug)]
pub struct SubmittedArgs {
    /// Wait for the end; the live log goes to standard error
    #[arg(short, long)]
    pub wait: bool,
    /// How long to wait, such as 10m; the task goes on afterwards
    #[arg(long, value_name = "DURATION", requires = "wait", value_parser = crate::duration::parse)]
    pub timeout: Option<Duration>,
    /// Print the task as JSON; with --wait at its end, as the last line
    #[arg(long)]
    pub json: bool,
}

impl SubmittedArgs {
    /// Tells what was submitted, and waits for its end if asked to.
    pub(super) async fn go_on(
        self,
        session: &mut Session,
        client: &Client,
        task: &Task,
    ) -> Result<ExitStatus, CliError> {
        match self.tell(session, task) {
            // The task is submitted, whether or not somebody reads that.
            Err(error) if error.kind != Kind::BrokenPipe => return Err(error),
            Err(_) | Ok(()) => {}
        }
        match self.wait {
            true => wait::wait(session, client, task, self.timeout, self.json).await,
            false => Ok(ExitStatus::Ok),
        }
    }

    /// Id and address. With `--wait --json` the task is printed once, at its end.
    fn tell(&self, session: &mut Session, task: &Task) -> Result<(), CliError> {
        let lines = format!("{}\n{}", plain(&task.summary.id), plain(&task.summary.url));
        match (self.json, self.wait) {
            (true, true) => {
                session.out.note(&lines);
                Ok(())
            }
            (true, false) => session.out.json(task),
            (false, true | false) => session.out.line(&lines),
        }
    }
}
