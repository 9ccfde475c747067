//! `outwork conflicts`: which open tasks are about the same files.

use std::time::Duration;

use clap::Args;
use outwork_api::client::Client;
use outwork_api::radar::{Certainty, MergeConflict, MergeMethod, NewMerges, NewOverlaps, Overlap};
use outwork_api::task::NewTask;
use outwork_domain::overlap::named_in;

use crate::error::CliError;
use crate::render::table;
use crate::session::Session;
use crate::task_ref::TaskRef;
use crate::terminal::plain::plain;

/// Nobody waits longer for a warning.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many tasks, and how many paths of each, a warning names.
const FORETOLD: usize = 3;

/// Show which open tasks are about the same files
///
/// Of the same repository and branch: those that run, and those that ended within 14 days, unless they were stopped,
/// dismissed, or their pull requests were merged. A task that runs is about what it names and what it has changed so far.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  outwork conflicts TASK
  outwork conflicts TASK --json | jq -r '.[].task_id'
  outwork conflicts TASK --dismiss
  outwork conflicts --merge TASK TASK TASK")]
pub struct ConflictsArgs {
    /// The task: its id, the first or last digits of it, or its address; several with --merge
    #[arg(value_name = "TASK", required = true, num_args = 1..=20)]
    pub tasks: Vec<TaskRef>,
    /// Merge the results of these tasks with each other, as git does it: which conflict, and an order in which as many as
    /// possible merge. Nothing is pushed
    #[arg(long, conflicts_with_all = ["dismiss", "restore"])]
    pub merge: bool,
    /// Nobody is going to merge what it did: it is no overlap of others any more
    #[arg(long)]
    pub dismiss: bool,
    /// Take that back
    #[arg(long, conflicts_with = "dismiss")]
    pub restore: bool,
    /// Print the tasks as JSON
    #[arg(long)]
    pub json: bool,
}

pub(crate) async fn run(args: ConflictsArgs, session: &mut Session) -> Result<(), CliError> {
    let ConflictsArgs {
        tasks,
        merge,
        dismiss,
        restore,
        json,
    } = args;
    let client = session.client()?;
    let mut ids = Vec::with_capacity(tasks.len());
    for task in tasks {
        ids.push(task.resolve(&client).await?);
    }
    if merge {
        return merged(session, &client, ids, json).await;
    }
    let [id] = &ids[..] else {
        return Err(CliError::usage("several tasks were named")
            .hint("name one; or give --merge, to see how their results merge"));
    };
    match (dismiss, restore) {
        (true, _) => client.dismiss(id).await?,
        (false, true) => client.restore(id).await?,
        (false, false) => {}
    }
    let overlaps = client.overlaps(id).await?.items;
    if json {
        return session.out.json(&overlaps);
    }
    if dismiss {
        session
            .out
            .note("dismissed; it counts again after a follow-up");
        return Ok(());
    }
    if overlaps.is_empty() {
        session.out.note("no open task is about the same files");
        return Ok(());
    }
    print(session, &overlaps)
}

/// One line for each task, in the order in which to merge them.
async fn merged(
    session: &mut Session,
    client: &Client,
    tasks: Vec<String>,
    json: bool,
) -> Result<(), CliError> {
    if tasks.len() < 2 {
        return Err(CliError::usage("--merge needs two tasks or more")
            .hint("name the tasks whose results are to be merged with each other"));
    }
    let new = NewMerges {
        tasks,
        repository: None,
    };
    let merges = client.merges(&new).await?;
    if json {
        return session.out.json(&merges);
    }
    let conflict = |task: &String| {
        let mut conflicts = merges.conflicts.iter();
        conflicts.find(|conflict| conflict.task_id == *task)
    };
    let rows: Vec<_> = merges
        .order
        .iter()
        .map(|task| {
            let id = table::id(&session.out, task);
            match conflict(task) {
                None => vec![id, "merges".to_owned(), String::new(), String::new()],
                Some(MergeConflict { with, paths, .. }) => {
                    let with = with.iter().map(|task| table::id(&session.out, task));
                    let with: Vec<_> = with.collect();
                    let with = match with.is_empty() {
                        true => "the base".to_owned(),
                        false => with.join(", "),
                    };
                    vec![id, "conflicts".to_owned(), with, paths.join(", ")]
                }
            }
        })
        .collect();
    table::print(&mut session.out, &["ID", "RESULT", "WITH", "PATHS"], rows)?;
    let (clean, all) = (merges.clean.len(), merges.order.len());
    let sure = match merges.method {
        MergeMethod::Exact => "no other order merges more",
        MergeMethod::Greedy | MergeMethod::Unknown => "an order that merges more may exist",
    };
    let base: String = plain(&merges.base).chars().take(10).collect();
    session.out.note(&format!(
        "{clean} of {all} merge into {base}, in this order; {sure}"
    ));
    Ok(())
}

fn print(session: &mut Session, overlaps: &[Overlap]) -> Result<(), CliError> {
    let rows = overlaps.iter().map(|overlap| {
        vec![
            table::id(&session.out, &overlap.task_id),
            overlap.status.clone(),
            certainty(overlap).to_owned(),
            paths(overlap, overlap.paths.len()),
            overlap.title.clone(),
        ]
    });
    let rows: Vec<_> = rows.collect();
    let headers = ["ID", "STATUS", "SURE", "PATHS", "TITLE"];
    table::print(&mut session.out, &headers, rows)
}

fn certainty(overlap: &Overlap) -> &'static str {
    match overlap.certainty {
        Certainty::Named => "named",
        Certainty::Touched => "touched",
        Certainty::Unknown => "unknown",
    }
}

/// The first `most` of them, and how many more there are.
fn paths(overlap: &Overlap, most: usize) -> String {
    let shown: Vec<_> = overlap
        .paths
        .iter()
        .take(most)
        .map(|path| plain(path))
        .collect();
    let more = overlap.path_count.saturating_sub(shown.len() as u64);
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Says on standard error which open tasks are about the files that this one is going to be about. It is a warning: where it cannot be
/// had, nothing is said, and the task is submitted.
pub(super) async fn foretell(session: &mut Session, client: &Client, task: &NewTask) {
    // Most prompts name none, and the question is spared.
    if task.paths.is_empty() && named_in(&task.prompt).is_empty() {
        return;
    }
    let new = NewOverlaps {
        environment: task.environment.clone(),
        prompt: task.prompt.clone(),
        paths: task.paths.clone(),
        branch: task.branch.clone(),
    };
    let asked = tokio::time::timeout(PATIENCE, client.find_overlaps(&new));
    let Ok(Ok(page)) = asked.await else {
        return;
    };
    for overlap in page.items.iter().take(FORETOLD) {
        let does = match overlap.certainty {
            Certainty::Named | Certainty::Unknown => "is about",
            Certainty::Touched => "changes",
        };
        session.out.note(&format!(
            "overlap: {} ({}) {does} {}: {}",
            plain(&overlap.task_id),
            plain(&overlap.status),
            paths(overlap, FORETOLD),
            plain(&overlap.title)
        ));
    }
    let more = page.items.len().saturating_sub(FORETOLD);
    if more > 0 {
        session.out.note(&format!(
            "overlap: {more} more open tasks are about the same files"
        ));
    }
}
