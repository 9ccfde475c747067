//! What differs between the kinds of integrations.

use axum::http::HeaderMap;
use outwork_api::integration::IntegrationSettings;
use outwork_domain::integration::Conversation;
use outwork_forges::Kind;
use outwork_store::TaskRecord;

use super::forge;
use super::receive::Received;
use super::settings::Known;
use super::slack;
use super::tell::Telling;
use crate::jobs::{Held, Outcome};
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Checks what came in, and says what it is. Quick, and without a look at anything but the integration.
pub(super) fn receive(
    plane: &Plane,
    known: &Known,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Received, Refusal> {
    match &known.settings {
        IntegrationSettings::Github(it) => forge::receive(plane, Kind::GitHub, it, headers, body),
        IntegrationSettings::Gitlab(it) => forge::receive(plane, Kind::GitLab, it, headers, body),
        IntegrationSettings::Gitea(it) => forge::receive(plane, Kind::Gitea, it, headers, body),
        IntegrationSettings::Slack(settings) => slack::receive(plane, settings, headers, body),
    }
}

/// Does what somebody asked for. It may have been begun before.
pub(super) async fn handle(held: &Held, known: &Known) -> Outcome {
    match &known.settings {
        IntegrationSettings::Github(it) => forge::handle(held, known, Kind::GitHub, it).await,
        IntegrationSettings::Gitlab(it) => forge::handle(held, known, Kind::GitLab, it).await,
        IntegrationSettings::Gitea(it) => forge::handle(held, known, Kind::Gitea, it).await,
        IntegrationSettings::Slack(settings) => slack::handle(held, known, settings).await,
    }
}

/// What a conversation is to be told of its task as it stands now, in order; what was told already has the same keys.
pub(super) fn tell(
    plane: &Plane,
    known: &Known,
    conversation: &Conversation,
    task: &TaskRecord,
) -> Telling {
    match &known.settings {
        IntegrationSettings::Github(_)
        | IntegrationSettings::Gitlab(_)
        | IntegrationSettings::Gitea(_) => forge::tell(plane, conversation, task),
        IntegrationSettings::Slack(_) => slack::tell(conversation, task, plane.now()),
    }
}

/// Sends a post. It may have been sent before: what must not be there twice is looked for.
pub(super) async fn send(held: &Held, known: &Known, conversation: &Conversation) -> Outcome {
    match &known.settings {
        IntegrationSettings::Github(it) => {
            forge::send(held, known, Kind::GitHub, it, conversation).await
        }
        IntegrationSettings::Gitlab(it) => {
            forge::send(held, known, Kind::GitLab, it, conversation).await
        }
        IntegrationSettings::Gitea(it) => {
            forge::send(held, known, Kind::Gitea, it, conversation).await
        }
        IntegrationSettings::Slack(settings) => {
            slack::send(held, known, settings, conversation).await
        }
    }
}
