//! Calls of the Web API: bounded in time and size, no redirects, and no token in anything that is said about them. A method that has had too many is
//! not called again before Slack said, whoever wants to.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outwork_api::Secret;
use outwork_api::integration::SlackSettings;
use outwork_domain::{IntegrationId, Timestamp};
use outwork_slack::web::{Call, WebFault, answered};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use serde_json::Value;

use crate::jobs::Outcome;
use crate::plane::Plane;

const API_URL: &str = "https://slack.com/api";
const LIMIT: Duration = Duration::from_secs(15);
const ANSWER_BYTES: usize = 4 << 20;
/// People whose names are remembered.
const NAMES: usize = 10_000;

/// What the calls of one server share.
#[derive(Default)]
pub(crate) struct Shared {
    /// Not before that.
    limits: Mutex<HashMap<(IntegrationId, &'static str), Timestamp>>,
    names: Mutex<HashMap<(IntegrationId, String), String>>,
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How one integration's Slack is asked.
pub(super) struct Web<'a> {
    plane: &'a Plane,
    integration: IntegrationId,
    base: &'a str,
    token: Option<&'a Secret>,
}

impl<'a> Web<'a> {
    /// With the bot's token.
    pub(super) fn of_bot(
        plane: &'a Plane,
        integration: IntegrationId,
        settings: &'a SlackSettings,
    ) -> Self {
        Self::with(plane, integration, settings, settings.bot_token.as_ref())
    }

    /// With the app's token, which opens connections and nothing else.
    pub(super) fn of_app(
        plane: &'a Plane,
        integration: IntegrationId,
        settings: &'a SlackSettings,
    ) -> Self {
        Self::with(plane, integration, settings, settings.app_token.as_ref())
    }

    fn with(
        plane: &'a Plane,
        integration: IntegrationId,
        settings: &'a SlackSettings,
        token: Option<&'a Secret>,
    ) -> Self {
        let base = settings.api_url.as_deref().unwrap_or(API_URL);
        Self {
            plane,
            integration,
            base: base.trim_end_matches('/'),
            token,
        }
    }

    /// Asks.
    pub(super) async fn call(&self, call: Call) -> Result<Value, WebFault> {
        let place = (self.integration, call.method);
        let now = self.plane.now();
        let until = lock(&self.plane.slack.limits).get(&place).copied();
        if let Some(until) = until.filter(|until| *until > now) {
            return Err(WebFault::Limited(until.since(now)));
        }
        let answered = self.ask(&call).await;
        if let Err(WebFault::Limited(wait)) = &answered {
            let until = self.plane.now() + *wait;
            lock(&self.plane.slack.limits).insert(place, until);
        }
        if let Err(fault) = &answered {
            tracing::info!(integration = %self.integration, method = call.method, ?fault, "Slack did not do it");
        }
        answered
    }

    async fn ask(&self, call: &Call) -> Result<Value, WebFault> {
        let refused = |error: &str| WebFault::Refused {
            error: error.to_owned(),
            needed: None,
            details: Vec::new(),
        };
        let token = self.token.ok_or_else(|| refused("not_authed"))?;
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", token.reveal()))
            .map_err(|_| refused("invalid_auth"))?;
        authorization.set_sensitive(true);
        let address = format!("{}/{}", self.base, call.method);
        let mut url = reqwest::Url::parse(&address).map_err(|_| refused("no_such_address"))?;
        if let Some(address) = self.plane.git_gateway.may_go_to(&url) {
            let text = format!(
                "Slack's address {address} is one where this server sends no credentials; its operator allows it with `--git-address`."
            );
            return Err(WebFault::Passing(text));
        }
        let client = self.plane.git_gateway.client_for_forges();
        let client = client.ok_or_else(|| {
            WebFault::Passing("This server cannot make requests; its log says why.".to_owned())
        })?;
        let request = match call.is_reading {
            true => {
                let fields = call.arguments.as_object().into_iter().flatten();
                let pairs = fields.map(|(name, value)| match value {
                    Value::String(text) => (name, text.clone()),
                    other => (name, other.to_string()),
                });
                url.query_pairs_mut().extend_pairs(pairs);
                client.get(url)
            }
            false => client
                .post(url)
                .header(CONTENT_TYPE, "application/json; charset=utf-8")
                .body(call.arguments.to_string()),
        };
        let sent = request
            .header(AUTHORIZATION, authorization)
            .header(USER_AGENT, format!("outwork/{}", self.plane.version))
            .timeout(LIMIT)
            .send()
            .await;
        let mut response = sent.map_err(|fault| unanswered(&fault))?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok().map(str::to_owned));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|fault| unanswered(&fault))? {
            if body.len() + chunk.len() > ANSWER_BYTES {
                return Err(WebFault::Passing("Slack's answer is too long.".to_owned()));
            }
            body.extend_from_slice(&chunk);
        }
        answered(status, retry_after.as_deref(), &body)
    }

    /// What somebody is called; the id where Slack does not say.
    pub(super) async fn name(&self, user: &str) -> String {
        let place = (self.integration, user.to_owned());
        if let Some(name) = lock(&self.plane.slack.names).get(&place) {
            return name.clone();
        }
        let Ok(answer) = self.call(outwork_slack::web::user(user)).await else {
            return user.to_owned();
        };
        let user = &answer["user"];
        let texts = [
            &user["profile"]["display_name"],
            &user["real_name"],
            &user["name"],
        ];
        let mut texts = texts.into_iter().filter_map(Value::as_str);
        let name = texts.find(|text| !text.is_empty());
        let name = name.unwrap_or(&place.1).to_owned();
        let mut names = lock(&self.plane.slack.names);
        if names.len() >= NAMES {
            names.clear();
        }
        names.insert(place, name.clone());
        name
    }
}

fn unanswered(fault: &reqwest::Error) -> WebFault {
    let text = match fault.is_timeout() {
        true => "Slack does not answer in time.",
        false => "Slack cannot be reached.",
    };
    WebFault::Passing(text.to_owned())
}

/// What a fault means for what had to be done. What an admin can put right is tried again: it is told late, but it is told.
pub(super) fn outcome(fault: &WebFault) -> Outcome {
    let (text, hint) = fault.explained();
    let trouble = match hint {
        Some(hint) => format!("{text} {hint}"),
        None => text,
    };
    let can_be_mended = fault.is_of_token()
        || matches!(
            fault.error(),
            Some("missing_scope" | "not_in_channel" | "channel_not_found" | "access_denied")
        );
    match fault {
        WebFault::Limited(wait) => Outcome::Later {
            trouble,
            wait: Some(*wait),
        },
        WebFault::Passing(_) => Outcome::Later {
            trouble,
            wait: None,
        },
        WebFault::Refused { .. } if can_be_mended => Outcome::Later {
            trouble,
            wait: None,
        },
        WebFault::Refused { .. } => Outcome::Failed(trouble),
    }
}
