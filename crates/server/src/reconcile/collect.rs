//! Objects that no row names, of attempts that ended a while ago. They harm nobody but the disk.

use std::time::Duration;

use outwork_store::{Collectable, StoreError};

use crate::plane::Plane;

pub(super) const EVERY: Duration = Duration::from_secs(60);
const BATCH: u32 = 100;

/// Two servers that do the same at once remove the same.
pub(super) async fn pass(plane: &Plane) -> Result<(), StoreError> {
    loop {
        let due = plane.store.collectable(plane.now(), BATCH).await?;
        if due.is_empty() {
            return Ok(());
        }
        for Collectable { attempt, named } in due {
            // A server that stops leaves the rest to the next one.
            if plane.shutdown.is_cancelled() {
                return Ok(());
            }
            let mut unnamed = plane.objects.of_attempt(attempt).await?;
            unnamed.retain(|key| !named.contains(key));
            for key in &unnamed {
                plane.objects.delete(key).await?;
            }
            plane.store.collected(attempt).await?;
            if !unnamed.is_empty() {
                tracing::debug!(%attempt, objects = unnamed.len(), "removed what nobody names");
            }
        }
    }
}
