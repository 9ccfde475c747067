//! What a forge is asked with: the integration's token, or, for a GitHub App, one of the installation that may do nothing but what is needed
//! in one repository.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use outwork_api::Secret;
use outwork_api::credential::{CredentialSecret, ForgeKind, PushSettings};
use outwork_api::integration::{ForgeSettings, IntegrationSettings};
use outwork_api::time::Time;
use outwork_domain::{IntegrationId, Timestamp, WorkspaceId};
use outwork_forges::{Kind, app};
use outwork_store::StoreError;

use super::asking::with;
use super::settings::{api_url, host};
use crate::credentials::PushAccess;
use crate::plane::Plane;
use crate::publish::Trouble;
use crate::surfaces::settings::{self, Known};

/// A token is not used in its last minutes: what is begun with it must be done with it.
const BEFORE_END: Duration = Duration::from_secs(5 * 60);
/// More are not kept; they are asked for anew.
const MOST: usize = 1_000;

/// Tokens of installations, by integration and repository.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<(IntegrationId, String), (Secret, Timestamp)>>);

impl Tokens {
    fn get(&self, of: &(IntegrationId, String), now: Timestamp) -> Option<Secret> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (token, until) = tokens.get(of)?;
        (now + BEFORE_END < *until).then(|| token.clone())
    }

    fn keep(&self, of: (IntegrationId, String), token: Secret, until: Timestamp) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= MOST {
            tokens.clear();
        }
        tokens.insert(of, (token, until));
    }

    /// It was not taken.
    pub(super) fn forget(&self, integration: IntegrationId, repository: &str) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.remove(&(integration, repository.to_owned()));
    }
}

/// What an integration asks with about a repository. `installation` is known from a delivery; it is asked for where none is.
pub(super) async fn token(
    plane: &Plane,
    kind: Kind,
    integration: IntegrationId,
    settings: &ForgeSettings,
    repository: &str,
    installation: Option<u64>,
) -> Result<Secret, Trouble> {
    let (app_id, key) = match (&settings.token, settings.app_id, &settings.app_key) {
        (Some(token), _, _) => return Ok(token.clone()),
        (None, Some(app_id), Some(key)) => (app_id, key),
        (None, _, _) => {
            return Err(Trouble::last(
                "no_token",
                "The integration has neither a token nor an app's key.",
                "Give it one with `outwork integration edit`.",
            ));
        }
    };
    let of = (integration, repository.to_owned());
    if let Some(token) = plane.forge_tokens.get(&of, plane.now()) {
        return Ok(token);
    }
    let now_seconds = plane.now().as_millis() / 1000;
    let own = app::token(app_id, key.reveal(), now_seconds).map_err(|fault| {
        let text = crate::refusal::sentence(&fault.to_string());
        Trouble::last(
            "app_key",
            text,
            "Set it again with `outwork integration edit`.",
        )
    })?;
    let as_app = with(plane, kind, settings, repository, Secret::new(own));
    let installation = match installation {
        Some(installation) => installation,
        None => {
            let answer = as_app.ask(&app::installation_of(repository)).await?;
            let id = answer["id"].as_u64();
            id.ok_or_else(|| as_app.odd("an installation without a number"))?
        }
    };
    let answer = as_app
        .ask(&app::installation_token(installation, repository))
        .await?;
    let token = answer["token"].as_str().map(Secret::new);
    let until = serde_json::from_value::<Time>(answer["expires_at"].clone()).ok();
    let (Some(token), Some(until)) = (token, until) else {
        return Err(as_app.odd("no token"));
    };
    plane
        .forge_tokens
        .keep(of, token.clone(), until.timestamp());
    Ok(token)
}

/// What may publish to a repository where nobody stored a credential for it: an integration of its host.
pub(crate) async fn push_access(
    plane: &Plane,
    workspace: WorkspaceId,
    of_host: &str,
    path: &str,
) -> Result<Option<PushAccess>, Trouble> {
    for (known, kind, it) in of_workspace(plane, workspace).await? {
        if host(kind, &it) != of_host {
            continue;
        }
        let id = known.integration.id;
        let token = token(plane, kind, id, &it, path, None).await?;
        let (forge, username) = match kind {
            Kind::GitHub => (ForgeKind::Github, Some("x-access-token".to_owned())),
            Kind::GitLab => (ForgeKind::Gitlab, Some("oauth2".to_owned())),
            Kind::Gitea => (ForgeKind::Gitea, None),
        };
        return Ok(Some(PushAccess {
            secret: CredentialSecret::Token { username, token },
            settings: PushSettings {
                forge: Some(forge),
                api_url: Some(api_url(kind, &it)),
            },
        }));
    }
    Ok(None)
}

/// The forges of a workspace that are switched on.
async fn of_workspace(
    plane: &Plane,
    workspace: WorkspaceId,
) -> Result<Vec<(Known, Kind, ForgeSettings)>, StoreError> {
    let mut found = Vec::new();
    for record in plane.store.integrations(workspace).await? {
        let known = settings::of_owner(plane, &record.integration.id.to_string()).await?;
        let Some(known) = known.filter(|it| it.integration.is_active) else {
            continue;
        };
        let forge = match &known.settings {
            IntegrationSettings::Github(it) => (Kind::GitHub, it.clone()),
            IntegrationSettings::Gitlab(it) => (Kind::GitLab, it.clone()),
            IntegrationSettings::Gitea(it) => (Kind::Gitea, it.clone()),
            IntegrationSettings::Slack(_) => continue,
        };
        found.push((known, forge.0, forge.1));
    }
    Ok(found)
}
