//! Removes a schedule.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use outwork_domain::ScheduleId;
use outwork_domain::principal::Member;

use super::{missing, own};
use crate::http::openapi::{Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Removes a schedule and its history: one's own, or, as an admin, anybody's. Its tasks stay.
#[utoipa::path(delete, path = "/schedules/{id}", operation_id = "removeSchedule", tag = "schedules",
    params(("id" = String, Path, description = "`sch_…`.")),
    responses((status = 204, description = "Removed."), Refusals, Missing))]
pub(crate) async fn remove(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Member>,
    Id(id): Id<ScheduleId>,
) -> Result<StatusCode, Refusal> {
    own(&plane, &member, id).await?;
    let deleted = plane.store.delete_schedule(member.workspace_id(), id).await;
    deleted.map_err(|fault| missing(id, fault))?;
    tracing::info!(schedule = %id, by = %member.principal().id, "a schedule was removed");
    Ok(StatusCode::NO_CONTENT)
}
