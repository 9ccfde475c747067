//! Notifications: what a member, or who works with an environment, is told.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use outwork_api::notice::{
    NotificationPlace, NotificationRule, Notifications, QuietHours as WireHours,
};
use outwork_domain::integration::IntegrationKind;
use outwork_domain::notice::{
    CHANNEL_CHARS, NoticeSettings, Occasion, Place, QuietHours, RULES, Rule,
};
use outwork_domain::principal::{Member, Viewer};
use outwork_domain::{EnvironmentId, IntegrationId, WebhookId, WorkspaceId};
use outwork_store::NoticeOwner;

use super::{environments, webhooks};
use crate::http::body::Body;
use crate::http::openapi::{Missing, Refusals, Unacceptable};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::notices::external_id;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// What you are told of your own tasks.
#[utoipa::path(get, path = "/me/notifications", operation_id = "getNotifications", tag = "settings",
    responses((status = 200, description = "The settings.", body = Notifications), Refusals))]
pub(crate) async fn mine(
    State(plane): State<Arc<Plane>>,
    Permit(viewer): Permit<Viewer>,
) -> Result<Json<Notifications>, Refusal> {
    let owner = NoticeOwner::Member(viewer.principal().id);
    show(&plane, viewer.workspace_id(), owner).await
}

/// Sets what you are told of your own tasks.
#[utoipa::path(put, path = "/me/notifications", operation_id = "setNotifications", tag = "settings", request_body = Notifications,
    responses((status = 200, description = "The settings as they are now.", body = Notifications), Refusals, Unacceptable))]
pub(crate) async fn set_mine(
    State(plane): State<Arc<Plane>>,
    Permit(viewer): Permit<Viewer>,
    Body(wanted): Body<Notifications>,
) -> Result<Json<Notifications>, Refusal> {
    let owner = NoticeOwner::Member(viewer.principal().id);
    set(&plane, viewer.workspace_id(), owner, wanted).await
}

/// What is told of all tasks of an environment.
#[utoipa::path(get, path = "/environments/{id}/notifications", operation_id = "getEnvironmentNotifications", tag = "environments",
    params(("id" = String, Path, description = "`env_…`.")),
    responses((status = 200, description = "The settings.", body = Notifications), Refusals, Missing))]
pub(crate) async fn of_environment(
    State(plane): State<Arc<Plane>>,
    Permit(viewer): Permit<Viewer>,
    Id(id): Id<EnvironmentId>,
) -> Result<Json<Notifications>, Refusal> {
    let workspace = viewer.workspace_id();
    environments::by_id(&plane, workspace, id).await?;
    show(&plane, workspace, NoticeOwner::Environment(id)).await
}

/// Sets what is told of all tasks of an environment.
#[utoipa::path(put, path = "/environments/{id}/notifications", operation_id = "setEnvironmentNotifications", tag = "environments",
    request_body = Notifications, params(("id" = String, Path, description = "`env_…`.")),
    responses((status = 200, description = "The settings as they are now.", body = Notifications), Refusals, Missing, Unacceptable))]
pub(crate) async fn set_of_environment(
    State(plane): State<Arc<Plane>>,
    Permit(member): Permit<Member>,
    Id(id): Id<EnvironmentId>,
    Body(wanted): Body<Notifications>,
) -> Result<Json<Notifications>, Refusal> {
    let workspace = member.workspace_id();
    environments::by_id(&plane, workspace, id).await?;
    set(&plane, workspace, NoticeOwner::Environment(id), wanted).await
}

async fn show(
    plane: &Plane,
    workspace: WorkspaceId,
    owner: NoticeOwner,
) -> Result<Json<Notifications>, Refusal> {
    let settings = plane.store.notice_settings(workspace, owner).await?;
    Ok(Json(wire(settings)))
}

async fn set(
    plane: &Plane,
    workspace: WorkspaceId,
    owner: NoticeOwner,
    wanted: Notifications,
) -> Result<Json<Notifications>, Refusal> {
    plane.need_space()?;
    let Notifications { rules, quiet_hours } = wanted;
    if rules.len() > RULES {
        let detail = format!("holds {}; at most {RULES} are possible", rules.len());
        return Err(Refusal::field("/rules", detail));
    }
    let mut checked = Vec::new();
    for (number, rule) in rules.into_iter().enumerate() {
        checked.push(check(plane, workspace, owner, number, rule).await?);
    }
    let quiet = quiet_hours.map(|hours| {
        let WireHours {
            from,
            to,
            time_zone,
        } = hours;
        QuietHours::parse(&from, &to, &time_zone)
            .map_err(|fault| Refusal::field("/quiet_hours", fault.to_string()))
    });
    let settings = NoticeSettings {
        rules: checked,
        quiet: quiet.transpose()?,
    };
    let now = plane.now();
    plane
        .store
        .set_notice_settings(workspace, owner, settings.clone(), now)
        .await?;
    Ok(Json(wire(settings)))
}

