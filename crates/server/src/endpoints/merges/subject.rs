//! What is to be merged: the results, and where their repository is.

use outwork_api::problem::Code;
use outwork_domain::overlap::repository_address;
use outwork_domain::{TaskId, WorkspaceId};
use outwork_git::{CommitId, CommitRef, Copy, Side};
use outwork_store::{StoreError, StoredDiff, TaskRecord};

use crate::endpoints::{environments, tasks};
use crate::plane::Plane;
use crate::refusal::{Refusal, shell_word};
use crate::submit::base;
use crate::view;

/// All patches together; each is read into memory, and merged with each other.
const PATCHES_BYTES: u64 = 64 * 1024 * 1024;

/// Results of one repository.
pub(super) struct Subject {
    /// The server's copy of it.
    pub(super) copy: Copy,
    /// The label of an environment of it, as it is typed in a shell.
    pub(super) label: String,
    /// For each task its commit and its patches.
    results: Vec<(CommitRef, Vec<Vec<u8>>)>,
}

impl Subject {
    /// The commits that they started from.
    pub(super) fn commits(&self) -> Vec<CommitRef> {
        let commits = self.results.iter().map(|(commit, _)| commit.clone());
        commits.collect()
    }

    /// The results, with their commits as they are called in full.
    pub(super) fn sides(&self, bases: &[CommitId]) -> Vec<Side> {
        let results = self.results.iter().zip(bases);
        let side = |((_, patches), base): (&(_, Vec<Vec<u8>>), &CommitId)| Side {
            base: base.clone(),
            patches: patches.clone(),
        };
        results.map(side).collect()
    }
}

/// A task with the result that is shown for it.
struct TaskResult<'a> {
    record: &'a TaskRecord,
    diff: &'a StoredDiff,
    /// Where its repository is.
    url: String,
    label: String,
    commit: &'a str,
    is_first: bool,
}

pub(super) async fn load(
    plane: &Plane,
    workspace: WorkspaceId,
    ids: &[TaskId],
    repository: Option<&str>,
) -> Result<Subject, Refusal> {
    let records = plane
        .store
        .tasks_of_ids(workspace, ids.iter().copied())
        .await?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let record = records.get(id).ok_or_else(|| tasks::missing(*id))?;
        found.push(result(plane, record, repository).await?);
    }
    same_repository(&found)?;
    let size: u64 = found.iter().map(|it| it.diff.size_bytes).sum();
    if size > PATCHES_BYTES {
        let detail =
            format!("Their diffs have {size} bytes together; at most {PATCHES_BYTES} are merged.");
        return Err(Refusal::new(Code::Conflict, detail).with_hint("Name fewer tasks."));
    }
    let first = &found[0];
    let credentials = plane.store.credentials(workspace).await?;
    let (url, credentials) = base::reading(plane, &credentials, &first.url, &first.label).await?;
    let corrupt = |what: &str| StoreError::Corrupt {
        what: what.to_owned(),
    };
    let folder = plane.git.private_dir();
    let folder = folder.ok_or_else(|| corrupt("server whose git has no folder"))?;
    // Copies are named by their addresses alone, so that tenants must not share them.
    let folder = folder.join("publish").join(workspace.to_string());
    let mut results = Vec::with_capacity(found.len());
    for it in &found {
        let commit = CommitRef::parse(it.commit).map_err(|_| corrupt("commit of a task"))?;
        results.push((commit, patches(plane, it).await?));
    }
    Ok(Subject {
        copy: Copy::new(&plane.git, &folder, url, credentials),
        label: first.label.clone(),
        results,
    })
}

async fn result<'a>(
    plane: &Plane,
    record: &'a TaskRecord,
    repository: Option<&str>,
) -> Result<TaskResult<'a>, Refusal> {
    let task = &record.task;
    let name = view::task::repository(record, repository)?.to_owned();
    let shown = record.turns.last().and_then(view::task::shown);
    let diff = shown.and_then(|attempt| view::attempt::diff(attempt, &name));
    let diff = diff.filter(|diff| diff.size_bytes > 0).ok_or_else(|| {
        let detail = format!("The task {} has no changes in `{name}` to merge.", task.id);
        Refusal::new(Code::Conflict, detail).with_hint(format!(
            "Leave it out, or wait for it with `outwork log {} --follow`.",
            task.id
        ))
    })?;
    let environment = environments::by_id(plane, task.workspace_id, task.environment_id).await?;
    let spec = environment.environment.spec;
    let mut further = task.base.further.iter();
    let (url, commit, is_first) = match further.find(|base| base.name == name) {
        Some(base) => (base.url.clone(), &base.commit, false),
        None => (spec.repository_url, &task.base.commit, true),
    };
    Ok(TaskResult {
        record,
        diff,
        url,
        label: shell_word(&spec.label),
        commit,
        is_first,
    })
}

fn same_repository(found: &[TaskResult<'_>]) -> Result<(), Refusal> {
    let first = repository_address(&found[0].url);
    let mut others = found.iter();
    let Some(other) = others.find(|it| repository_address(&it.url) != first) else {
        return Ok(());
    };
    let detail = format!(
        "The tasks {} and {} are of different repositories.",
        found[0].record.task.id, other.record.task.id
    );
    Err(Refusal::new(Code::Conflict, detail).with_hint("Name tasks of one repository."))
}

/// What the person sent along, and then what the agent did: the tree that the agent left.
async fn patches(plane: &Plane, it: &TaskResult<'_>) -> Result<Vec<Vec<u8>>, StoreError> {
    let starting = it.record.task.base.starting_diff.as_ref();
    let starting = starting.filter(|_| it.is_first);
    let mut patches = Vec::new();
    for key in starting.into_iter().chain([&it.diff.key]) {
        let content = plane.objects.get(key).await?;
        let content = content.ok_or_else(|| StoreError::Corrupt {
            what: "diff whose object is gone".to_owned(),
        })?;
        patches.push(content.to_vec());
    }
    Ok(patches)
}
