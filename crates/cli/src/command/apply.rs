//! `outwork apply`: a task's diff, put into the repository around the current folder.

mod branch;
mod pick;
mod undo;

use clap::Args;
use futures_util::FutureExt;
use outwork_api::client::Client;
use outwork_api::task::Task;
use outwork_git::{ApplyError, Conflict, RefName, Repository, ThreeWay};
use serde_json::json;

use crate::error::CliError;
use crate::repository_ref;
use crate::selection::SelectionArgs;
use crate::session::Session;
use crate::task_ref::TaskRef;
use crate::terminal::plain::plain;

/// Apply a task's diff to the repository you stand in
///
/// All or nothing: when the diff does not fit, the conflicts are listed and the files stay as they
/// are. Of an environment with several repositories it is the diff of the one that the folder is a clone
/// of. With --3way it is merged as far as possible, and conflict markers are left in the files. What was applied
/// can be taken back with --undo as long as the files stay as they are.
#[derive(Args, Clone, Debug)]
pub struct ApplyArgs {
    /// The task: its id, the first or last digits of it, or its address
    #[arg(value_name = "TASK", required_unless_present = "undo")]
    pub task: Option<TaskRef>,
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
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Choose hunk by hunk, as `git add -p` does
    #[arg(short, long)]
    pub patch: bool,
    /// Commit it to this new branch, on the commit that the task started from
    #[arg(long, value_name = "NAME", value_parser = branch_name, conflicts_with_all = ["three_way", "check"])]
    pub branch: Option<RefName>,
    /// Take back what was applied last, or last of TASK
    #[arg(long, conflicts_with_all = ["repo", "attempt", "three_way", "check", "paths", "hunks", "patch", "branch"])]
    pub undo: bool,
    /// Print the files as JSON
    #[arg(long)]
    pub json: bool,
}

fn branch_name(text: &str) -> Result<RefName, String> {
    RefName::parse(text).map_err(|error| error.to_string())
}

/// What was done, or would be.
#[derive(Default)]
struct Applied {
    /// Paths from the top of the repository.
    files: Vec<Vec<u8>>,
    /// Those with conflict markers.
    conflicted: Vec<Vec<u8>>,
    branch: Option<String>,
    commit: Option<String>,
}

impl Applied {
    fn files(files: Vec<Vec<u8>>) -> Self {
        Self {
            files,
            ..Self::default()
        }
    }
}

pub(crate) async fn run(args: ApplyArgs, session: &mut Session) -> Result<(), CliError> {
    let task = match (args.task, args.undo) {
        (task, true) => return undo::run(session, task, args.json).await,
        (Some(task), false) => task,
        (None, false) => return Err(CliError::usage("the task is missing")),
    };
    let client = session.client()?;
    let asked = async {
        let id = task.resolve(&client).await?;
        let task = client.task(&id).await?;
        Ok::<_, CliError>((id, task))
    };
    // Git looks while the server does.
    let (repository, asked) = tokio::try_join!(session.repository(), asked.map(Ok))?;
    let (id, task) = asked?;
    let chosen = match args.repo {
        Some(name) => repository_ref::named(&task, Some(&name))?,
        None => repository_ref::here(&client, &repository, &task).await?,
    };
    let diff = client
        .task_diff(&id, None, args.attempt, chosen.name.as_deref())
        .await?;
    if diff.is_empty() {
        session
            .out
            .note("the diff is empty; there is nothing to apply");
        return report_nothing(session, args.json);
    }
    let diff = match args.patch {
        true => pick::pick(session, &args.selection, &diff).await?,
        false => args.selection.of(diff)?,
    };
    if diff.is_empty() {
        session
            .out
            .note("nothing was taken; the files are as they were");
        return report_nothing(session, args.json);
    }
    if args.check {
        return preflight(session, &repository, &id, &diff, args.json).await;
    }
    if let Some(name) = args.branch {
        let source = branch::Source {
            id: &id,
            title: &task.summary.title,
            attempt: args.attempt,
            base: &chosen.commit,
            diff: &diff,
        };
        return branch::run(session, &repository, &name, &source, args.json).await;
    }
    let mode = match args.three_way {
        true => ThreeWay::Yes,
        false => ThreeWay::No,
    };
    let applied = match repository
        .apply(&diff, mode, &label(&id, args.attempt))
        .await
    {
        Ok(applied) => applied,
        Err(error) => {
            let error = refusal(error, &id);
            return Err(match (args.three_way, error.code.as_str()) {
                (true, "conflicts") => error.hint(base_hint(&chosen.commit)),
                _ => error,
            });
        }
    };
    let applied = Applied {
        conflicted: applied.conflicted,
        ..Applied::files(applied.files)
    };
    report(session, &applied, args.json)?;
    if applied.conflicted.is_empty() {
        return Ok(());
    }
    let message = "the diff was merged with conflicts";
    Err(CliError::failed(message)
        .code("conflicts")
        .details(applied.conflicted.iter().map(|path| text(path)))
        .hint(format!(
            "resolve the conflict markers in these files, then `git add` them; or `outwork apply {id} --undo`"
        )))
}

