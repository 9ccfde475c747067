//! The life of a worker.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::StreamExt;
use outwork_api::worker::{
    Acquire, Acquired, Deregister, Heartbeat, HeartbeatAnswer, Register, Registered,
    SnapshotInventory, WorkerApi, WorkerCommand,
};
use outwork_domain::principal::WorkerAccess;
use serde::Deserialize;
use utoipa::IntoParams;

use super::service;
use crate::http::body::Body;
use crate::http::openapi::{Conflicts, Missing, Refusals, Unacceptable};
use crate::http::params::Params;
use crate::http::permit::Permit;
use crate::http::sse;
use crate::plane::Plane;
use crate::refusal::Refusal;

type Plain = State<Arc<Plane>>;
type Access = Permit<WorkerAccess>;

/// Says who the worker is: at its start, and again after `404` for it.
#[utoipa::path(post, path = "/register", operation_id = "register", tag = "worker", request_body = Register,
    responses((status = 200, description = "Registered.", body = Registered), Refusals, Unacceptable))]
pub(crate) async fn register(
    State(plane): Plain,
    access: Access,
    Body(request): Body<Register>,
) -> Result<Json<Registered>, Refusal> {
    Ok(Json(service(plane, &access).register(request).await?))
}

/// Asks for attempts; answered as soon as there is one, at the latest after `wait_ms`.
#[utoipa::path(post, path = "/acquire", operation_id = "acquire", tag = "worker", request_body = Acquire,
    responses((status = 200, description = "What is leased to the worker from now on.", body = Acquired), Refusals, Missing, Unacceptable))]
pub(crate) async fn acquire(
    State(plane): Plain,
    access: Access,
    Body(request): Body<Acquire>,
) -> Result<Json<Acquired>, Refusal> {
    Ok(Json(service(plane, &access).acquire(request).await?))
}

/// Renews leases and learns what is wanted of each attempt.
#[utoipa::path(post, path = "/heartbeat", operation_id = "heartbeat", tag = "worker", request_body = Heartbeat,
    responses((status = 200, description = "One answer for each claim, in order.", body = HeartbeatAnswer), Refusals, Missing, Unacceptable))]
pub(crate) async fn heartbeat(
    State(plane): Plain,
    access: Access,
    Body(request): Body<Heartbeat>,
) -> Result<Json<HeartbeatAnswer>, Refusal> {
    Ok(Json(service(plane, &access).heartbeat(request).await?))
}

/// Whose commands.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Whose {
    /// `wkr_…`.
    worker: String,
}

/// Streams what cannot wait for the next heartbeat: server-sent events of type `command`, each with an `AttemptCommand` as JSON, and of type
/// `orders`, each with `Orders`, for workers that registered with version 4 or a later one. What still holds is sent again on each connection.
/// Events of another type are to be passed over. The stream ends when the server stops or the worker is not registered any more.
#[utoipa::path(get, path = "/commands", operation_id = "commands", tag = "worker", params(Whose),
    responses((status = 200, description = "The stream.", body = String, content_type = "text/event-stream"), Refusals, Missing))]
pub(crate) async fn commands(
    State(plane): Plain,
    access: Access,
    Params(Whose { worker }): Params<Whose>,
) -> Result<Response, Refusal> {
    let commands = service(Arc::clone(&plane), &access)
        .commands(worker)
        .await?;
    let event = |command: WorkerCommand| sse::event(None, command.event(), &command.data());
    Ok(sse::respond(&plane, commands.map(event)))
}

/// Says which snapshots the worker keeps: all of them, in place of what it said before.
#[utoipa::path(put, path = "/snapshots", operation_id = "snapshots", tag = "worker", request_body = SnapshotInventory,
    responses((status = 204, description = "Noted."), Refusals, Missing, Unacceptable))]
pub(crate) async fn snapshots(
    State(plane): Plain,
    access: Access,
    Body(request): Body<SnapshotInventory>,
) -> Result<StatusCode, Refusal> {
    service(plane, &access).snapshots(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says that the worker stops. Its attempts must have been finished or released.
#[utoipa::path(post, path = "/deregister", operation_id = "deregister", tag = "worker", request_body = Deregister,
    responses((status = 204, description = "Forgotten."), Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn deregister(
    State(plane): Plain,
    access: Access,
    Body(request): Body<Deregister>,
) -> Result<StatusCode, Refusal> {
    service(plane, &access).deregister(request).await?;
    Ok(StatusCode::NO_CONTENT)
}
