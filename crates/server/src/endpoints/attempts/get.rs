//! Shows an attempt.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::task::Attempt;
use outwork_domain::AttemptId;
use outwork_domain::principal::Viewer;

use crate::http::openapi::{Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view;

/// Shows an attempt.
#[utoipa::path(get, path = "/attempts/{id}", operation_id = "getAttempt", tag = "attempts",
    params(("id" = String, Path, description = "`att_…`.")),
    responses((status = 200, description = "The attempt.", body = Attempt), Refusals, Missing))]
pub(crate) async fn get(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
    Id(id): Id<AttemptId>,
) -> Result<Json<Attempt>, Refusal> {
    let record = super::by_id(&plane, member.workspace_id(), id).await?;
    Ok(Json(view::attempt::wire(record)))
}
