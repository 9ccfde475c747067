//! Notifications: which people are told of what, and where.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a member, for the own tasks, or an environment, for all of its tasks, wants to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Notifications {
    /// What is told where; at most 20.
    pub rules: Vec<NotificationRule>,
    /// When nobody is told: what happens then is told at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
}

/// What is told where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotificationRule {
    /// `needs_input`, `finished`, `failed`, `approval_wanted`, `pull_request`.
    pub events: Vec<String>,
    /// Where.
    pub to: NotificationPlace,
}

/// Where somebody is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum NotificationPlace {
    /// In Slack.
    Slack {
        /// `int_…`: by which integration.
        integration_id: String,
        /// The channel's id, `C…`. Left out: a message to the member alone, who has to be known there; not for an environment.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<String>,
    },
    /// At a webhook, which is told the event as any other.
    Webhook {
        /// `whk_…`.
        webhook_id: String,
    },
    /// Nowhere.
    None,
    /// Of a newer server: this version does not know it, and no request may have it.
    #[serde(other)]
    Unknown,
}

/// A part of each day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// When it begins, such as `22:00`.
    #[schema(example = "22:00")]
    pub from: String,
    /// When it ends, such as `07:00`: on the next day, if that is earlier.
    #[schema(example = "07:00")]
    pub to: String,
    /// In which time zone: a name of the IANA database.
    #[schema(example = "Europe/Vienna")]
    pub time_zone: String,
}
