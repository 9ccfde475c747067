//! Changes a member.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::member::{Member, MemberChange as Change};
use outwork_domain::PrincipalId;
use outwork_domain::principal::Admin;
use outwork_store::MemberChange;

use super::{missing, name, wire};
use crate::http::body::Body;
use crate::http::openapi::{Conflicts, Missing, Refusals, Unacceptable};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Gives a member another role or name; its tokens have the new role at once. The last admin who can sign in stays one.
#[utoipa::path(patch, path = "/members/{id}", operation_id = "changeMember", tag = "settings", request_body = Change,
    params(("id" = String, Path, description = "`prn_…`.")),
    responses((status = 200, description = "The member as it is now.", body = Member), Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn change(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
    Id(id): Id<PrincipalId>,
    Body(change): Body<Change>,
) -> Result<Json<Member>, Refusal> {
    let Change { role, name: asked } = change;
    let change = MemberChange {
        role: role.map(Into::into),
        name: asked.as_deref().map(name).transpose()?,
    };
    let workspace = admin.workspace_id();
    let changed = plane
        .store
        .change_member(workspace, id, change, plane.now())
        .await;
    let changed = changed.map_err(|fault| missing(id, fault))?;
    tracing::info!(member = %id, role = changed.role.as_str(), by = %admin.principal().id, "a member was changed");
    Ok(Json(wire(changed)))
}
