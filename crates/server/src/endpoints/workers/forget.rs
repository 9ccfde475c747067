//! Forgets a worker that is gone.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use outwork_domain::WorkerId;
use outwork_domain::principal::Admin;
use outwork_store::Expulsion;

use super::missing;
use crate::http::openapi::{Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Forgets a worker whose machine is gone, at once and for good: what it held is given to others without waiting for its leases, and its own
/// token is revoked. If it still runs, what it does for those attempts is done twice, and refused when it hands it in.
#[utoipa::path(delete, path = "/workers/{id}", operation_id = "forgetWorker", tag = "settings",
    params(("id" = String, Path, description = "`wkr_…`.")),
    responses((status = 204, description = "Forgotten."), Refusals, Missing))]
pub(crate) async fn forget(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Admin>,
    Id(id): Id<WorkerId>,
) -> Result<StatusCode, Refusal> {
    let store = &plane.store;
    store
        .expel_worker(member.workspace_id(), id, Expulsion::Gone, plane.now())
        .await
        .map_err(|fault| missing(id, fault))?;
    tracing::info!(worker = %id, by = member.principal().name, "a worker was forgotten");
    Ok(StatusCode::NO_CONTENT)
}
