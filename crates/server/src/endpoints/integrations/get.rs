//! Shows an integration.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::integration::Integration as Wire;
use outwork_domain::IntegrationId;
use outwork_domain::principal::Viewer;

use super::{by_id, wire};
use crate::http::openapi::{Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Shows an integration.
#[utoipa::path(get, path = "/integrations/{id}", operation_id = "getIntegration", tag = "integrations",
    params(("id" = String, Path, description = "`int_…`.")),
    responses((status = 200, description = "The integration.", body = Wire), Refusals, Missing))]
pub(crate) async fn get(
    State(plane): State<Arc<Plane>>,
    Permit(viewer): Permit<Viewer>,
    Id(id): Id<IntegrationId>,
) -> Result<Json<Wire>, Refusal> {
    let record = by_id(&plane, viewer.workspace_id(), id).await?;
    Ok(Json(wire(&plane, &record)?))
}
