//! Removes an integration.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use outwork_domain::IntegrationId;
use outwork_domain::principal::Admin;

use super::by_id;
use crate::http::openapi::{Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Removes an integration with its log of deliveries. Its tasks stay, and so does the name of the member that it acted as.
#[utoipa::path(delete, path = "/integrations/{id}", operation_id = "removeIntegration", tag = "integrations",
    params(("id" = String, Path, description = "`int_…`.")),
    responses((status = 204, description = "Removed."), Refusals, Missing))]
pub(crate) async fn remove(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
    Id(id): Id<IntegrationId>,
) -> Result<StatusCode, Refusal> {
    let workspace = admin.workspace_id();
    by_id(&plane, workspace, id).await?;
    plane
        .store
        .remove_integration(workspace, id, plane.now())
        .await?;
    tracing::info!(integration = %id, by = %admin.principal().id, "an integration was removed");
    Ok(StatusCode::NO_CONTENT)
}
