//! Slack: mentions, replies and buttons become tasks, follow-ups, answers; a thread is told what came of them. What Slack's bytes mean is in
//! `outwork-slack`, which is pure; here is what it takes to act on them.
//!
//! * `act`: what somebody asked for, and for whom it is done (`who`);
//! * `tell`: what a thread is to be told, by the state of its task; `send`: one message, posted once;
//! * `thread`: what is remembered of a thread; `web`: calls of Slack's Web API;
//! * `socket`: Socket Mode, for servers that Slack cannot reach.

mod act;
mod context;
mod send;
mod sync;
mod tell;
mod thread;
mod web;
mod who;

pub(crate) mod socket;

use axum::http::{HeaderMap, header};
use outwork_api::integration::SlackSettings;
use outwork_api::problem::Code;
use outwork_slack::signature::{self, SignatureFault};
use outwork_slack::{Inbound, Received as Read, Unreadable, event, interaction};
use serde_json::json;

use super::Incoming;
use super::receive::Received;
use crate::plane::Plane;
use crate::refusal::Refusal;

pub(super) use act::handle;
pub(super) use send::send;
pub(super) use tell::tell;
pub(crate) use web::Shared;

/// The most channels that are listed.
const CHANNELS: usize = 1000;

/// Refuses settings with which nothing would come in or go out.
pub(super) fn check(settings: &SlackSettings) -> Result<(), Refusal> {
    let missing = |field: &str, why: &str| {
        let detail = format!("is missing, {why}");
        Err(Refusal::field(&format!("/settings/{field}"), detail))
    };
    let begins = |token: &Option<outwork_api::Secret>, with: &str| {
        token
            .as_ref()
            .is_none_or(|token| token.reveal().starts_with(with))
    };
    if settings.bot_token.is_none() {
        return missing("bot_token", "with which Slack is told");
    }
    if settings.socket_mode && settings.app_token.is_none() {
        return missing("app_token", "with which Socket Mode is opened");
    }
    if !settings.socket_mode && settings.signing_secret.is_none() {
        return missing("signing_secret", "by which Slack is known");
    }
    // They are easily taken for one another, and Slack would say so much later.
    if !begins(&settings.bot_token, "xoxb-") {
        let detail = "must begin with `xoxb-`: the bot's token of the installed app";
        return Err(Refusal::field("/settings/bot_token", detail));
    }
    if !begins(&settings.app_token, "xapp-") {
        let detail =
            "must begin with `xapp-`: a token of the app with the scope `connections:write`";
        return Err(Refusal::field("/settings/app_token", detail));
    }
    let is_channel = |id: &String| {
        id.starts_with(['C', 'G'])
            && (2..=64).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    if settings.channels.len() > CHANNELS || !settings.channels.iter().all(is_channel) {
        let detail = format!(
            "must be at most {CHANNELS} ids, such as `C024BE91L`; names are not taken, since they change"
        );
        return Err(Refusal::field("/settings/channels", detail));
    }
    if let Some(url) = &settings.api_url {
        let parsed = reqwest::Url::parse(url).ok();
        let is_loopback = |url: &reqwest::Url| {
            url.host_str()
                .is_some_and(|host| host == "localhost" || host == "127.0.0.1" || host == "[::1]")
        };
        let is_right = parsed.is_some_and(|url| {
            url.username().is_empty()
                && url.password().is_none()
                && (url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)))
        });
        if !is_right {
            let detail =
                "must be an address with https, or http to this machine, without credentials";
            return Err(Refusal::field("/settings/api_url", detail));
        }
    }
    Ok(())
}

/// Whether the request is Slack's, and what it is.
pub(super) fn receive(
    plane: &Plane,
    settings: &SlackSettings,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Received, Refusal> {
    let Some(secret) = &settings.signing_secret else {
        let detail = "The integration has no signing secret, so nothing that comes here is known to be Slack's.";
        return Err(Refusal::new(Code::Unauthorized, detail)
            .with_hint("Set it with `outwork integration edit`, or use Socket Mode."));
    };
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let now_seconds = plane.now().as_millis().div_euclid(1000);
    signature::check(
        secret.reveal(),
        header("x-slack-request-timestamp"),
        header("x-slack-signature"),
        body,
        now_seconds,
    )
    .map_err(|fault| unsigned(&fault))?;
    let kind = header(header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let read = match kind.starts_with("application/x-www-form-urlencoded") {
        false => event::read(body),
        true => match interaction::payload(body) {
            Some(json) => interaction::read(&json),
            None => Ok(Read::Ignored("it has no `payload`".to_owned())),
        },
    };
    match read.map_err(|fault| unreadable(&fault))? {
        Read::Work(inbound) => Ok(Received::Quietly(vec![incoming(&inbound)])),
        Read::Challenge(challenge) => Ok(Received::Answer(json!({"challenge": challenge}))),
        Read::Ignored(why) => {
            tracing::debug!(why, "Slack said something that is not worked on");
            Ok(Received::Quietly(Vec::new()))
        }
    }
}

fn unsigned(fault: &SignatureFault) -> Refusal {
    let text = crate::refusal::sentence(&fault.to_string());
    Refusal::new(Code::Unauthorized, text)
}

fn unreadable(fault: &Unreadable) -> Refusal {
    Refusal::new(
        Code::InvalidRequest,
        crate::refusal::sentence(&fault.to_string()),
    )
}

fn incoming(inbound: &Inbound) -> Incoming {
    Incoming {
        key: inbound.key(),
        lane: inbound.lane(),
        kind: inbound.kind(),
        body: serde_json::to_string(inbound).expect("plain data"),
    }
}
