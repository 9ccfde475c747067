//! Idempotency keys whose time has passed. Such a key is free already; this only gives back its place.

use std::time::Duration;

use outwork_store::StoreError;

use crate::plane::Plane;

pub(super) const EVERY: Duration = Duration::from_secs(60);

pub(super) async fn pass(plane: &Plane) -> Result<(), StoreError> {
    loop {
        let forgotten = plane.store.expire_idempotency(plane.now()).await?;
        // A server that stops leaves the rest to the next one.
        if forgotten == 0 || plane.shutdown.is_cancelled() {
            return Ok(());
        }
        tracing::debug!(keys = forgotten, "idempotency keys expired");
    }
}
