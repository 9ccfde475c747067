//! What follows a submission, of a task or of a further turn: its id and address, and the wait.

use std::time::Duration;

use clap::{ArgGroup, Args};
use outwork_api::client::Client;
use outwork_api::task::Task;

use super::apply;
use crate::error::{CliError, Kind};
use crate::exit::ExitStatus;
use crate::session::Session;
use crate::terminal::plain::plain;
use crate::wait;

/// Whether to wait, and what to print.
#[derive(Args, Clone, Debug)]
#[group(skip)]
#[command(group = ArgGroup::new("waits").multiple(true))]
pub struct SubmittedArgs {
    /// Wait for the end; the live log goes to standard error
    #[arg(short, long, group = "waits")]
    pub wait: bool,
    /// Wait, and if it succeeds, apply its diff to the repository you stand in
    #[arg(long, group = "waits")]
    pub apply: bool,
    /// How long to wait, such as 10m; the task goes on afterwards
    #[arg(long, value_name = "DURATION", requires = "waits", value_parser = crate::duration::parse)]
    pub timeout: Option<Duration>,
    /// Print the task as JSON; with --wait at its end, as the last line
    #[arg(long)]
    pub json: bool,
}

impl SubmittedArgs {
    /// What can be known before anything is submitted.
    pub(super) async fn check(&self, session: &Session) -> Result<(), CliError> {
        match self.apply {
            true => session.repository().await.map(drop),
            false => Ok(()),
        }
    }

    fn waits(&self) -> bool {
        self.wait || self.apply
    }

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
        if !self.waits() {
            return Ok(ExitStatus::Ok);
        }
        let status = wait::wait(session, client, task, self.timeout, self.json).await?;
        if self.apply && status == ExitStatus::Ok {
            apply::whole(session, client, task).await?;
        }
        Ok(status)
    }

    /// Id and address. With `--wait --json` the task is printed once, at its end; where the answer is the result, that is.
    fn tell(&self, session: &mut Session, task: &Task) -> Result<(), CliError> {
        let lines = format!("{}\n{}", plain(&task.summary.id), plain(&task.summary.url));
        let result_comes = self.json || wait::wants_output(task);
        match (self.json, self.waits()) {
            (_, true) if result_comes => {
                session.out.note(&lines);
                Ok(())
            }
            (true, false) => session.out.json(task),
            (true | false, true) | (false, false) => session.out.line(&lines),
        }
    }
}
