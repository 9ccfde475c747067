//! The diff of an attempt.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use outwork_api::problem::Code;
use outwork_domain::AttemptId;
use outwork_domain::principal::Viewer;
use outwork_store::{AttemptRecord, StoreError, TaskRecord};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::endpoints::tasks;
use crate::http::openapi::{Missing, Refusals};
use crate::http::params::{Id, Params};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view;

/// What is said when there is none.
pub(crate) const NO_DIFF: &str = "There is no diff yet.";

/// Which diff of an attempt.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    /// The repository's name; the environment's first when left out.
    pub(super) repository: Option<String>,
}

/// The diff of an attempt in one repository against the task's commit there.
#[utoipa::path(get, path = "/attempts/{id}/diff", operation_id = "getAttemptDiff", tag = "attempts",
    params(("id" = String, Path, description = "`att_…`."), Query),
    responses((status = 200, description = "The diff; empty when nothing was changed.", body = String, content_type = "text/x-diff"),
        Refusals, Missing))]
pub(crate) async fn diff(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
    Id(id): Id<AttemptId>,
    Params(query): Params<Query>,
) -> Result<Response, Refusal> {
    let workspace = member.workspace_id();
    let record = super::by_id(&plane, workspace, id).await?;
    let task = tasks::by_id(&plane, workspace, record.attempt.task_id).await?;
    patch(&plane, &task, &record, query.repository.as_deref()).await
}

/// The diff of an attempt of `task`, in the first repository unless another is named.
pub(crate) async fn patch(
    plane: &Plane,
    task: &TaskRecord,
    record: &AttemptRecord,
    repository: Option<&str>,
) -> Result<Response, Refusal> {
    let content = patch_bytes(plane, task, record, repository).await?;
    Ok(([(CONTENT_TYPE, "text/x-diff")], content).into_response())
}

/// The same, to be read here.
pub(crate) async fn patch_bytes(
    plane: &Plane,
    task: &TaskRecord,
    record: &AttemptRecord,
    repository: Option<&str>,
) -> Result<Bytes, Refusal> {
    let name = view::task::repository(task, repository)?;
    let Some(diff) = view::attempt::diff(record, name) else {
        let state = record.attempt.state.as_str();
        return Err(Refusal::new(Code::NotFound, NO_DIFF)
            .with_hint(format!("The attempt is {state} and has handed in none.")));
    };
    let content = plane.objects.get(&diff.key).await?;
    let gone = || StoreError::Corrupt {
        what: "diff whose object is gone".to_owned(),
    };
    Ok(content.ok_or_else(gone)?)
}
