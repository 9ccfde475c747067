//! Claiming for a worker that may hang up at any moment.

use std::mem;
use std::sync::Arc;

use outwork_api::worker::Assignment;
use outwork_domain::attempt::Outcome;
use outwork_domain::principal::Worker;
use outwork_domain::{AttemptId, Epoch, Failure};
use outwork_store::{AttemptResult, Claimed, StoreError};
use tokio::sync::oneshot;

use super::WorkerService;

impl WorkerService {
    /// Takes what waits for this worker. The write runs apart, because it happens also when the worker hangs up meanwhile; what it took is
    /// given back then, instead of being lost for the time of a lease.
    pub(super) async fn claim(
        &self,
        worker: &Arc<Worker>,
        max: u32,
        git_gateway: bool,
    ) -> Result<Taken, StoreError> {
        let (sender, receiver) = oneshot::channel();
        let service = self.clone();
        let worker = Arc::clone(worker);
        tokio::spawn(async move {
            let taken = service.take(&worker, max, git_gateway).await;
            // If nobody receives it, it is dropped here.
            drop(sender.send(taken));
        });
        receiver.await.expect("the claim does not panic")
    }

    /// Takes until there is something that can be run or nothing waits any more.
    async fn take(
        &self,
        worker: &Worker,
        max: u32,
        git_gateway: bool,
    ) -> Result<Taken, StoreError> {
        loop {
            let now = self.plane.now();
            let claimed = self
                .plane
                .store
                .claim(self.workspace, worker.id, &worker.agents, max, now)
                .await?;
            let nothing = claimed.is_empty();
            let (taken, unusable) = self.prepare(claimed, git_gateway);
            self.end(unusable).await;
            if nothing || !taken.assigned.is_empty() {
                return Ok(taken);
            }
        }
    }

    /// What can be run, and the rest, which is to be ended with its reason.
    pub(super) fn prepare(
        &self,
        claimed: Vec<Claimed>,
        git_gateway: bool,
    ) -> (Taken, Vec<Unusable>) {
        let mut unusable = Vec::new();
        let mut taken = Taken {
            service: self.clone(),
            assigned: Vec::with_capacity(claimed.len()),
        };
        for claimed in claimed {
            let (id, epoch) = (claimed.attempt.id, claimed.attempt.epoch);
            match self.assignment(claimed, git_gateway) {
                Ok(assignment) => taken.assigned.push((id, epoch, assignment)),
                Err(failure) => unusable.push((id, epoch, failure)),
            }
        }
        (taken, unusable)
    }

    pub(super) async fn end(&self, unusable: Vec<Unusable>) {
        for (id, epoch, failure) in unusable {
            self.end_one(id, epoch, failure).await;
        }
    }

    async fn end_one(&self, id: AttemptId, epoch: Epoch, failure: Failure) {
        let result = AttemptResult {
            epoch,
            diff: None,
            further_diffs: Vec::new(),
            session: None,
            message: None,
            tokens: None,
        };
        let message = failure.message.clone();
        let now = self.plane.now();
        let outcome = Outcome::Failed(failure);
        let store = &self.plane.store;
        match store
            .finish(self.workspace, id, epoch, outcome, result, 0, now)
            .await
        {
            Ok(()) => tracing::error!(attempt = %id, "could not be given out: {message}"),
            // Its lease runs out, and the next claim comes here again.
            Err(fault) => tracing::error!(attempt = %id, %fault, "could not be ended: {message}"),
        }
    }
}

/// A claim that cannot be run, and why.
pub(super) type Unusable = (AttemptId, Epoch, Failure);

/// Attempts that are given back unless somebody keeps them.
pub(super) struct Taken {
    service: WorkerService,
    assigned: Vec<(AttemptId, Epoch, Assignment)>,
}

impl Taken {
    pub(super) fn is_empty(&self) -> bool {
        self.assigned.is_empty()
    }

    pub(super) fn keep(mut self) -> Vec<Assignment> {
        let assigned = mem::take(&mut self.assigned).into_iter();
        assigned.map(|(_, _, assignment)| assignment).collect()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let assigned = mem::take(&mut self.assigned);
        if assigned.is_empty() {
            return;
        }
        let service = self.service.clone();
        tokio::spawn(async move {
            let plane = &service.plane;
            for (id, epoch, _) in assigned {
                // If that fails, the lease runs out.
                match plane
                    .store
                    .release(service.workspace, id, epoch, plane.now())
                    .await
                {
                    Ok(()) => {
                        tracing::info!(attempt = %id, "given back: the worker hung up while it was taken")
                    }
                    Err(fault) => {
                        tracing::warn!(attempt = %id, %fault, "could not be given back")
                    }
                }
            }
        });
    }
}
