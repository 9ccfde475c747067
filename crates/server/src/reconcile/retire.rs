//! Workers that were to be retired and went without a word: they are forgotten as soon as they hold nothing any more.

use outwork_store::StoreError;

use crate::plane::Plane;

pub(super) async fn pass(plane: &Plane) -> Result<(), StoreError> {
    let now = plane.now();
    let before = now - plane.limits.lease;
    // Asking first is a read; forgetting is a write.
    if !plane.store.retired_are_gone(before).await? {
        return Ok(());
    }
    for worker in plane.store.forget_retired(before, now).await? {
        tracing::info!(%worker, "a worker that was to be retired is gone; it was forgotten");
    }
    Ok(())
}
