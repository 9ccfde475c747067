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
