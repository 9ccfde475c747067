//! Lists the tokens of a member.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::member::MemberToken;
use outwork_api::page::Page;
use outwork_domain::PrincipalId;
use outwork_domain::principal::Viewer;
use outwork_store::StoreError;

use super::{may_see, wire};
use crate::endpoints::members;
use crate::http::openapi::{Missing, Refusals};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Lists the tokens of a member, the newest first, all of them in one page; without their texts. Those of others are shown to admins.
#[utoipa::path(get, path = "/members/{id}/tokens", operation_id = "listMemberTokens", tag = "settings",
    params(("id" = String, Path, description = "`prn_…`.")),
    responses((status = 200, description = "The tokens.", body = Page<MemberToken>), Refusals, Missing))]
pub(crate) async fn list(
    State(plane): State<Arc<Plane>>,
    Permit(viewer): Permit<Viewer>,
    Id(id): Id<PrincipalId>,
) -> Result<Json<Page<MemberToken>>, Refusal> {
    may_see(&viewer, id)?;
    let workspace = viewer.workspace_id();
    let member = plane.store.member(workspace, id).await?;
    member.ok_or_else(|| members::missing(id, StoreError::NotFound))?;
    let tokens = plane.store.member_tokens(workspace, id).await?;
    Ok(Json(Page {
        items: tokens.into_iter().map(wire).collect(),
        next_cursor: None,
    }))
}
