//! Shows the model.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::problem::Code;
use outwork_api::settings::Model;
use outwork_domain::principal::Viewer;

use super::{wire, wire_default};
use crate::http::openapi::{Missing, Refusals};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Shows the model that tasks use: the workspace's, or the server's default. Never its key.
#[utoipa::path(get, path = "/model", operation_id = "getModel", tag = "settings",
    responses((status = 200, description = "The model.", body = Model), Refusals, Missing))]
pub(crate) async fn get(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Viewer>,
) -> Result<Json<Model>, Refusal> {
    if let Some(record) = plane.store.model(member.workspace_id()).await? {
        return Ok(Json(wire(record)));
    }
    let default = plane
        .default_model
        .as_ref()
        .map(|model| Json(wire_default(&plane, model)));
    default.ok_or_else(|| {
        Refusal::new(Code::NotFound, "No model is set.").with_hint(
            "Set one with `outwork model set --base-url URL --name NAME --key-file FILE`.",
        )
    })
}
