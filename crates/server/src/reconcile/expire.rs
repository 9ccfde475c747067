//! Idempotency keys whose time has passed, what is known of the files of tasks that ended long ago, and jobs that ended long ago. None of it counts any more; this only
//! gives back its place.

use std::time::Duration;

use outwork_domain::job::{KEPT, Queue};
use outwork_domain::overlap::OPEN_FOR;
use outwork_domain::webhook::DELIVERIES;
use outwork_store::StoreError;

use crate::plane::Plane;

pub(super) const EVERY: Duration = Duration::from_secs(60);
/// What a task that still runs names was said when it was submitted.
const LONGEST_RUN: Duration = Duration::from_secs(14 * 24 * 60 * 60);

pub(super) async fn pass(plane: &Plane) -> Result<(), StoreError> {
    loop {
        let forgotten = plane.store.expire_idempotency(plane.now()).await?;
        // A server that stops leaves the rest to the next one.
        if forgotten == 0 || plane.shutdown.is_cancelled() {
            break;
        }
        tracing::debug!(keys = forgotten, "idempotency keys expired");
    }
    loop {
        let before = plane.now() - OPEN_FOR - LONGEST_RUN;
        let forgotten = plane.store.expire_paths(before).await?;
        if forgotten == 0 || plane.shutdown.is_cancelled() {
            break;
        }
        tracing::debug!(paths = forgotten, "paths of old tasks were forgotten");
    }
    loop {
        let forgotten = plane.store.forget_jobs(plane.now() - KEPT).await?;
        if forgotten == 0 || plane.shutdown.is_cancelled() {
            break;
        }
        tracing::debug!(jobs = forgotten, "old jobs were forgotten");
    }
    for webhook in plane.store.webhook_ids().await? {
        let owner = webhook.to_string();
        let trimmed = plane.store.trim_jobs(Queue::Webhook, &owner, DELIVERIES);
        let forgotten = trimmed.await?;
        if forgotten > 0 {
            tracing::debug!(%webhook, forgotten, "old deliveries were forgotten");
        }
    }
    Ok(())
}
