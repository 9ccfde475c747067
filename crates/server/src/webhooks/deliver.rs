//! A delivery that this server holds, from its claim to what comes of it.

use std::time::Duration;

use outwork_api::webhook::Answer;
use outwork_domain::WebhookId;
use outwork_domain::webhook::{State, pause_after};
use outwork_store::{StoreError, Tried, WebhookRecord};

use super::send::{Sent, Taken, send};
use crate::jobs::{Held, Outcome};
use crate::plane::Plane;
use crate::surfaces::later;

/// Tells it, if there still is somebody to be told.
pub(crate) async fn act(held: &Held) -> Outcome {
    let Held { plane, job } = held;
    let record = match record(held).await {
        Ok(Some(record)) => record,
        Ok(None) => return Outcome::Failed("The webhook was removed.".to_owned()),
        Err(fault) => return later(&fault),
    };
    if let State::Disabled { why, .. } = record.webhook.state {
        let why = why.as_str();
        return Outcome::Failed(format!("The webhook is told nothing: it is {why}."));
    }
    let Sent { answer, taken } = send(plane, &record, &job.key, &job.body).await;
    match taken {
        Taken::Yes => {
            if record.webhook.state != State::default() {
                count(plane, &record, Tried::Delivered).await;
            }
            Outcome::Done(Some(written(&answer)))
        }
        Taken::Gone => failed(held, &record, answer, true, None).await,
        Taken::NotNow(at_least) => {
            let jitter = u32::try_from(plane.ids.jitter(0, 101)).unwrap_or(0);
            let pause = pause_after(job.tries + 1, jitter);
            let pause = pause.map(|pause| pause.max(at_least));
            failed(held, &record, answer, false, pause).await
        }
    }
}

async fn record(held: &Held) -> Result<Option<WebhookRecord>, StoreError> {
    let Ok(id) = held.job.owner.parse::<WebhookId>() else {
        return Ok(None);
    };
    let found = held.plane.store.webhook(id).await?;
    Ok(found.filter(|it| it.webhook.workspace_id == held.job.workspace_id))
}

async fn failed(
    held: &Held,
    record: &WebhookRecord,
    answer: Answer,
    is_gone: bool,
    pause: Option<Duration>,
) -> Outcome {
    if let Err(fault) = held.note(written(&answer)).await {
        return later(&fault);
    }
    count(&held.plane, record, Tried::Failed { is_gone }).await;
    let trouble = answer.error.unwrap_or_default();
    match pause {
        Some(_) => Outcome::Later {
            trouble,
            wait: pause,
        },
        None if is_gone => Outcome::Failed(trouble),
        None => {
            let tries = held.job.tries + 1;
            Outcome::Failed(format!("given up after {tries} tries; {trouble}"))
        }
    }
}

/// Of the webhook itself. If it cannot be kept, the next try counts.
async fn count(plane: &Plane, record: &WebhookRecord, tried: Tried) {
    let id = record.webhook.id;
    match plane.store.tried_webhook(id, tried, plane.now()).await {
        Ok(State::Disabled { why, .. }) => {
            tracing::warn!(webhook = %id, why = why.as_str(), "a webhook is told nothing more");
        }
        Ok(State::Active { .. }) | Err(StoreError::NotFound) => {}
        Err(fault) => {
            tracing::error!(webhook = %id, %fault, "how a webhook does could not be kept");
        }
    }
}

fn written(answer: &Answer) -> String {
    serde_json::to_string(answer).expect("texts and numbers are JSON")
}
