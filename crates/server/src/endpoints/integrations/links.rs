//! Who of the other system is which member.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use outwork_api::integration::{Link, NewLink};
use outwork_api::page::Page;
use outwork_domain::integration::{LinkedUser, is_external_id};
use outwork_domain::principal::Admin;
use outwork_domain::{IntegrationId, PrincipalId};

use super::{by_id, missing};
use crate::endpoints::members;
use crate::http::body::Body;
use crate::http::openapi::{Conflicts, Missing, Refusals, Unacceptable};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

fn wire(user: LinkedUser) -> Link {
    let LinkedUser {
        integration_id: _,
        external_id,
        name,
        principal_id,
        created_at,
    } = user;
    Link {
        external_id,
        name,
        member_id: principal_id.to_string(),
        created_at: created_at.into(),
    }
}

/// Lists who of the other system is known to be which member, all of them in one page.
#[utoipa::path(get, path = "/integrations/{id}/users", operation_id = "listLinkedUsers", tag = "integrations",
    params(("id" = String, Path, description = "`int_…`.")),
    responses((status = 200, description = "Who is known.", body = Page<Link>), Refusals, Missing))]
pub(crate) async fn list(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
    Id(id): Id<IntegrationId>,
) -> Result<Json<Page<Link>>, Refusal> {
    by_id(&plane, admin.workspace_id(), id).await?;
    let users = plane.store.linked_users(id).await?;
    Ok(Json(Page {
        items: users.into_iter().map(wire).collect(),
        next_cursor: None,
    }))
}

/// Says which member somebody of the other system is: what that person asks for there is asked for by the member, with the member's role.
#[utoipa::path(post, path = "/integrations/{id}/users", operation_id = "linkUser", tag = "integrations", request_body = NewLink,
    params(("id" = String, Path, description = "`int_…`.")),
    responses((status = 201, description = "Linked; who was linked before is replaced.", body = Link), Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn link(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
    Id(id): Id<IntegrationId>,
    Body(new): Body<NewLink>,
) -> Result<(StatusCode, Json<Link>), Refusal> {
    plane.need_space()?;
    let NewLink {
        external_id,
        name,
        member_id,
    } = new;
    by_id(&plane, admin.workspace_id(), id).await?;
    if !is_external_id(&external_id) {
        let detail = "must be an id of 1 to 255 letters, digits, `_` and `-`, and no name";
        return Err(Refusal::field("/external_id", detail));
    }
    let member: Result<PrincipalId, _> = member_id.parse();
    let principal_id = member.map_err(|fault| Refusal::field("/member_id", format!("{fault}")))?;
    let user = LinkedUser {
        integration_id: id,
        name: name.map_or_else(|| Ok(external_id.clone()), |name| members::name(&name))?,
        external_id,
        principal_id,
        created_at: plane.now(),
    };
    let linked = plane
        .store
        .link_user(admin.workspace_id(), user.clone())
        .await;
    linked.map_err(|fault| members::missing(principal_id, fault))?;
    tracing::info!(integration = %id, member = %principal_id, by = %admin.principal().id, "somebody was linked");
    Ok((StatusCode::CREATED, Json(wire(user))))
}

/// Forgets which member somebody of the other system is.
#[utoipa::path(delete, path = "/integrations/{id}/users/{external_id}", operation_id = "unlinkUser", tag = "integrations",
    params(("id" = String, Path, description = "`int_…`."), ("external_id" = String, Path, description = "What the other system calls that person.")),
    responses((status = 204, description = "Forgotten."), Refusals, Missing))]
pub(crate) async fn unlink(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
    Path((id, external_id)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    let integration: IntegrationId = id.parse().map_err(|_| missing(&id))?;
    let forgotten = plane
        .store
        .unlink_user(admin.workspace_id(), integration, &external_id)
        .await;
    forgotten.map_err(|_| Refusal::not_found("linked user", &external_id))?;
    Ok(StatusCode::NO_CONTENT)
}
