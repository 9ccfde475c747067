//! Claiming for a worker that may hang up at any moment.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use outwork_api::worker::Assignment;
use outwork_domain::attempt::Outcome;
use outwork_domain::principal::Worker;
use outwork_domain::{AttemptId, Epoch, Failure};
use outwork_store::{AttemptResult, Claimed, StoreError};
use tokio::runtime::Handle;

use super::WorkerService;

impl WorkerService {
    /// Takes what waits for this worker. It comes to its end also when the worker hangs up meanwhile, because the write happens anyway; what
    /// it took is given back then, instead of being lost for the time of a lease.
    pub(super) async fn claim(
        &self,
        worker: &Arc<Worker>,
        max: u32,
        git_gateway: bool,
    ) -> Result<Taken, StoreError> {
        let service = self.clone();
        let worker = Arc::clone(worker);
        ToItsEnd::new(async move { service.take(&worker, max, git_gateway).await }).await
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
            evidence: Default::default(),
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

/// A future that somebody waits for. If it is dropped before its end, a task brings it there, and drops what came of it.
struct ToItsEnd<T: Send + 'static>(Option<BoxFuture<'static, T>>);

impl<T: Send + 'static> ToItsEnd<T> {
    fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Some(future.boxed()))
    }
}

impl<T: Send + 'static> Future for ToItsEnd<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let running = self.0.as_mut().expect("it is not waited for after its end");
        let ended = running.poll_unpin(context);
        if ended.is_ready() {
            self.0 = None;
        }
        ended
    }
}

impl<T: Send + 'static> Drop for ToItsEnd<T> {
    fn drop(&mut self) {
        // A process that ends runs nothing more; leases run out.
        if let Some(rest) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(rest);
        }
    }
}

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
