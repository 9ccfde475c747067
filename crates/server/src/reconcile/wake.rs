//! Wakes the workers that wait: an attempt may have become visible again after its back-off, or have been queued by another server.

use std::time::Duration;

use outwork_store::StoreError;

use crate::plane::Plane;

pub(super) const EVERY: Duration = Duration::from_secs(1);

// It cannot fail; it answers like the others so that all are started alike.
#[allow(clippy::unnecessary_wraps)]
pub(super) fn pass(plane: &Plane) -> Result<(), StoreError> {
    plane.signals.queues.call_all();
    Ok(())
}
