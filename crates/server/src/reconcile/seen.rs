//! Writes when workers were last heard of. If it cannot be written it is lost: those that are there are heard again.

use std::time::Duration;

use outwork_store::StoreError;

use crate::plane::Plane;

/// As often as workers beat.
pub(super) fn every(lease: Duration) -> Duration {
    lease / 6
}

pub(super) async fn pass(plane: &Plane) -> Result<(), StoreError> {
    let heard = plane.heard.take();
    match heard.is_empty() {
        true => Ok(()),
        false => plane.store.touch_workers(heard).await,
    }
}
