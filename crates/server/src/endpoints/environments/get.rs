//! Shows an environment.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use outwork_api::environment::Environment as Wire;
use outwork_domain::EnvironmentId;
use outwork_domain::principal::Viewer;

use crate::http::openapi::{Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Shows an environment.
#[utoipa::path(get, path = "/environments/{id}", operation_id = "getEnvironment", tag = "environments",
    params(("id" = String, Path, description = "`env_…`.")),
    responses((status = 200, description = "The environment.", body = Wire, headers(("ETag" = String, description = "Its revision."))),
        Refusals, Missing))]
pub(crate) async fn get(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
    Id(id): Id<EnvironmentId>,
) -> Result<Response, Refusal> {
    Ok(super::tagged(
        super::by_id(&plane, member.workspace_id(), id).await?,
    ))
}
