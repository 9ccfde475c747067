//! `outwork diff`: a task's diff, as `git apply` takes it.

use clap::Args;

use crate::error::CliError;
use crate::render::{diff, task};
use crate::repository_ref;
use crate::selection::{self, SelectionArgs};
use crate::session::Session;
use crate::task_ref::TaskRef;
use crate::terminal::plain::plain;

/// Print a task's diff
///
/// Of one repository, so that `outwork diff TASK | git apply` is right: the first, unless --repo names
/// another. A note on standard error names the others that changed.
#[derive(Args, Clone, Debug)]
pub struct DiffArgs {
    /// The task: its id, the first or last digits of it, or its address
    #[arg(value_name = "TASK")]
    pub task: TaskRef,
    /// That of this repository of the environment instead of the first
    #[arg(long, value_name = "NAME")]
    pub repo: Option<String>,
    /// That of this attempt
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub attempt: Option<u32>,
    /// That of this turn instead of the newest
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub turn: Option<u32>,
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// List its files and hunks with their numbers instead
    #[arg(long)]
    pub list: bool,
}

pub(crate) async fn run(args: DiffArgs, session: &mut Session) -> Result<(), CliError> {
    let DiffArgs {
        task,
        repo,
        attempt,
        turn,
        selection,
        list,
    } = args;
    let client = session.client()?;
    let id = task.resolve(&client).await?;
    let task = client.task(&id).await?;
    let chosen = repository_ref::named(&task, repo.as_deref())?;
    let bytes = client
        .task_diff(&id, turn, attempt, chosen.name.as_deref())
        .await?;
    if bytes.is_empty() {
        session.out.note("the diff is empty");
    }
    for other in repository_ref::others_changed(&task, turn, attempt, &chosen) {
        let name = plain(&other.repository);
        let stat = task::diff_stat(&other.summary);
        session.out.note(&format!(
            "{name} changed, too ({stat}); read it with --repo {name}"
        ));
    }
    if list {
        let patch = selection::read(&bytes)?;
        let mut parts = patch.parts();
        selection.named(&parts)?;
        parts.retain(|part| selection.is_meant(part));
        let mut lines = selection::list(&parts).into_iter();
        return lines.try_for_each(|line| session.out.line(&line));
    }
    let bytes = selection.of(bytes)?;
    if session.out.stdout_is_terminal {
        let text = diff::for_terminal(&bytes, session.out.stdout_style);
        return session.out.bytes(text.as_bytes());
    }
    session.out.bytes(&bytes)
}
