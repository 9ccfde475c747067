//! Applying from the picker: the same as `outwork apply`, asked first.

use std::path::Path;

use outwork_api::client::Client;
use outwork_api::task::Task;
use outwork_git::{Conflict, Git, Repository, ThreeWay};
use outwork_tui::{Applied, ApplyPlan, DiffKey};

use crate::command::apply::{label, refusal};
use crate::error::CliError;
use crate::repository_ref::{self, Chosen};
use crate::session::repository_at;

/// A diff, and the clone that it is for.
struct Fitting {
    repository: Repository,
    task: Task,
    chosen: Chosen,
    diff: Vec<u8>,
}

/// Says what applying would do, and changes nothing.
pub(super) async fn preflight(
    client: &Client,
    git: Git,
    folder: &Path,
    key: &DiffKey,
) -> Result<ApplyPlan, CliError> {
    let Fitting {
        repository,
        task,
        chosen,
        diff,
    } = fitting(client, git, folder, key).await?;
    let plan = repository
        .preflight(&diff)
        .await
        .map_err(|error| refusal(error, &key.task))?;
    let others = repository_ref::others_changed(&task, Some(key.turn), Some(key.attempt), &chosen);
    Ok(ApplyPlan {
        folder: repository.top_level().display().to_string(),
        repository: chosen.name,
        files: texts(&plan.files),
        conflicts: plan.conflicts.iter().map(Conflict::to_string).collect(),
        skipped: others
            .into_iter()
            .map(|other| format!("the diff of {}", other.repository))
            .collect(),
    })
}

/// Applies it, all or nothing; with `merge`, as far as it goes, and with conflict markers for the rest.
pub(super) async fn apply(
    client: &Client,
    git: Git,
    folder: &Path,
    key: &DiffKey,
    merge: bool,
) -> Result<Applied, CliError> {
    let Fitting {
        repository, diff, ..
    } = fitting(client, git, folder, key).await?;
    let mode = match merge {
        true => ThreeWay::Yes,
        false => ThreeWay::No,
    };
    let applied = repository
        .apply(&diff, mode, &label(&key.task, Some(key.attempt)))
        .await
        .map_err(|error| refusal(error, &key.task))?;
    Ok(Applied {
        files: texts(&applied.files),
        conflicted: texts(&applied.conflicted),
    })
}

async fn fitting(
    client: &Client,
    git: Git,
    folder: &Path,
    key: &DiffKey,
) -> Result<Fitting, CliError> {
    let repository = repository_at(git, folder).await?;
    let task = client.task(&key.task).await?;
    let chosen = repository_ref::here(client, &repository, &task).await?;
    let name = chosen.name.as_deref();
    let diff = client
        .task_diff(&key.task, Some(key.turn), Some(key.attempt), name)
        .await?;
    Ok(Fitting {
        repository,
        task,
        chosen,
        diff,
    })
}

/// As well as text can say it.
fn texts(paths: &[Vec<u8>]) -> Vec<String> {
    let paths = paths.iter();
    paths
        .map(|path| String::from_utf8_lossy(path).into_owned())
        .collect()
}
