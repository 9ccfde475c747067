//! Schedules whose time has come, and firings that wait for a server or whose server is gone.

use std::sync::Arc;
use std::time::Duration;

use outwork_domain::FiringId;
use outwork_store::StoreError;
use tokio_util::task::TaskTracker;

use crate::plane::Plane;
use crate::schedules;

pub(super) const EVERY: Duration = Duration::from_secs(1);
/// How many this server works on at once: each asks a repository where it stands.
pub(crate) const AT_ONCE: usize = 4;
/// How many schedules are looked at in one transaction.
const BATCH: usize = 50;

/// Makes what is due, and takes what is due, as far as this server has hands free.
pub(super) async fn pass(plane: &Arc<Plane>, tasks: &TaskTracker) -> Result<(), StoreError> {
    while !plane.shutdown.is_cancelled() {
        let ids = (0..BATCH).map(|_| FiringId::from_uuid(plane.ids.uuid()));
        let made = plane.store.fire_schedules(ids.collect(), plane.now());
        if made.await? < BATCH {
            break;
        }
    }
    while !plane.shutdown.is_cancelled() {
        let Ok(hand) = Arc::clone(&plane.firers).try_acquire_owned() else {
            return Ok(());
        };
        let Some(claimed) = plane.store.claim_firing(plane.now()).await? else {
            return Ok(());
        };
        let plane = Arc::clone(plane);
        tasks.spawn(async move {
            schedules::run(Arc::clone(&plane), claimed).await;
            drop(hand);
            // Of the same schedule another may be due.
            plane.signals.reconcile.send_replace(());
        });
    }
    Ok(())
}
