//! Publications that wait for a server, or whose server is gone.

use std::sync::Arc;
use std::time::Duration;

use outwork_store::StoreError;
use tokio_util::task::TaskTracker;

use crate::plane::Plane;
use crate::publish;

pub(super) const EVERY: Duration = Duration::from_secs(1);
/// How many this server works on at once: each may be a whole copy of a repository.
pub(crate) const AT_ONCE: usize = 4;

/// Takes what is due, as far as this server has hands free.
pub(super) async fn pass(plane: &Arc<Plane>, tasks: &TaskTracker) -> Result<(), StoreError> {
    while !plane.shutdown.is_cancelled() {
        let Ok(hand) = Arc::clone(&plane.publishers).try_acquire_owned() else {
            return Ok(());
        };
        let Some(claimed) = plane.store.claim_publication(plane.now()).await? else {
            return Ok(());
        };
        let plane = Arc::clone(plane);
        tasks.spawn(async move {
            publish::run(plane, claimed).await;
            drop(hand);
        });
    }
    Ok(())
}
