//! What an admin set of an integration: the plain part as JSON, the secrets sealed beside it.

use outwork_api::integration::IntegrationSettings;
use outwork_api::problem::Code;
use outwork_domain::IntegrationId;
use outwork_domain::integration::Integration;
use outwork_forges::Kind;
use outwork_store::{IntegrationRecord, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{forge, slack};
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::seal::Place;

/// The plain part, as it is stored.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// Labels; empty: all.
    pub(crate) environments: Vec<String>,
    pub(crate) default_environment: Option<String>,
    /// Of the kind, without secrets.
    pub(crate) settings: Map<String, Value>,
}

/// An integration with all that it knows.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) integration: Integration,
    pub(crate) environments: Vec<String>,
    pub(crate) default_environment: Option<String>,
    pub(crate) settings: IntegrationSettings,
}

/// Names of secrets and what they are.
pub(crate) type Secrets = Map<String, Value>;

/// Takes the secrets out.
pub(crate) fn split(settings: &IntegrationSettings) -> (Map<String, Value>, Secrets) {
    let Ok(Value::Object(mut plain)) = serde_json::to_value(settings) else {
        unreachable!("settings are an object");
    };
    let names = settings.secrets().iter();
    let secrets = names.filter_map(|name| plain.remove_entry(*name)).collect();
    (plain, secrets)
}

/// Refuses settings that cannot be what somebody means.
pub(crate) fn check(settings: &IntegrationSettings) -> Result<(), Refusal> {
    match settings {
        IntegrationSettings::Github(it) => forge::check(Kind::GitHub, it),
        IntegrationSettings::Gitlab(it) => forge::check(Kind::GitLab, it),
        IntegrationSettings::Gitea(it) => forge::check(Kind::Gitea, it),
        IntegrationSettings::Slack(it) => slack::check(it),
    }
}

/// Of an id in an address.
pub(crate) async fn known(plane: &Plane, id: IntegrationId) -> Result<Option<Known>, Refusal> {
    match plane.store.integration(id).await? {
        Some(record) => open(plane, record).map(Some),
        None => Ok(None),
    }
}

/// Of the owner of a job.
pub(crate) async fn of_owner(plane: &Plane, owner: &str) -> Result<Option<Known>, StoreError> {
    let Ok(id) = owner.parse() else {
        return Ok(None);
    };
    let record = plane.store.integration(id).await?;
    Ok(record.and_then(|record| open(plane, record).ok()))
}

pub(crate) fn secrets(plane: &Plane, record: &IntegrationRecord) -> Result<Secrets, Refusal> {
    let Some(sealed) = &record.sealed else {
        return Ok(Secrets::new());
    };
    let opened = plane.seal.open(sealed, place(&record.integration));
    let opened = opened.map_err(|fault| unreadable(&fault.to_string()))?;
    serde_json::from_str(&opened).map_err(|fault| unreadable(&fault.to_string()))
}

pub(crate) fn seal(plane: &Plane, integration: &Integration, secrets: &Secrets) -> Option<Vec<u8>> {
    let text = Value::Object(secrets.clone()).to_string();
    (!secrets.is_empty()).then(|| plane.close(&text, place(integration)))
}

fn place(integration: &Integration) -> Place<'static> {
    Place::Integration {
        workspace: integration.workspace_id,
        integration: integration.id,
    }
}

pub(crate) fn stored(integration: &Integration) -> Result<Stored, Refusal> {
    serde_json::from_str(&integration.settings).map_err(|fault| unreadable(&fault.to_string()))
}

fn open(plane: &Plane, record: IntegrationRecord) -> Result<Known, Refusal> {
    let secrets = secrets(plane, &record)?;
    let Stored {
        environments,
        default_environment,
        settings,
    } = stored(&record.integration)?;
    Ok(Known {
        integration: record.integration,
        environments,
        default_environment,
        settings: whole(settings, secrets)?,
    })
}

/// Plain part and secrets together.
pub(crate) fn whole(
    mut plain: Map<String, Value>,
    secrets: Secrets,
) -> Result<IntegrationSettings, Refusal> {
    plain.extend(secrets);
    serde_json::from_value(Value::Object(plain)).map_err(|fault| unreadable(&fault.to_string()))
}

fn unreadable(why: &str) -> Refusal {
    tracing::error!(why, "the settings of an integration cannot be read");
    Refusal::new(
        Code::Internal,
        "The settings of the integration cannot be read.",
    )
    .with_hint("Set them anew with `outwork integration edit`.")
}
