//! Which files of an attempt's diff somebody has seen.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use outwork_api::page::Page;
use outwork_api::problem::Code;
use outwork_api::viewed::{MarkViewed, ViewedFile};
use outwork_domain::AttemptId;
use outwork_domain::principal::Viewer;
use outwork_git::Patch;
use outwork_store::{AttemptRecord, FileChanges, StoreError, TaskRecord};
use sha2::{Digest, Sha256};

use super::diff::patch_bytes;
use crate::endpoints::tasks;
use crate::http::body::Body;
use crate::http::openapi::{Conflicts, Missing, Refusals, Unacceptable};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view;

/// Lists the files of the attempt's diffs that whoever asks has seen, all of them in one page. What was seen are the changes of a file: a
/// file that is changed in the same way by another attempt of the task is seen there, too, and one that is changed further is not.
#[utoipa::path(get, path = "/attempts/{id}/viewed", operation_id = "listViewed", tag = "attempts",
    params(("id" = String, Path, description = "`att_…`.")),
    responses((status = 200, description = "The files.", body = Page<ViewedFile>), Refusals, Missing))]
pub(crate) async fn list(
    State(plane): State<Arc<Plane>>,
    Permit(viewer): Permit<Viewer>,
    Id(id): Id<AttemptId>,
) -> Result<Json<Page<ViewedFile>>, Refusal> {
    let (task, record) = subject(&plane, &viewer, id).await?;
    let by = viewer.principal().id;
    let viewed = plane.store.viewed(task.task.id, by).await?;
    let mut items = Vec::new();
    if !viewed.is_empty() {
        let viewed: HashMap<_, _> = viewed.into_iter().collect();
        for (path, changes) in files(&plane, &task, &record).await? {
            let Some(at) = viewed.get(&changes) else {
                continue;
            };
            items.push(ViewedFile {
                repository: changes.repository,
                path,
                viewed_at: (*at).into(),
            });
        }
    }
    Ok(Json(Page {
        items,
        next_cursor: None,
    }))
}

/// Marks a file of the attempt's diff as seen or as not seen, for whoever asks.
#[utoipa::path(put, path = "/attempts/{id}/viewed", operation_id = "markViewed", tag = "attempts", request_body = MarkViewed,
    params(("id" = String, Path, description = "`att_…`.")),
    responses((status = 204, description = "Marked."), Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn mark(
    State(plane): State<Arc<Plane>>,
    Permit(viewer): Permit<Viewer>,
    Id(id): Id<AttemptId>,
    Body(mark): Body<MarkViewed>,
) -> Result<StatusCode, Refusal> {
    plane.need_space()?;
    let MarkViewed {
        repository,
        path,
        viewed,
    } = mark;
    let (task, record) = subject(&plane, &viewer, id).await?;
    let repository = view::task::repository(&task, repository.as_deref())?;
    let found = files_of(&plane, &task, &record, repository).await?;
    let mut found = found.into_iter().filter(|(name, _)| *name == path);
    let Some((_, changes)) = found.next() else {
        let path: String = path.chars().take(200).collect();
        let detail = format!("The attempt's diff has no file `{path}`.");
        return Err(Refusal::new(Code::Unprocessable, detail)
            .with_field("/path", "is not in the attempt's diff"));
    };
    let viewed = viewed.then(|| plane.now());
    let by = viewer.principal().id;
    let store = &plane.store;
    store.mark_viewed(task.task.id, by, changes, viewed).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn subject(
    plane: &Plane,
    viewer: &Viewer,
    id: AttemptId,
) -> Result<(TaskRecord, AttemptRecord), Refusal> {
    let workspace = viewer.workspace_id();
    let record = super::by_id(plane, workspace, id).await?;
    let task = tasks::by_id(plane, workspace, record.attempt.task_id).await?;
    Ok((task, record))
}

/// The files of all its diffs.
async fn files(
    plane: &Plane,
    task: &TaskRecord,
    record: &AttemptRecord,
) -> Result<Vec<(String, FileChanges)>, Refusal> {
    let mut all = Vec::new();
    let further = task.task.base.further.iter().map(|base| &base.name);
    for repository in [&task.repository].into_iter().chain(further) {
        if view::attempt::diff(record, repository).is_some() {
            all.extend(files_of(plane, task, record, repository).await?);
        }
    }
    Ok(all)
}

async fn files_of(
    plane: &Plane,
    task: &TaskRecord,
    record: &AttemptRecord,
    repository: &str,
) -> Result<Vec<(String, FileChanges)>, Refusal> {
    let diff = patch_bytes(plane, task, record, Some(repository)).await?;
    let patch = Patch::parse(&diff).map_err(|fault| StoreError::Corrupt {
        what: fault.to_string(),
    })?;
    let each = patch.texts().map(|(path, text)| {
        let mut digest = Sha256::new();
        text.iter().for_each(|part| digest.update(part));
        let changes = FileChanges {
            repository: repository.to_owned(),
            patch: digest.finalize().into(),
        };
        (String::from_utf8_lossy(path).into_owned(), changes)
    });
    Ok(each.collect())
}
