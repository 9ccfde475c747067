//! Locks a worker out.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use outwork_domain::WorkerId;
use outwork_domain::principal::Admin;
use outwork_store::{Expulsion, StoreError};

use crate::http::openapi::{Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Revokes a worker's own token: nothing that it says is taken any more. It kills its sandboxes and ends as soon as it hears that; what it held
/// is given to others when its leases would have ended, which does not count as a failure.
#[utoipa::path(post, path = "/workers/{id}/revoke", operation_id = "revokeWorker", tag = "settings",
    params(("id" = String, Path, description = "`wkr_…`.")),
    responses((status = 204, description = "Revoked."), Refusals, Missing))]
pub(crate) async fn revoke(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Admin>,
    Id(id): Id<WorkerId>,
) -> Result<StatusCode, Refusal> {
    let store = &plane.store;
    let revoked = store
        .expel_worker(member.workspace_id(), id, Expulsion::Revoked, plane.now())
        .await;
    revoked.map_err(|fault| match fault {
        StoreError::NotFound => Refusal::not_found("valid token of worker", &id.to_string())
            .with_hint("`outwork workers tokens` shows the workers that have a token of their own; for others replace worker.token."),
        other => other.into(),
    })?;
    tracing::info!(worker = %id, by = member.principal().name, "a worker's token was revoked");
    Ok(StatusCode::NO_CONTENT)
}
