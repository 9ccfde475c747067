//! Standing by for what is submitted next: it is claimed in the transaction that queues it, and only one worker hears of it.

use std::future;
use std::sync::Arc;

use outwork_domain::principal::Worker;
use outwork_store::{Claimed, Standby, StoreError};

use super::WorkerService;
use super::claim::Taken;

/// A worker that stands by while this is kept. What it is given after it hung up is given back.
pub(super) struct Standing {
    service: WorkerService,
    git_gateway: bool,
    /// `None`: the database does not do that, or it has answered.
    standby: Option<Standby<Vec<Claimed>>>,
}

impl WorkerService {
    pub(super) fn stand_by(&self, worker: &Worker, max: u32, git_gateway: bool) -> Standing {
        let plane = Arc::clone(&self.plane);
        let when = move || plane.gives_out().then(|| plane.now());
        let standby = self.plane.store.stand_by(
            self.workspace,
            worker.id,
            &worker.agents,
            &worker.labels,
            max,
            Box::new(when),
        );
        Standing {
            service: self.clone(),
            git_gateway,
            standby,
        }
    }
}

impl Standing {
    /// Waits until the worker was given something; empty if that cannot be run, or could not be given. Cancelled, it loses nothing.
    pub(super) async fn taken(&mut self) -> Taken {
        let claimed = match &mut self.standby {
            Some(standby) => standby.done().await,
            None => future::pending().await,
        };
        self.standby = None;
        take(&self.service, claimed, self.git_gateway)
    }

    /// Stands by no more; what the worker was given before that.
    pub(super) async fn end(mut self) -> Option<Taken> {
        let standby = self.standby.take()?;
        let (service, git_gateway) = (self.service.clone(), self.git_gateway);
        let last = standby.end()?;
        // Apart, as a claim: it goes on when the worker hangs up meanwhile.
        let taking = tokio::spawn(async move { take(&service, last.done().await, git_gateway) });
        Some(taking.await.expect("the claim does not panic"))
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        let Some(last) = self.standby.take().and_then(Standby::end) else {
            return;
        };
        let (service, git_gateway) = (self.service.clone(), self.git_gateway);
        tokio::spawn(async move { drop(take(&service, last.done().await, git_gateway)) });
    }
}

fn take(
    service: &WorkerService,
    claimed: Result<Vec<Claimed>, StoreError>,
    git_gateway: bool,
) -> Taken {
    let claimed = claimed.unwrap_or_else(|fault| {
        tracing::debug!(%fault, "a worker that stood by has to look itself");
        Vec::new()
    });
    let (taken, unusable) = service.prepare(claimed, git_gateway);
    if !unusable.is_empty() {
        let service = service.clone();
        tokio::spawn(async move { service.end(unusable).await });
    }
    taken
}
