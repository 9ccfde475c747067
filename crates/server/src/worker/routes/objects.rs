//! What an attempt starts from and hands in, as bytes.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use outwork_api::problem::Code;
use outwork_api::worker::{InputKind, OutputKind, WorkerApi};
use outwork_domain::principal::WorkerAccess;
use serde::Deserialize;
use utoipa::IntoParams;

use super::service;
use crate::http::body::Raw;
use crate::http::openapi::{Conflicts, Missing, Refusals, Unacceptable};
use crate::http::params::Params;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

const INPUTS: [InputKind; 3] = [
    InputKind::StartingDiff,
    InputKind::CarriedDiff,
    InputKind::Session,
];
const OUTPUTS: [OutputKind; 4] = [
    OutputKind::Diff,
    OutputKind::Session,
    OutputKind::CheckpointDiff,
    OutputKind::CheckpointSession,
];

/// Which claim speaks, and about which repository.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claim {
    /// The claim's epoch.
    epoch: i64,
    /// Whose diff, by the repository's name; the first one's when left out.
    repository: Option<String>,
}

/// Fetches what the attempt starts from: `starting_diff`, `carried_diff` or `session`.
#[utoipa::path(get, path = "/attempts/{attempt}/objects/{kind}", operation_id = "download", tag = "attempt",
    params(("attempt" = String, Path, description = "`att_…`."), ("kind" = InputKind, Path, description = "Which input."), Claim),
    responses((status = 200, description = "The bytes.", body = String, content_type = "application/octet-stream"), Refusals, Missing, Conflicts))]
pub(crate) async fn download(
    State(plane): State<Arc<Plane>>,
    access: Permit<WorkerAccess>,
    Path((attempt, kind)): Path<(String, String)>,
    Params(Claim { epoch, repository }): Params<Claim>,
) -> Result<Response, Refusal> {
    let kind = INPUTS
        .into_iter()
        .find(|known| known.as_str() == kind)
        .ok_or_else(|| no_such(&kind))?;
    let content = service(plane, &access)
        .download(attempt, epoch, kind, repository)
        .await?;
    Ok((
        [(header::CONTENT_TYPE, "application/octet-stream")],
        content,
    )
        .into_response())
}

/// Hands in a part of the result before `finish`, `diff` or `session`, or of the next checkpoint before `checkpoint`, `checkpoint_diff` or
/// `checkpoint_session`. Sending it again replaces it.
#[utoipa::path(put, path = "/attempts/{attempt}/objects/{kind}", operation_id = "upload", tag = "attempt",
    params(("attempt" = String, Path, description = "`att_…`."), ("kind" = OutputKind, Path, description = "Which part."), Claim),
    request_body(content = String, description = "The bytes.", content_type = "application/octet-stream"),
    responses((status = 204, description = "Durable."), Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn upload(
    State(plane): State<Arc<Plane>>,
    access: Permit<WorkerAccess>,
    Path((attempt, kind)): Path<(String, String)>,
    Params(Claim { epoch, repository }): Params<Claim>,
    Raw(content): Raw,
) -> Result<StatusCode, Refusal> {
    let kind = OUTPUTS
        .into_iter()
        .find(|known| known.as_str() == kind)
        .ok_or_else(|| no_such(&kind))?;
    service(plane, &access)
        .upload(attempt, epoch, kind, repository, content.into())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn no_such(kind: &str) -> Refusal {
    Refusal::new(
        Code::NotFound,
        format!("There is no kind of object `{kind}`."),
    )
}
