//! Changes an integration.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::integration::{Integration as Wire, IntegrationChange};
use outwork_domain::IntegrationId;
use outwork_domain::integration::IntegrationKind;
use outwork_domain::principal::Admin;

use super::{by_id, environments, wire};
use crate::endpoints::members;
use crate::http::body::Body;
use crate::http::openapi::{Conflicts, Missing, Refusals, Unacceptable};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::surfaces::settings;

/// Changes an integration. What is left out stays, secrets too.
#[utoipa::path(patch, path = "/integrations/{id}", operation_id = "changeIntegration", tag = "integrations", request_body = IntegrationChange,
    params(("id" = String, Path, description = "`int_…`.")),
    responses((status = 200, description = "The integration as it is now.", body = Wire), Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn change(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
    Id(id): Id<IntegrationId>,
    Body(change): Body<IntegrationChange>,
) -> Result<Json<Wire>, Refusal> {
    let workspace = admin.workspace_id();
    let mut record = by_id(&plane, workspace, id).await?;
    let mut stored = settings::stored(&record.integration)?;
    let IntegrationChange {
        name,
        environments: labels,
        default_environment,
        is_active,
        settings: asked,
    } = change;
    if let Some(labels) = labels {
        stored.environments = labels;
    }
    if let Some(label) = default_environment {
        stored.default_environment = Some(label).filter(|label| !label.is_empty());
    }
    let default = stored.default_environment.as_deref();
    environments(&plane, workspace, &stored.environments, default).await?;
    if let Some(asked) = asked {
        if IntegrationKind::from(asked.kind()) != record.integration.kind {
            let detail = "must be of the integration's kind, which stays";
            return Err(Refusal::field("/settings/kind", detail));
        }
        let (plain, new) = settings::split(&asked);
        let mut secrets = settings::secrets(&plane, &record).unwrap_or_default();
        secrets.extend(new);
        settings::check(&settings::whole(plain.clone(), secrets.clone())?)?;
        stored.settings = plain;
        record.sealed = settings::seal(&plane, &record.integration, &secrets);
    }
    let it = &mut record.integration;
    if let Some(name) = name {
        it.name = members::name(&name)?;
    }
    it.is_active = is_active.unwrap_or(it.is_active);
    it.settings = serde_json::to_string(&stored).expect("plain data");
    it.updated_at = plane.now();
    plane.store.change_integration(record.clone()).await?;
    tracing::info!(integration = %id, by = %admin.principal().id, "an integration was changed");
    Ok(Json(wire(&plane, &record)?))
}
