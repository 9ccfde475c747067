//! Leases that ran out, deadlines that passed, and cancels that no worker confirmed.

use std::time::Duration;

use outwork_store::StoreError;

use crate::plane::Plane;

pub(super) const EVERY: Duration = Duration::from_secs(1);
const BATCH: u32 = 100;

pub(super) async fn pass(plane: &Plane) -> Result<(), StoreError> {
    loop {
        let now = plane.now();
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
