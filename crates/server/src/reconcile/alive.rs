//! Notes that a server runs, so that the next start knows how long none did. That time does not count against a lease: a healthy worker
//! must not lose its attempt because it could not reach us.

use std::time::Duration;

use outwork_store::StoreError;

use crate::plane::Plane;

pub(super) const EVERY: Duration = Duration::from_secs(5);

pub(super) async fn pass(plane: &Plane) -> Result<(), StoreError> {
    plane.store.mark_alive(plane.now()).await
}

/// Once, before anything is reaped.
pub(crate) async fn catch_up(plane: &Plane) -> Result<(), StoreError> {
    let now = plane.now();
    if let Some(last) = plane.store.last_alive().await? {
        let away = now.since(last);
        // Less than that is the time between two notes.
        if away > 2 * EVERY {
            let leases = plane.store.extend_leases(away, now).await?;
            tracing::info!(
                away_seconds = away.as_secs(),
                leases,
                "no server ran for a while; leases were extended by that time"
            );
        }
    }
    plane.store.mark_alive(now).await
}
