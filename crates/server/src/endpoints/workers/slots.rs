//! Sets how many attempts a worker runs at once.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use outwork_api::enrolment::SetSlots;
use outwork_domain::WorkerId;
use outwork_domain::principal::Admin;
use outwork_store::Order;

use crate::http::body::Body;
use crate::http::openapi::{Missing, Refusals, Unacceptable};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::worker::MAX_SLOTS;

/// Sets how many attempts a worker runs at once, until it is set anew, also over its restarts. What runs goes on if that is fewer than now.
#[utoipa::path(put, path = "/workers/{id}/slots", operation_id = "setWorkerSlots", tag = "settings",
    params(("id" = String, Path, description = "`wkr_…`.")), request_body = SetSlots,
    responses((status = 204, description = "The worker is told; it is given no more than that."), Refusals, Missing, Unacceptable))]
pub(crate) async fn set(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Admin>,
    Id(id): Id<WorkerId>,
    Body(SetSlots { slots }): Body<SetSlots>,
) -> Result<StatusCode, Refusal> {
    if slots.is_some_and(|slots| !(1..=MAX_SLOTS).contains(&slots)) {
        let detail = format!("must be 1 to {MAX_SLOTS}; drain the worker to give it nothing");
        return Err(Refusal::field("/slots", detail));
    }
    super::order(&plane, &member, id, Order::Slots(slots)).await?;
    Ok(StatusCode::NO_CONTENT)
}
