//! `outwork apply`: a task's diff, put into the repository around the current folder.

use clap::Args;
use outwork_git::{ApplyError, Conflict, Repository, ThreeWay};

use crate::error::CliError;
use crate::repository_ref;
use crate::session::Session;
use crate::task_ref::TaskRef;
use crate::terminal::plain::plain;

/// Apply a task's diff to the repository you stand in
///
/// All or nothing: when the diff does not fit, the conflicts are listed and the files stay as they
/// are. Of an environment with several repositories it is the diff of the one that the folder is a clone
/// of. With --3way it is merged as far as possible, and conflict markers are left in the files.
#[derive(Args, Clone, Debug)]
pub struct ApplyArgs {
    /// The task: its id, the first or last digits of it, or its address
    #[arg(value_name = "TASK")]
    pub task: TaskRef,
    /// That of this repository of the environment; the one that the folder is a clone of when left out
    #[arg(long, value_name = "NAME")]
    pub repo: Option<String>,
    /// That of this attempt
    #[arg(long, value_name = "N", value_parser = crate::args::from_one)]
    pub attempt: Option<u32>,
    /// Merge where the diff does not fit, leaving conflict markers
    #[arg(long = "3way", conflicts_with = "check")]
    pub three_way: bool,
    /// Only say whether it would apply
    #[arg(long)]
    pub check: bool,
}

pub(crate) async fn run(args: ApplyArgs, session: &mut Session) -> Result<(), CliError> {
    let ApplyArgs {
        task,
        repo,
        attempt,
        three_way,
        check,
    } = args;
    let client = session.client()?;
    let repository = session.repository().await?;
    let id = task.resolve(&client).await?;
    let task = client.task(&id).await?;
    let chosen = match repo {
        Some(name) => repository_ref::named(&task, Some(&name))?,
        None => repository_ref::here(&client, &repository, &task).await?,
    };
    let diff = client
        .task_diff(&id, None, attempt, chosen.name.as_deref())
        .await?;
    if diff.is_empty() {
        session
            .out
            .note("the diff is empty; there is nothing to apply");
        return Ok(());
    }
    if check {
        return preflight(session, &repository, &id, &diff).await;
    }
    let mode = if three_way {
        ThreeWay::Yes
    } else {
        ThreeWay::No
    };
    let applied = match repository.apply(&diff, mode).await {
        Ok(applied) => applied,
        Err(error) => {
            let error = refusal(error, &id);
            return Err(match (three_way, error.code.as_str()) {
                (true, "conflicts") => error.hint(base_hint(&chosen.commit)),
                _ => error,
            });
        }
    };
    print_paths(session, &applied.files)?;
    if applied.conflicted.is_empty() {
        return Ok(());
    }
    let message = "the diff was merged with conflicts";
    Err(CliError::failed(message)
        .code("conflicts")
        .details(
            applied
                .conflicted
                .iter()
                .map(|path| String::from_utf8_lossy(path).into_owned()),
        )
        .hint("resolve the conflict markers in these files, then `git add` them"))
}

/// What is left to do when the files are changed here, or other ones than those of the task.
fn base_hint(commit: &str) -> String {
    format!(
        "commit or stash what you changed in these files; \
         or apply it where the task started from: `git switch --detach {commit}`"
    )
}

async fn preflight(
    session: &mut Session,
    repository: &Repository,
    id: &str,
    diff: &[u8],
) -> Result<(), CliError> {
    let plan = repository
        .preflight(diff)
        .await
        .map_err(|error| refusal(error, id))?;
    if !plan.conflicts.is_empty() {
        return Err(conflicts(&plan.conflicts, id));
    }
    print_paths(session, &plan.files)
}

fn print_paths(session: &mut Session, paths: &[Vec<u8>]) -> Result<(), CliError> {
    paths
        .iter()
        .try_for_each(|path| session.out.line(&plain(&String::from_utf8_lossy(path))))
}

fn conflicts(conflicts: &[Conflict], id: &str) -> CliError {
    CliError::failed("the diff does not apply; the files are as they were")
        .code("conflicts")
        .details(conflicts.iter().map(Conflict::to_string))
        .hint(format!(
            "commit or stash what you changed, or merge with `outwork apply {id} --3way`"
        ))
}

fn refusal(error: ApplyError, id: &str) -> CliError {
    match error {
        ApplyError::Conflicts { conflicts: list } => conflicts(&list, id),
        ApplyError::NotWritten { ref source } | ApplyError::NotPutBack { ref source, .. } => {
            let cause = source.to_string();
            CliError::failed(error.to_string())
                .code("not_written")
                .source(cause)
                .hint("make room or correct the permissions, then run the command again")
        }
        ApplyError::Unreadable { ref source, .. } => {
            let cause = source.to_string();
            CliError::failed(error.to_string())
                .code("not_written")
                .source(cause)
                .hint("correct the permissions, then run the command again")
        }
        ApplyError::Git(source) => CliError::failed(source.to_string())
            .code("git")
            .source(source),
    }
}
