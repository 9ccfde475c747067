//! `outwork pr`: a result as a branch and a pull request, made by the server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use outwork_api::client::Client;
use outwork_api::publication::{NewPublication, Publication};
use tokio::time::Instant;

use super::open;
use crate::error::{CliError, Kind};
use crate::repository_ref;
use crate::session::Session;
use crate::task_ref::TaskRef;
use crate::terminal::plain::plain;

const FIRST_LOOK: Duration = Duration::from_millis(100);
const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// Open a pull request from a task's result
///
/// The server pushes the diff as a commit of a branch, with a credential that no worker has (`outwork
/// credential set HOST --push`), and opens a pull request. After a follow-up, the same command adds a commit to
/// the branch and brings the description up to date. Commits of others are never replaced.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork pr TASK
  outwork pr TASK --attempt 2 --title 'Fix the sums' --body notes.md --draft
  git diff main | review | outwork pr TASK --body -

The address of the pull request is printed; where the repository's server has none, the branch.")]
pub struct PrArgs {
    /// The task: its id, the first or last digits of it, or its address
    #[arg(value_name = "TASK")]
    pub task: TaskRef,
    /// The result of this attempt
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub attempt: Option<u32>,
    /// The result of this turn instead of the newest
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub turn: Option<u32>,
    /// In this repository of the environment instead of the first
    #[arg(long, value_name = "NAME")]
    pub repo: Option<String>,
    /// The branch to make or to continue; the one before, else one named after the task, when left out
    #[arg(short = 'H', long, value_name = "NAME", visible_alias = "head")]
    pub branch: Option<String>,
    /// The branch that it is for; the one that the task started from when left out
    #[arg(short = 'B', long, value_name = "NAME")]
    pub base: Option<String>,
    /// Its title; the task's when left out
    #[arg(short, long, value_name = "TITLE")]
    pub title: Option<String>,
    /// A file with the description; `-` for standard input; what the agent said when left out
    #[arg(short = 'F', long, value_name = "FILE", visible_alias = "body-file")]
    pub body: Option<PathBuf>,
    /// The commit's author, as NAME <ADDRESS>
    #[arg(long, value_name = "AUTHOR")]
    pub author: Option<String>,
    /// Open it as a draft
    #[arg(short, long)]
    pub draft: bool,
    /// Open it in the browser, too
    #[arg(short, long)]
    pub web: bool,
    /// How long to wait, such as 2m; the server goes on afterwards
    #[arg(long, value_name = "DURATION", value_parser = crate::duration::parse)]
    pub timeout: Option<Duration>,
    /// Print what became of it as JSON
    #[arg(long)]
    pub json: bool,
}

pub(crate) async fn run(args: PrArgs, session: &mut Session) -> Result<(), CliError> {
    let PrArgs {
        task,
        attempt,
        turn,
        repo,
        branch,
        base,
        title,
        body,
        author,
        draft,
        web,
        timeout,
        json,
    } = args;
    let client = session.client()?;
    let id = task.resolve(&client).await?;
    let repository = match repo {
        Some(repo) => {
            let task = client.task(&id).await?;
            repository_ref::named(&task, Some(&repo))?.name
        }
        None => None,
    };
    let body = match body {
        Some(path) => Some(read(session, &path).await?),
        None => None,
    };
    let new = NewPublication {
        turn,
        attempt,
        repository,
        branch,
        base,
        title,
        body,
        draft,
        author,
    };
    let key = session.idempotency_key();
    let publication = client.publish(&id, &new, &key).await?;
    let ended = wait(session, &client, publication, timeout).await?;
    tell(session, &ended, json)?;
    match (&ended.pull_request, web) {
        (Some(opened), true) => open::browse(session, &opened.url),
        (Some(_), false) | (None, _) => Ok(()),
    }
}

async fn read(session: &mut Session, path: &Path) -> Result<String, CliError> {
    let bytes = if path.as_os_str() == "-" {
        session.read_stdin().await?
    } else {
        let path = session.current_dir.join(path);
        std::fs::read(&path).map_err(|error| {
            let message = format!("the description {} cannot be read", path.display());
            CliError::usage(message)
                .source(error)
                .hint("name a file on this machine, or `-` for standard input")
        })?
    };
    String::from_utf8(bytes)
        .map_err(|_| CliError::usage("the description is not text").hint("is it the right file?"))
}

/// Until it has ended; what it waits for is told as it changes.
async fn wait(
    session: &mut Session,
    client: &Client,
    mut publication: Publication,
    timeout: Option<Duration>,
) -> Result<Publication, CliError> {
    let id = plain(&publication.id);
    let advice = format!(
        "the server goes on with {id}; `outwork log {}` says what came of it",
        plain(&publication.task_id)
    );
    session.advise_on_interruption(Some(advice.clone()));
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let mut told = String::new();
    let mut pause = FIRST_LOOK;
    while publication.ended_at.is_none() {
        let line = progress(&publication);
        if line != told {
            session.out.note(&line);
            told = line;
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(CliError::new(Kind::TimedOut, "the time to wait is over").hint(advice));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_LOOK);
        publication = match client.publication(&publication.id).await {
            Ok(now) => now,
            // The server may be restarted meanwhile; it takes it up again.
            Err(fault) if fault.is_transient() && !is_overdue(&publication, session) => publication,
            Err(fault) => return Err(fault.into()),
        };
    }
    session.advise_on_interruption(None);
    Ok(publication)
}

fn is_overdue(publication: &Publication, session: &Session) -> bool {
    let now = (session.now)();
    publication
        .deadline_at
        .is_some_and(|deadline| deadline.timestamp() <= now)
}

fn progress(publication: &Publication) -> String {
    let branch = plain(&publication.branch);
    match (&publication.message, publication.state.as_str()) {
        (Some(message), "queued") => format!("trying again: {}", plain(message)),
        (Some(_) | None, _) => format!("publishing {branch}"),
    }
}

fn tell(session: &mut Session, ended: &Publication, json: bool) -> Result<(), CliError> {
    if let Some(failure) = &ended.failure {
        let error =
            CliError::failed(plain(failure.message.trim_end_matches('.'))).code(&failure.code);
        return Err(match &failure.hint {
            Some(hint) => error.hint(plain(hint)),
            None => error,
        });
    }
    if json {
        return session.out.json(ended);
    }
    if let Some(message) = &ended.message {
        session.out.note(&plain(message));
    }
    match &ended.pull_request {
        Some(opened) => session.out.line(&plain(&opened.url)),
        None => session.out.line(&plain(&ended.branch)),
    }
}