/// Applies all of a task's diff to the repository around the folder, and notes the files.
pub(super) async fn whole(
    session: &mut Session,
    client: &Client,
    task: &Task,
) -> Result<(), CliError> {
    let id = &task.summary.id;
    let repository = session.repository().await?;
    let chosen = repository_ref::here(client, &repository, task).await?;
    let diff = client
        .task_diff(id, None, None, chosen.name.as_deref())
        .await?;
    if diff.is_empty() {
        session
            .out
            .note("the diff is empty; there is nothing to apply");
        return Ok(());
    }
    let applied = repository.apply(&diff, ThreeWay::No, id).await;
    let applied = applied.map_err(|error| refusal(error, id))?;
    for path in &applied.files {
        session
            .out
            .note(&format!("applied to {}", plain(&text(path))));
    }
    Ok(())
}

/// What it is applied under, for people and `--undo`.
pub(super) fn label(id: &str, attempt: Option<u32>) -> String {
    match attempt {
        Some(attempt) => format!("{id} attempt {attempt}"),
        None => id.to_owned(),
    }
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
    json: bool,
) -> Result<(), CliError> {
    let plan = repository
        .preflight(diff)
        .await
        .map_err(|error| refusal(error, id))?;
    if !plan.conflicts.is_empty() {
        return Err(conflicts(&plan.conflicts, id));
    }
    report(session, &Applied::files(plan.files), json)
}

fn report_nothing(session: &mut Session, json: bool) -> Result<(), CliError> {
    match json {
        true => report(session, &Applied::default(), json),
        false => Ok(()),
    }
}

/// The files, a line each; all that is known, with `json`.
fn report(session: &mut Session, applied: &Applied, json: bool) -> Result<(), CliError> {
    let Applied {
        files,
        conflicted,
        branch,
        commit,
    } = applied;
    let texts = |paths: &[Vec<u8>]| paths.iter().map(|path| text(path)).collect::<Vec<_>>();
    if json {
        let value = json!({
            "files": texts(files),
            "conflicted": texts(conflicted),
            "branch": branch,
            "commit": commit,
        });
        return session.out.json(&value);
    }
    texts(files)
        .iter()
        .try_for_each(|path| session.out.line(&plain(path)))
}

/// As well as text can say it.
fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

fn conflicts(conflicts: &[Conflict], id: &str) -> CliError {
    CliError::failed("the diff does not apply; the files are as they were")
        .code("conflicts")
        .details(conflicts.iter().map(Conflict::to_string))
        .hint(format!(
            "commit or stash what you changed, or merge with `outwork apply {id} --3way`"
        ))
}

pub(super) fn refusal(error: ApplyError, id: &str) -> CliError {
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
