//! Leases that ran out, deadlines that passed, and cancels that no worker confirmed.

use std::time::Duration;

use outwork_store::StoreError;

use super::alive;
use crate::plane::Plane;

const LONGEST: Duration = Duration::from_secs(1);
const BATCH: u32 = 100;

pub(super) fn every(lease: Duration) -> Duration {
    alive::every(lease).min(LONGEST)
}

pub(super) async fn pass(plane: &Plane) -> Result<(), StoreError> {
    // In one pass with the reaping, so that nothing is reaped for a time when nobody could be heard.
    let now = alive::pass(plane).await?;
    loop {
        // Asking first is a read; reaping is a write.
        if plane
            .store
            .next_due()
            .await?
            .is_none_or(|due_at| due_at > now)
        {
            return Ok(());
        }
        let moved = plane.store.reap(now, BATCH).await?;
        for attempt in &moved {
            tracing::info!(%attempt, "a lease, deadline or grace ran out; the attempt was moved on");
        }
        if moved.is_empty() {
            return Ok(());
        }
    }
}
