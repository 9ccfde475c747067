//! Tells a webhook again what it was told.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use outwork_api::webhook::{ReplayRequest, Replayed, WebhookDelivery};
use outwork_domain::job::{Command, Job, Queue, State as JobState};
use outwork_domain::principal::Admin;
use outwork_domain::webhook::{DELIVER_WITHIN, DELIVERIES};
use outwork_domain::{JobId, WebhookId};
use outwork_store::StoreError;

use super::deliveries::wire;
use super::{active, find, missing};
use crate::http::body::Body;
use crate::http::openapi::{Conflicts, Missing, Refusals, Unacceptable};
use crate::http::params::Id;
use crate::http::permit::Permit;
use crate::plane::Plane;
use crate::refusal::Refusal;

const PART: u32 = 100;
const AGAIN: Command = Command::Replay {
    within: DELIVER_WITHIN,
};

/// Makes an ended delivery again, with the same id and body.
#[utoipa::path(post, path = "/webhooks/{id}/deliveries/{job}/replay", operation_id = "replayWebhookDelivery", tag = "webhooks",
    params(("id" = String, Path, description = "`whk_…`."), ("job" = String, Path, description = "`job_…`.")),
    responses((status = 200, description = "It is under way.", body = WebhookDelivery), Refusals, Missing, Conflicts))]
pub(crate) async fn one(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
    Path((id, job)): Path<(String, String)>,
) -> Result<Json<WebhookDelivery>, Refusal> {
    let workspace = admin.workspace_id();
    let webhook: WebhookId = id.parse().map_err(|_| Refusal::not_found("webhook", &id))?;
    active(&find(&plane, workspace, webhook).await?)?;
    let unknown = || {
        Refusal::not_found("delivery", &job)
            .with_hint("`outwork webhook deliveries` shows the deliveries.")
    };
    let job_id: JobId = job.parse().map_err(|_| unknown())?;
    let found = plane.store.job(workspace, job_id).await?;
    let is_its_own = |it: &Job| it.owner == id && it.queue == Queue::Webhook;
    found.filter(is_its_own).ok_or_else(unknown)?;
    let moved = plane.store.move_job(workspace, job_id, AGAIN, plane.now());
    Ok(Json(wire(moved.await?)))
}

/// Makes deliveries again that were made since then and failed, and with `delivered` those that were taken, too.
#[utoipa::path(post, path = "/webhooks/{id}/replay", operation_id = "replayWebhookDeliveries", tag = "webhooks", request_body = ReplayRequest,
    params(("id" = String, Path, description = "`whk_…`.")),
    responses((status = 200, description = "They are under way.", body = Replayed), Refusals, Missing, Unacceptable, Conflicts))]
pub(crate) async fn since(
    State(plane): State<Arc<Plane>>,
    Permit(admin): Permit<Admin>,
    Id(id): Id<WebhookId>,
    Body(request): Body<ReplayRequest>,
) -> Result<Json<Replayed>, Refusal> {
    let ReplayRequest { since, delivered } = request;
    let (workspace, owner) = (admin.workspace_id(), id.to_string());
    active(&find(&plane, workspace, id).await?)?;
    let is_wanted = |job: &Job| match job.state {
        JobState::Failed { .. } => true,
        JobState::Done { .. } => delivered,
        JobState::Waiting { .. } | JobState::Working { .. } => false,
    };
    let (mut wanted, mut cursor) = (Vec::new(), None::<String>);
    for _ in 0..DELIVERIES.div_ceil(PART) {
        let at = cursor.as_deref();
        let store = &plane.store;
        let part = store.jobs(workspace, Queue::Webhook, &owner, PART, at);
        let part = part.await?;
        let is_new = |job: &&Job| job.created_at >= since.timestamp() && is_wanted(job);
        wanted.extend(part.items.iter().filter(is_new).map(|job| job.id));
        let oldest = part.items.last().map(|job| job.created_at);
        cursor = part.next_cursor;
        if cursor.is_none() || oldest.is_none_or(|at| at < since.timestamp()) {
            break;
        }
    }
    let mut count = 0;
    // The oldest first, so that each task's are told in order again.
    for job in wanted.into_iter().rev() {
        let moved = plane.store.move_job(workspace, job, AGAIN, plane.now());
        match moved.await {
            Ok(_) => count += 1,
            // Somebody else did, or it is forgotten.
            Err(StoreError::Job(_) | StoreError::NotFound) => {}
            Err(fault) => return Err(missing(id, fault)),
        }
    }
    tracing::info!(webhook = %id, count, by = %admin.principal().id, "deliveries are made again");
    Ok(Json(Replayed { count }))
}
