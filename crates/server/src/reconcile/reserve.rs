//! Space that the store gave up because the disk was full, and keeps again when it no longer is.

use std::time::Duration;

use outwork_store::StoreError;

use crate::plane::Plane;

pub(super) const EVERY: Duration = Duration::from_secs(10);

pub(super) async fn pass(plane: &Plane) -> Result<(), StoreError> {
    if plane.has_space() {
        plane.store.keep_reserve().await;
    }
    Ok(())
}
