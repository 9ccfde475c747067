//! What a worker says about an attempt that it holds. Each names its claim; `409` with `stale_lease` means: stop, and forget the attempt.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use outwork_api::worker::{
    Advance, Append, AppendAnswer, Checkpoint, Checkpointed, Finish, Release, WorkerApi,
};
use outwork_domain::principal::WorkerAccess;

use super::service;
use crate::http::body::Body;
use crate::http::openapi::{Conflicts, Missing, Refusals, Unacceptable};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

type Plain = State<Arc<Plane>>;
type Access = Permit<WorkerAccess>;

/// Says which step the attempt is in. Renews the lease.
#[utoipa::path(post, path = "/attempts/{attempt}/step", operation_id = "advance", tag = "attempt",
    params(("attempt" = String, Path, description = "`att_…`.")), request_body = Advance,
    responses((status = 200, description = "What is durable and what is wanted.", body = AppendAnswer), Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn advance(
    State(plane): Plain,
    access: Access,
    Path(attempt): Path<String>,
    Body(request): Body<Advance>,
) -> Result<Json<AppendAnswer>, Refusal> {
    Ok(Json(
        service(plane, &access).advance(attempt, request).await?,
    ))
}

/// Appends to the attempt's log. Sending the same again is harmless. Renews the lease.
#[utoipa::path(post, path = "/attempts/{attempt}/events", operation_id = "append", tag = "attempt",
    params(("attempt" = String, Path, description = "`att_…`.")), request_body = Append,
    responses((status = 200, description = "What is durable and what is wanted.", body = AppendAnswer), Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn append(
    State(plane): Plain,
    access: Access,
    Path(attempt): Path<String>,
    Body(request): Body<Append>,
) -> Result<Json<AppendAnswer>, Refusal> {
    Ok(Json(
        service(plane, &access).append(attempt, request).await?,
    ))
}

/// Keeps what was uploaded as `checkpoint_diff` and `checkpoint_session` as the result so far, in place of the checkpoint before: it is the
/// attempt's result if its worker is lost. Renews the lease.
#[utoipa::path(post, path = "/attempts/{attempt}/checkpoint", operation_id = "checkpoint", tag = "attempt",
    params(("attempt" = String, Path, description = "`att_…`.")), request_body = Checkpoint,
    responses((status = 200, description = "Durable.", body = Checkpointed), Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn checkpoint(
    State(plane): Plain,
    access: Access,
    Path(attempt): Path<String>,
    Body(request): Body<Checkpoint>,
) -> Result<Json<Checkpointed>, Refusal> {
    Ok(Json(
        service(plane, &access).checkpoint(attempt, request).await?,
    ))
}

/// Ends the attempt. Sent again after an answer got lost, it is answered with `409` and `attempt_ended`: the result stands.
#[utoipa::path(post, path = "/attempts/{attempt}/finish", operation_id = "finish", tag = "attempt",
    params(("attempt" = String, Path, description = "`att_…`.")), request_body = Finish,
    responses((status = 204, description = "Ended."), Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn finish(
    State(plane): Plain,
    access: Access,
    Path(attempt): Path<String>,
    Body(request): Body<Finish>,
) -> Result<StatusCode, Refusal> {
    service(plane, &access).finish(attempt, request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives the attempt back unfinished; it does not count as a try.
#[utoipa::path(post, path = "/attempts/{attempt}/release", operation_id = "release", tag = "attempt",
    params(("attempt" = String, Path, description = "`att_…`.")), request_body = Release,
    responses((status = 204, description = "It waits for another worker."), Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn release(
    State(plane): Plain,
    access: Access,
    Path(attempt): Path<String>,
    Body(request): Body<Release>,
) -> Result<StatusCode, Refusal> {
    service(plane, &access).release(attempt, request).await?;
    Ok(StatusCode::NO_CONTENT)
}
