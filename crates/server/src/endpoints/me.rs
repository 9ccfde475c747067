//! Who is asking.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::settings::{Me, Workspace};
use outwork_domain::principal::PrincipalKind;

use crate::http::openapi::Refusals;
use crate::http::permit::Anybody;
use crate::plane::Plane;

/// Says whom the token speaks for. The only operation that takes a token of every kind.
#[utoipa::path(get, path = "/me", operation_id = "getMe", tag = "settings",
    responses((status = 200, description = "Who it is.", body = Me), Refusals))]
pub(crate) async fn me(State(plane): State<Arc<Plane>>, anybody: Anybody) -> Json<Me> {
    let Anybody {
        principal,
        workspace_name,
        scopes,
    } = anybody;
    let role = match principal.kind {
        PrincipalKind::User | PrincipalKind::Integration => {
            Some(principal.role.as_str().to_owned())
        }
        PrincipalKind::Worker => None,
    };
    let workspace = Workspace {
        id: principal.workspace_id.to_string(),
        name: workspace_name.clone(),
    };
    Json(Me {
        id: principal.id.to_string(),
        role,
        scopes: scopes.iter().map(|it| it.as_str().to_owned()).collect(),
        workspace: Some(workspace),
        principal_id: principal.id.to_string(),
        kind: principal.kind.as_str().to_owned(),
        name: principal.name,
        workspace_id: principal.workspace_id.to_string(),
        workspace_name,
        server_version: plane.version.clone(),
    })
}
