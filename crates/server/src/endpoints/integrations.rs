//! Integrations: forges and chats that give tasks.

pub(crate) mod add;
pub(crate) mod change;
pub(crate) mod deliveries;
pub(crate) mod get;
pub(crate) mod links;
pub(crate) mod list;
pub(crate) mod remove;

use outwork_api::integration::Integration as Wire;
use outwork_domain::IntegrationId;
use outwork_domain::WorkspaceId;
use outwork_store::IntegrationRecord;
use serde_json::Value;

use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::surfaces::settings;

const MOST_ENVIRONMENTS: usize = 100;

pub(crate) fn missing(id: &str) -> Refusal {
    Refusal::not_found("integration", id)
        .with_hint("`outwork integration list` shows the integrations.")
}

/// An integration of the workspace.
async fn by_id(
    plane: &Plane,
    workspace: WorkspaceId,
    id: IntegrationId,
) -> Result<IntegrationRecord, Refusal> {
    let record = plane.store.integration(id).await?;
    let record = record.filter(|it| it.integration.workspace_id == workspace);
    record.ok_or_else(|| missing(&id.to_string()))
}

fn wire(plane: &Plane, record: &IntegrationRecord) -> Result<Wire, Refusal> {
    let settings::Stored {
        environments,
        default_environment,
        mut settings,
    } = settings::stored(&record.integration)?;
    // With another key than they were sealed with there are none.
    let secrets = settings::secrets(plane, record).unwrap_or_default();
    settings.remove("kind");
    let it = &record.integration;
    Ok(Wire {
        id: it.id.to_string(),
        kind: it.kind.as_str().to_owned(),
        name: it.name.clone(),
        environments,
        default_environment,
        is_active: it.is_active,
        member_id: it.principal_id.to_string(),
        hook_url: format!("{}/hooks/{}", plane.public_url, it.id),
        settings: Value::Object(settings),
        secrets: secrets.into_iter().map(|(name, _)| name).collect(),
        created_at: it.created_at.into(),
        updated_at: it.updated_at.into(),
    })
}

/// Environments that exist, by their labels as they are.
async fn environments(
    plane: &Plane,
    workspace: WorkspaceId,
    asked: &[String],
    default: Option<&str>,
) -> Result<(), Refusal> {
    if asked.len() > MOST_ENVIRONMENTS {
        let detail = format!("must be at most {MOST_ENVIRONMENTS}");
        return Err(Refusal::field("/environments", detail));
    }
    for (at, label) in asked.iter().enumerate() {
        let found = super::environments::by_name(plane, workspace, label).await;
        found.map_err(|_| {
            Refusal::field(
                &format!("/environments/{at}"),
                format!("no environment is called `{label}`"),
            )
        })?;
    }
    let Some(default) = default else {
        return Ok(());
    };
    if !asked.is_empty() && !asked.iter().any(|label| label == default) {
        let detail = "must be one of `environments`";
        return Err(Refusal::field("/default_environment", detail));
    }
    let found = super::environments::by_name(plane, workspace, default).await;
    found.map_err(|_| {
        Refusal::field(
            "/default_environment",
            format!("no environment is called `{default}`"),
        )
    })?;
    Ok(())
}
