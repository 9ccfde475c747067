//! Claiming for a worker that may hang up at any moment.

use std::mem;
use std::sync::Arc;

use outwork_domain::WorkspaceId;
use outwork_domain::principal::Worker;
use outwork_store::{Claimed, StoreError};
use tokio::sync::oneshot;

use super::WorkerService;
use crate::plane::Plane;

impl WorkerService {
    /// Takes what waits for this worker. The write runs apart, because it happens also when the worker hangs up meanwhile; what it took is
    /// given back then, instead of being lost for the time of a lease.
    pub(super) async fn claim(&self, worker: &Worker, max: u32) -> Result<Taken, StoreError> {
        let (sender, receiver) = oneshot::channel();
        let (plane, workspace) = (Arc::clone(&self.plane), self.workspace);
        let (id, agents) = (worker.id, worker.agents.clone());
        tokio::spawn(async move {
            let claimed = plane
                .store
                .claim(workspace, id, &agents, max, plane.now())
                .await;
            let taken = claimed.map(|claimed| Taken {
                plane,
                workspace,
                claimed,
            });
            // If nobody receives it, it is dropped here.
            drop(sender.send(taken));
        });
        receiver.await.expect("the claim does not panic")
    }
}

/// Attempts that are given back unless somebody keeps them.
pub(super) struct Taken {
    plane: Arc<Plane>,
    workspace: WorkspaceId,
    claimed: Vec<Claimed>,
}

impl Taken {
    pub(super) fn keep(mut self) -> Vec<Claimed> {
        mem::take(&mut self.claimed)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let claimed = mem::take(&mut self.claimed);
        if claimed.is_empty() {
            return;
        }
        let (plane, workspace) = (Arc::clone(&self.plane), self.workspace);
        tokio::spawn(async move {
            for attempt in claimed.into_iter().map(|claimed| claimed.attempt) {
                // If that fails, the lease runs out.
                match plane
                    .store
                    .release(workspace, attempt.id, attempt.epoch, plane.now())
                    .await
                {
                    Ok(()) => {
                        tracing::info!(attempt = %attempt.id, "given back: the worker hung up while it was taken")
                    }
                    Err(fault) => {
                        tracing::warn!(attempt = %attempt.id, %fault, "could not be given back")
                    }
                }
            }
        });
    }
}
