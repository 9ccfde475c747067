//! Shows a publication.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::publication::Publication;
use outwork_domain::PublicationId;
use outwork_domain::principal::Viewer;

use crate::http::openapi::{Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::view;

/// Shows how far a publication has come.
#[utoipa::path(get, path = "/publications/{id}", operation_id = "getPublication", tag = "tasks",
    params(("id" = String, Path, description = "`pub_…`.")),
    responses((status = 200, description = "The publication.", body = Publication), Refusals, Missing))]
pub(crate) async fn get(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
    Id(id): Id<PublicationId>,
) -> Result<Json<Publication>, Refusal> {
    let found = plane.store.publication(member.workspace_id(), id).await?;
    let found = found.ok_or_else(|| Refusal::not_found("publication", &id.to_string()))?;
    Ok(Json(view::publication::wire(found)))
}
