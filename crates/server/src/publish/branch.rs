//! The commit of a publication, and its push.

use outwork_domain::Epoch;
use outwork_domain::publication::{Command, Publication};
use outwork_git::{BranchRequest, CommitId, CommitRef, Identity, Prepared, RefName};
use outwork_store::{AttemptRecord, StoreError, TaskRecord};

use super::access::Access;
use super::text;
use super::trouble::Trouble;
use crate::plane::Plane;
use crate::view;

const OUTWORK: &str = "Outwork <outwork@noreply.invalid>";

/// What is published.
pub(super) struct Subject<'a> {
    pub(super) plane: &'a Plane,
    pub(super) publication: &'a Publication,
    pub(super) task: &'a TaskRecord,
    pub(super) attempt: &'a AttemptRecord,
}

/// Makes the commit, notes it, and pushes it.
pub(super) async fn push(it: &Subject<'_>, access: &Access) -> Result<Prepared, Trouble> {
    let plane = it.plane;
    let request = request(it, access).await?;
    let prepared = plane.git.prepare(request).await;
    let prepared = prepared.map_err(|fault| Trouble::prepare(fault, &access.host))?;
    let planned = Command::Plan {
        epoch: epoch(it),
        commit: prepared.commit().as_str().to_owned(),
    };
    plane
        .store
        .move_publication(it.publication.id, planned, plane.now())
        .await?;
    let pushed = prepared.push().await;
    pushed.map_err(|fault| Trouble::push(fault, &access.host))?;
    Ok(prepared)
}

fn epoch(it: &Subject<'_>) -> Epoch {
    it.publication.epoch
}

async fn request(it: &Subject<'_>, access: &Access) -> Result<BranchRequest, Trouble> {
    let Subject {
        plane,
        publication,
        task,
        ..
    } = it;
    let corrupt = |what: &str| StoreError::Corrupt {
        what: what.to_owned(),
    };
    let folder = plane.git.private_dir();
    let folder = folder.ok_or_else(|| corrupt("server whose git has no folder"))?;
    let base = CommitRef::parse(base(it).0).map_err(|_| corrupt("commit of a task"))?;
    let branch = &publication.asked.branch;
    let branch = RefName::parse(branch).map_err(|_| corrupt("branch of a publication"))?;
    let author = publication.asked.author.as_deref().unwrap_or(OUTWORK);
    let committer = Identity::parse(OUTWORK).map_err(|_| corrupt("committer"))?;
    Ok(BranchRequest {
        // Copies are named by their addresses alone, so that tenants must not share them.
        folder: folder
            .join("publish")
            .join(task.task.workspace_id.to_string()),
        name: publication.id.to_string(),
        url: access.url.clone(),
        credentials: access.credentials.clone(),
        base,
        patches: patches(it).await?,
        branch,
        ours: ours(it).await?,
        message: text::commit(it),
        author: Identity::parse(author).map_err(|_| corrupt("author of a publication"))?,
        committer,
        seconds: publication.created_at.as_millis() / 1000,
    })
}

/// Commit and branch that the task started from in the repository.
pub(super) fn base<'a>(it: &Subject<'a>) -> (&'a str, Option<&'a str>) {
    let base = &it.task.task.base;
    let mut further = base.further.iter();
    match further.find(|one| one.name == it.publication.repository) {
        Some(one) => (&one.commit, one.branch.as_deref()),
        None => (&base.commit, base.branch.as_deref()),
    }
}

/// What the person sent along, and then what the agent did: the tree that the agent left.
async fn patches(it: &Subject<'_>) -> Result<Vec<Vec<u8>>, StoreError> {
    let name = &it.publication.repository;
    let diff = view::attempt::diff(it.attempt, name);
    let diff = diff.ok_or_else(|| StoreError::Corrupt {
        what: "publication without a diff".to_owned(),
    })?;
    let starting = &it.task.task.base.starting_diff;
    let starting = starting.as_ref().filter(|_| *name == it.task.repository);
    let mut patches = Vec::new();
    for key in starting.into_iter().chain([&diff.key]) {
        let content = it.plane.objects.get(key).await?;
        let content = content.ok_or_else(|| StoreError::Corrupt {
            what: "diff whose object is gone".to_owned(),
        })?;
        patches.push(content.to_vec());
    }
    Ok(patches)
}

/// Commits of this task on the branch.
async fn ours(it: &Subject<'_>) -> Result<Vec<CommitId>, StoreError> {
    let task = &it.task.task;
    let all = it
        .plane
        .store
        .publications(task.workspace_id, task.id)
        .await?;
    let same = all.iter().filter(|one| {
        one.repository == it.publication.repository
            && one.asked.branch == it.publication.asked.branch
    });
    let commits = same.filter_map(|one| one.commit.as_deref());
    Ok(commits.filter_map(|id| CommitId::parse(id).ok()).collect())
}
