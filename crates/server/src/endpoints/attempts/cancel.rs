//! Cancels an attempt.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::task::Attempt;
use outwork_domain::AttemptId;
use outwork_domain::principal::Member;
use outwork_store::StoreError;

use super::missing;
use crate::http::openapi::{Conflicts, Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view;

/// Stops one attempt. See `cancelTask`.
#[utoipa::path(post, path = "/attempts/{id}/cancel", operation_id = "cancelAttempt", tag = "attempts",
    params(("id" = String, Path, description = "`att_…`.")),
    responses((status = 200, description = "The attempt as it is now.", body = Attempt), Refusals, Missing, Conflicts))]
pub(crate) async fn cancel(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Member>,
    Id(id): Id<AttemptId>,
) -> Result<Json<Attempt>, Refusal> {
    match plane
        .store
        .cancel(member.workspace_id(), id, plane.now())
        .await
    {
        Ok(record) => Ok(Json(view::attempt::wire(record))),
        Err(StoreError::NotFound) => Err(missing(id)),
        Err(other) => Err(other.into()),
    }
}
