//! Shows a schedule.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::schedule::Schedule as Wire;
use outwork_domain::ScheduleId;
use outwork_domain::principal::Viewer;

use super::{by_id, shown};
use crate::http::openapi::{Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Shows a schedule, with its next times and what became of the last one.
#[utoipa::path(get, path = "/schedules/{id}", operation_id = "getSchedule", tag = "schedules",
    params(("id" = String, Path, description = "`sch_…`.")),
    responses((status = 200, description = "The schedule.", body = Wire), Refusals, Missing))]
pub(crate) async fn get(
    State(plane): State<Arc<Plane>>,
    Permit(viewer): Permit<Viewer>,
    Id(id): Id<ScheduleId>,
) -> Result<Json<Wire>, Refusal> {
    let schedule = by_id(&plane, viewer.workspace_id(), id).await?;
    Ok(Json(shown(&plane, schedule).await?))
}
