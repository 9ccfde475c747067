//! What a webhook was told, and what came of it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use outwork_api::page::Page;
use outwork_api::webhook::{Answer, WebhookDelivery};
use outwork_domain::WebhookId;
use outwork_domain::job::{Job, Queue, State as JobState};
use outwork_domain::principal::Admin;
use outwork_store::Paged;
use serde::Deserialize;
use utoipa::IntoParams;

use super::find;
use crate::http::openapi::{Missing, Refusals};
use crate::http::paging;
use crate::http::params::{Address, Id, Params};
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

/// Which part of the list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    /// How many, 1 to 100; 20 when left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists what a webhook was told or is to be told, newest first. It is kept for 30 days, and no more than the newest 10,000.
#[utoipa::path(get, path = "/webhooks/{id}/deliveries", operation_id = "listWebhookDeliveries", tag = "webhooks",
    params(("id" = String, Path, description = "`whk_…`."), Query),
    responses((status = 200, description = "A page of it.", body = Page<WebhookDelivery>,
            headers(("Link" = String, description = "The next page, `rel=\"next\"`."))), Refusals, Missing))]
pub(crate) async fn list(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
    Id(id): Id<WebhookId>,
    Params(query): Params<Query>,
    Address(uri): Address,
) -> Result<Response, Refusal> {
    let workspace = admin.workspace_id();
    find(&plane, workspace, id).await?;
    let limit = paging::limit(query.limit)?;
    let (owner, cursor) = (id.to_string(), query.cursor.as_deref());
    let paged = plane
        .store
        .jobs(workspace, Queue::Webhook, &owner, limit, cursor);
    let Paged { items, next_cursor } = paged.await?;
    let page = Page {
        items: items.into_iter().map(wire).collect(),
        next_cursor,
    };
    Ok(paging::respond(page, &uri, "cursor"))
}

pub(super) fn wire(job: Job) -> WebhookDelivery {
    let due_at = job.due_at();
    let Job {
        id,
        key,
        kind,
        memo,
        created_at,
        tries,
        state,
        ..
    } = job;
    let noted = |text: Option<String>| -> Option<Answer> {
        text.and_then(|text| serde_json::from_str(&text).ok())
    };
    // What was tried before is in `tries`; the last try is one more.
    let (name, answer, tries, due_at, ended_at) = match state {
        JobState::Waiting { .. } => ("waiting", noted(memo), tries, due_at, None),
        JobState::Working { .. } => ("working", noted(memo), tries, None, None),
        JobState::Done { note, ended_at } => {
            ("delivered", noted(note), tries + 1, None, Some(ended_at))
        }
        JobState::Failed { message, ended_at } => {
            let mut answer = noted(memo).unwrap_or_default();
            answer.error = Some(message);
            let tries = tries + u32::from(answer.duration_ms.is_some());
            ("failed", Some(answer), tries, None, Some(ended_at))
        }
    };
    WebhookDelivery {
        id: id.to_string(),
        event_id: key,
        kind,
        state: name.to_owned(),
        tries,
        created_at: created_at.into(),
        due_at: due_at.map(Into::into),
        ended_at: ended_at.map(Into::into),
        answer,
    }
}
