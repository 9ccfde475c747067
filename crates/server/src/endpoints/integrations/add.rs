//! Adds an integration.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use outwork_api::integration::{AppForm, Integration as Wire, NewApp, NewIntegration};
use outwork_domain::integration::Integration;
use outwork_domain::principal::{Admin, PrincipalKind, Role};
use outwork_domain::{IntegrationId, PrincipalId};
use outwork_store::{IntegrationRecord, MemberRecord};

use super::{environments, wire};
use crate::endpoints::members;
use crate::http::body::Body;
use crate::http::openapi::{Conflicts, Refusals, Unacceptable};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::surfaces::forge::app_form;
use crate::surfaces::settings;

/// Adds an integration, and a member of its name that it acts as.
#[utoipa::path(post, path = "/integrations", operation_id = "addIntegration", tag = "integrations", request_body = NewIntegration,
    responses((status = 201, description = "Added.", body = Wire), Refusals, Unacceptable, Conflicts))]
pub(crate) async fn add(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
    Body(new): Body<NewIntegration>,
) -> Result<(StatusCode, Json<Wire>), Refusal> {
    let id = IntegrationId::from_uuid(plane.ids.uuid());
    let record = make(&plane, &admin, id, new).await?;
    Ok((StatusCode::CREATED, Json(wire(&plane, &record)?)))
}

/// Makes the form of a GitHub App, which adds the integration when GitHub has made the app.
#[utoipa::path(post, path = "/integrations/github-app", operation_id = "beginApp", tag = "integrations", request_body = NewApp,
    responses((status = 200, description = "Where to go on in a browser.", body = AppForm), Refusals, Unacceptable))]
pub(crate) async fn begin_app(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
    Body(new): Body<NewApp>,
) -> Result<Json<AppForm>, Refusal> {
    app_form::begin(&plane, &admin, new).map(Json)
}

/// An integration of that id, and a member of its name.
pub(crate) async fn make(
    plane: &Plane,
    admin: &Admin,
    id: IntegrationId,
    new: NewIntegration,
) -> Result<IntegrationRecord, Refusal> {
    plane.need_space()?;
    let NewIntegration {
        name,
        environments: labels,
        default_environment,
        settings: asked,
    } = new;
    let (workspace, now) = (admin.workspace_id(), plane.now());
    environments(plane, workspace, &labels, default_environment.as_deref()).await?;
    let member = MemberRecord {
        id: PrincipalId::from_uuid(plane.ids.uuid()),
        kind: PrincipalKind::Integration,
        name: members::name(&name)?,
        role: Role::Member,
        created_at: now,
    };
    settings::check(&asked)?;
    let (plain, secrets) = settings::split(&asked);
    let stored = settings::Stored {
        environments: labels,
        default_environment,
        settings: plain,
    };
    let integration = Integration {
        id,
        workspace_id: workspace,
        kind: asked.kind().into(),
        name: member.name.clone(),
        principal_id: member.id,
        settings: serde_json::to_string(&stored).expect("plain data"),
        is_active: true,
        created_at: now,
        updated_at: now,
    };
    let record = IntegrationRecord {
        sealed: settings::seal(plane, &integration, &secrets),
        integration,
    };
    plane.store.add_integration(record.clone(), member).await?;
    tracing::info!(integration = %record.integration.id, kind = record.integration.kind.as_str(), by = %admin.principal().id, "an integration was added");
    Ok(record)
}
