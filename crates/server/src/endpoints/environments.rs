//! Environments.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod update;

mod check;
mod injections;
mod secrets;

use axum::Json;
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use outwork_domain::{EnvironmentId, WorkspaceId};
use outwork_store::EnvironmentRecord;

use crate::http::etag::etag;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view;

/// An environment with its tag.
fn tagged(record: EnvironmentRecord) -> Response {
    let tag = etag(record.environment.revision);
    ([(ETAG, tag)], Json(view::environment::wire(record))).into_response()
}

pub(crate) fn missing(name: &str) -> Refusal {
    Refusal::not_found("environment", name).with_hint("`outwork env list` shows the environments.")
}

pub(crate) async fn by_id(
    plane: &Plane,
    workspace: WorkspaceId,
    id: EnvironmentId,
) -> Result<EnvironmentRecord, Refusal> {
    plane
        .store
        .environment(workspace, id)
        .await?
        .ok_or_else(|| missing(&id.to_string()))
}

/// The environment of that id or label.
pub(crate) async fn by_name(
    plane: &Plane,
    workspace: WorkspaceId,
    name: &str,
) -> Result<EnvironmentRecord, Refusal> {
    if let Ok(id) = name.parse::<EnvironmentId>() {
        return by_id(plane, workspace, id).await;
    }
    // No label holds a NUL, and PostgreSQL takes none as an argument.
    if name.contains('\0') {
        return Err(missing(name));
    }
    plane
        .store
        .environment_by_label(workspace, name)
        .await?
        .ok_or_else(|| missing(name))
}
