//! What a forge delivers: whether it is from there, and what it means.

use axum::http::HeaderMap;
use outwork_api::integration::ForgeSettings;
use outwork_api::problem::Code;
use outwork_forges::event::{Event, Incoming as Read, Reduced, Unreadable, What};
use outwork_forges::signature::{self, Forged, Standard};
use outwork_forges::{Kind, gitea, github, gitlab};

use super::settings::name;
use crate::plane::Plane;
use crate::refusal::{Refusal, sentence};
use crate::surfaces::Incoming;
use crate::surfaces::receive::Received;

/// Checks a delivery and reduces it.
pub(crate) fn receive(
    plane: &Plane,
    kind: Kind,
    settings: &ForgeSettings,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Received, Refusal> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let secret = settings.webhook_secret.as_ref();
    let secret = secret.map_or("", |secret| secret.reveal());
    let now_seconds = plane.now().as_millis() / 1000;
    let proof = match kind {
        Kind::GitHub => signature::hex(secret, header("x-hub-signature-256"), body),
        Kind::Gitea => {
            let sent = header("x-gitea-signature").or_else(|| header("x-forgejo-signature"));
            signature::hex(secret, sent, body)
        }
        // A webhook with a signing token sends no other.
        Kind::GitLab => match header("webhook-signature") {
            Some(sent) => {
                let headers = Standard {
                    id: header("webhook-id"),
                    timestamp: header("webhook-timestamp"),
                    signature: Some(sent),
                };
                signature::standard(secret, headers, body, now_seconds)
            }
            None => signature::token(secret, header("x-gitlab-token")),
        },
    };
    proof.map_err(forged)?;
    let delivery = |names: &[&str]| names.iter().find_map(|name| header(name)).unwrap_or("-");
    let name = name(settings);
    let no_event = || unreadable(Unreadable::NoEvent);
    let reduced = match kind {
        Kind::GitHub => {
            let event = header("x-github-event").ok_or_else(no_event)?;
            github::read(event, delivery(&["x-github-delivery"]), body, name)
        }
        Kind::Gitea => {
            let event = header("x-gitea-event").or_else(|| header("x-forgejo-event"));
            let event = event.ok_or_else(no_event)?;
            let delivery = delivery(&["x-gitea-delivery", "x-forgejo-delivery"]);
            gitea::read(event, delivery, body, name)
        }
        Kind::GitLab => {
            header("x-gitlab-event").ok_or_else(no_event)?;
            let delivery = delivery(&["idempotency-key", "webhook-id", "x-gitlab-event-uuid"]);
            gitlab::read(delivery, body, name)
        }
    };
    Ok(match reduced.map_err(unreadable)? {
        Reduced::Ignored(why) => Received::Ignored(why),
        Reduced::Events(events) => {
            let jobs = events.into_iter().map(|event| job(kind, event));
            Received::Jobs(jobs.collect())
        }
    })
}

fn job(kind: Kind, Read { key, event }: Read) -> Incoming {
    Incoming {
        key,
        lane: event.conversation(kind.as_str()),
        kind: kind_of(&event),
        body: serde_json::to_string(&event).expect("plain data"),
    }
}

fn kind_of(event: &Event) -> &'static str {
    match event.what {
        What::Mention { .. } => "mention",
        What::Labelled { .. } => "label",
        What::Closed { .. } => "closed",
        What::ChecksFailed { .. } => "checks",
    }
}

fn forged(fault: Forged) -> Refusal {
    Refusal::new(
        outwork_api::problem::Code::Unauthorized,
        sentence(&fault.to_string()),
    )
}

fn unreadable(fault: Unreadable) -> Refusal {
    Refusal::new(Code::InvalidRequest, sentence(&fault.to_string()))
}
