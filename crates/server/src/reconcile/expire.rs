//! Forgets idempotency keys whose time is over.

use std::time::Duration;

use outwork_store::StoreError;

use crate::plane::Plane;
use crate::store_gaps::StoreGaps;

pub(super) const EVERY: Duration = Duration::from_secs(600);

pub(super) async fn pass(plane: &Plane) -> Result<(), StoreError> {
    plane.store.expire_idempotency(plane.now()).await?;
    Ok(())
}
