//! One try to tell something: bounded in time and size, no redirects, and to no address that was not checked.

use std::time::Duration;

use outwork_api::webhook::Answer;
use outwork_api::webhook::signature::{self, ID, SIGNATURE, TIMESTAMP};
use outwork_store::WebhookRecord;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use reqwest::{Response, StatusCode, Url};

use super::secret;
use crate::git_gateway::address::{AddressRefused, check_literal};
use crate::git_gateway::chain;
use crate::plane::Plane;

/// How much of an answer is kept.
const ANSWER_BYTES: usize = 1024;
/// However long a receiver says.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// What a try came to.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) answer: Answer,
    pub(super) taken: Taken,
}

/// Whether the receiver took it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    /// To be tried again, at the earliest after so long.
    NotNow(Duration),
    /// It says that it is gone for good.
    Gone,
}

/// Tells it. `id` is the same at every try, and so is the body.
pub(super) async fn send(plane: &Plane, record: &WebhookRecord, id: &str, body: &str) -> Sent {
    let begun = plane.now();
    let (mut answer, taken) = match ask(plane, record, id, body).await {
        Ok(response) => read(response).await,
        Err(error) => {
            let answer = Answer {
                error: Some(error),
                ..Answer::default()
            };
            (answer, Taken::NotNow(Duration::ZERO))
        }
    };
    let took = plane.now().since(begun).as_millis();
    answer.duration_ms = Some(u64::try_from(took).unwrap_or(u64::MAX));
    Sent { answer, taken }
}

async fn ask(
    plane: &Plane,
    record: &WebhookRecord,
    id: &str,
    body: &str,
) -> Result<Response, String> {
    let url = Url::parse(&record.webhook.url);
    let url = url.map_err(|_| "the address cannot be read".to_owned())?;
    check_literal(&plane.webhooks.config.policy(), &url).map_err(refused)?;
    let client = plane.webhooks.client();
    let client = client.ok_or("this server cannot send anything; its log says why")?;
    let now = plane.now();
    let keys = secret::keys(plane, record, now);
    let keys = keys.map_err(|_| "the secret cannot be opened with this server's key; rotate it")?;
    let timestamp = now.as_millis().div_euclid(1000);
    let signatures = signature::sign(&keys, id, timestamp, body.as_bytes());
    let request = client
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, format!("outwork/{}", plane.version))
        .header(ID, id)
        .header(TIMESTAMP, timestamp)
        .header(SIGNATURE, signatures)
        .timeout(plane.webhooks.limit)
        .body(body.to_owned());
    let sent = request.send().await;
    sent.map_err(|fault| unanswered(&fault, plane.webhooks.limit))
}

/// Its head decides; of the body as much is kept as comes in the time that is left.
async fn read(mut response: Response) -> (Answer, Taken) {
    let status = response.status();
    let after = response.headers().get(RETRY_AFTER);
    let after = after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let after = after.map_or(Duration::ZERO, Duration::from_secs);
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER_BYTES
        && let Ok(Some(chunk)) = response.chunk().await
    {
        let room = ANSWER_BYTES - bytes.len();
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    let taken = match status {
        status if status.is_success() => Taken::Yes,
        StatusCode::GONE => Taken::Gone,
        _ => Taken::NotNow(after.min(LONGEST_WAIT)),
    };
    let error = match status {
        status if status.is_success() => None,
        status if status.is_redirection() => {
            Some("it redirects, which is not followed; give the webhook its new address".to_owned())
        }
        status => Some(format!("it answers {status}")),
    };
    let text = String::from_utf8_lossy(&bytes).replace('\0', "\u{fffd}");
    let answer = Answer {
        status: Some(status.as_u16()),
        duration_ms: None,
        body: (!text.is_empty()).then_some(text),
        error,
    };
    (answer, taken)
}

fn refused(fault: AddressRefused) -> String {
    format!(
        "{fault}, where webhooks may not be; the server's operator allows addresses with `--webhook-address`"
    )
}

fn unanswered(fault: &reqwest::Error, limit: Duration) -> String {
    if let Some(refusal) = AddressRefused::in_causes(fault) {
        return refused(refusal.clone());
    }
    tracing::info!(error = %chain(fault), "a webhook's receiver did not answer");
    match fault.is_timeout() {
        true => format!("no answer within {} seconds", limit.as_secs_f64()),
        false if fault.is_connect() => format!("cannot be reached: {}", last(fault)),
        false => format!("no answer: {}", last(fault)),
    }
}

/// What caused it in the end, which does not name the address once more.
fn last(fault: &reqwest::Error) -> String {
    let first: &dyn std::error::Error = fault;
    let causes = std::iter::successors(Some(first), |error| error.source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}
