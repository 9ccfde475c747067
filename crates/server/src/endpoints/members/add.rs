//! Adds a member.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use outwork_api::member::{Member, NewMember};
use outwork_domain::PrincipalId;
use outwork_domain::principal::Admin;
use outwork_store::MemberRecord;

use super::{name, wire};
use crate::http::body::Body;
use crate::http::openapi::{Conflicts, Refusals, Unacceptable};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Adds a member. It can sign in with a token that is made for it.
#[utoipa::path(post, path = "/members", operation_id = "addMember", tag = "settings", request_body = NewMember,
    responses((status = 201, description = "Added.", body = Member), Refusals, Unacceptable, Conflicts))]
pub(crate) async fn add(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
    Body(new): Body<NewMember>,
) -> Result<(StatusCode, Json<Member>), Refusal> {
    plane.need_space()?;
    let NewMember {
        name: asked,
        role,
        kind,
    } = new;
    let record = MemberRecord {
        id: PrincipalId::from_uuid(plane.ids.uuid()),
        kind: kind.into(),
        name: name(&asked)?,
        role: role.into(),
        created_at: plane.now(),
    };
    let workspace = admin.workspace_id();
    plane.store.add_member(workspace, record.clone()).await?;
    tracing::info!(member = %record.id, role = record.role.as_str(), by = %admin.principal().id, "a member was added");
    Ok((StatusCode::CREATED, Json(wire(record))))
}
