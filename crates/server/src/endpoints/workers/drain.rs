//! Puts a worker out of work, for a while or for good, and back.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use outwork_api::enrolment::Drain;
use outwork_domain::WorkerId;
use outwork_domain::principal::{Admin, WorkerDesired};
use outwork_store::Order;

use crate::http::body::Body;
use crate::http::openapi::{Missing, Refusals, Unacceptable};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

const MAX_SECONDS: u64 = 365 * 24 * 3600;

/// Wants a worker to take nothing more. What it runs may go on until the deadline, and is then given to another worker, which does not count
/// as a failure. Sent again it sets the deadline anew.
#[utoipa::path(post, path = "/workers/{id}/drain", operation_id = "drainWorker", tag = "settings",
    params(("id" = String, Path, description = "`wkr_…`.")), request_body = Drain,
    responses((status = 204, description = "The worker is told; it is given nothing more."), Refusals, Missing, Unacceptable))]
pub(crate) async fn drain(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Admin>,
    Id(id): Id<WorkerId>,
    Body(how): Body<Drain>,
) -> Result<StatusCode, Refusal> {
    want(&plane, &member, id, WorkerDesired::Drain, how).await
}

/// Wants a worker to drain and then to end for good: it is forgotten, and its own token is revoked. One that is away is forgotten as soon as it
/// holds nothing any more.
#[utoipa::path(post, path = "/workers/{id}/retire", operation_id = "retireWorker", tag = "settings",
    params(("id" = String, Path, description = "`wkr_…`.")), request_body = Drain,
    responses((status = 204, description = "The worker is told; it is given nothing more."), Refusals, Missing, Unacceptable))]
pub(crate) async fn retire(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Admin>,
    Id(id): Id<WorkerId>,
    Body(how): Body<Drain>,
) -> Result<StatusCode, Refusal> {
    want(&plane, &member, id, WorkerDesired::Retire, how).await
}

/// Wants a worker to take work again, also one that was to be retired and is still there.
#[utoipa::path(post, path = "/workers/{id}/undrain", operation_id = "undrainWorker", tag = "settings",
    params(("id" = String, Path, description = "`wkr_…`.")),
    responses((status = 204, description = "It is given work again."), Refusals, Missing))]
pub(crate) async fn undrain(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Admin>,
    Id(id): Id<WorkerId>,
) -> Result<StatusCode, Refusal> {
    want(&plane, &member, id, WorkerDesired::Run, Drain::default()).await
}

async fn want(
    plane: &Plane,
    member: &Admin,
    worker: WorkerId,
    desired: WorkerDesired,
    how: Drain,
) -> Result<StatusCode, Refusal> {
    let Drain { deadline_seconds } = how;
    if deadline_seconds.is_some_and(|seconds| seconds > MAX_SECONDS) {
        return Err(Refusal::field(
            "/deadline_seconds",
            format!("must be at most {MAX_SECONDS}"),
        ));
    }
    let order = Order::Desired {
        desired,
        deadline_at: deadline_seconds.map(|seconds| plane.now() + Duration::from_secs(seconds)),
    };
    super::order(plane, member, worker, order).await?;
    Ok(StatusCode::NO_CONTENT)
}