async fn check(
    plane: &Plane,
    workspace: WorkspaceId,
    owner: NoticeOwner,
    number: usize,
    rule: NotificationRule,
) -> Result<Rule, Refusal> {
    let NotificationRule { events, to } = rule;
    let mut occasions = Vec::new();
    for name in events {
        let Some(occasion) = Occasion::parse(&name) else {
            let known: Vec<_> = Occasion::ALL.iter().map(|it| it.as_str()).collect();
            let shown: String = name.chars().take(80).collect();
            let detail = format!("holds `{shown}`; there are {}", known.join(", "));
            return Err(Refusal::field(&format!("/rules/{number}/events"), detail));
        };
        if !occasions.contains(&occasion) {
            occasions.push(occasion);
        }
    }
    if occasions.is_empty() {
        let detail = "must name what is told";
        return Err(Refusal::field(&format!("/rules/{number}/events"), detail));
    }
    let place = match to {
        NotificationPlace::None => Place::None,
        NotificationPlace::Unknown => {
            let detail = "must be `slack`, `webhook` or `none`";
            return Err(Refusal::field(&format!("/rules/{number}/to/kind"), detail));
        }
        NotificationPlace::Webhook { webhook_id } => {
            let pointer = format!("/rules/{number}/to/webhook_id");
            let id: Result<WebhookId, _> = webhook_id.parse();
            let id = id.map_err(|fault| Refusal::field(&pointer, fault.to_string()))?;
            webhooks::find(plane, workspace, id).await?;
            Place::Webhook(id)
        }
        NotificationPlace::Slack {
            integration_id,
            channel,
        } => {
            let to = format!("/rules/{number}/to");
            slack(plane, workspace, owner, &to, &integration_id, channel).await?
        }
    };
    Ok(Rule { occasions, place })
}

async fn slack(
    plane: &Plane,
    workspace: WorkspaceId,
    owner: NoticeOwner,
    pointer: &str,
    integration: &str,
    channel: Option<String>,
) -> Result<Place, Refusal> {
    let field = |name: &str, detail: String| Refusal::field(&format!("{pointer}/{name}"), detail);
    let id: Result<IntegrationId, _> = integration.parse();
    let id = id.map_err(|fault| field("integration_id", fault.to_string()))?;
    let found = plane.store.integration(id).await?;
    let is_slack = found.is_some_and(|record| {
        let it = record.integration;
        it.workspace_id == workspace && it.kind == IntegrationKind::Slack
    });
    if !is_slack {
        let detail = "must be an integration with Slack of this workspace".to_owned();
        return Err(field("integration_id", detail)
            .with_hint("`outwork integration list` shows the integrations."));
    }
    match (&channel, owner) {
        (Some(channel), _) => {
            let length = channel.chars().count();
            let is_id = channel.chars().all(|c| c.is_ascii_alphanumeric());
            if length == 0 || length > CHANNEL_CHARS || !is_id {
                return Err(field(
                    "channel",
                    "must be a channel's id, such as C0123ABCD".to_owned(),
                ));
            }
        }
        (None, NoticeOwner::Environment(_)) => {
            let detail = "must be there: an environment has nobody to write to".to_owned();
            return Err(field("channel", detail));
        }
        (None, NoticeOwner::Member(member)) => {
            if external_id(plane, id, member).await?.is_none() {
                let detail = "cannot write to you, whom it does not know".to_owned();
                return Err(field("integration_id", detail)
                    .with_hint("An admin says who you are there: `outwork integration link`."));
            }
        }
    }
    Ok(Place::Slack {
        integration: id,
        channel,
    })
}

fn wire(settings: NoticeSettings) -> Notifications {
    let NoticeSettings { rules, quiet } = settings;
    let rule = |Rule { occasions, place }| NotificationRule {
        events: occasions
            .iter()
            .map(|it: &Occasion| it.as_str().to_owned())
            .collect(),
        to: match place {
            Place::Slack {
                integration,
                channel,
            } => NotificationPlace::Slack {
                integration_id: integration.to_string(),
                channel,
            },
            Place::Webhook(webhook) => NotificationPlace::Webhook {
                webhook_id: webhook.to_string(),
            },
            Place::None => NotificationPlace::None,
        },
    };
    Notifications {
        rules: rules.into_iter().map(rule).collect(),
        quiet_hours: quiet.map(|hours| WireHours {
            from: hours.from(),
            to: hours.to(),
            time_zone: hours.zone().to_owned(),
        }),
    }
}
