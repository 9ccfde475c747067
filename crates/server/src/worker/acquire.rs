//! A worker asks for attempts: a long poll that is answered as soon as there is one.

use std::sync::Arc;
use std::time::Duration;

use outwork_api::worker::{Acquire, Acquired};
use outwork_domain::WorkspaceId;
use outwork_failpoint as failpoint;
use tokio::time::Instant;

use super::{WorkerService, wrong};
use crate::plane::Plane;
use crate::refusal::Refusal;
use crate::signals::Turn;

const MAX_ATTEMPTS: u32 = 100;
const MAX_WAIT_MS: u64 = 30_000;

impl WorkerService {
    pub(super) async fn do_acquire(&self, request: Acquire) -> Result<Acquired, Refusal> {
        let Acquire {
            worker,
            max,
            wait_ms,
            git_gateway,
        } = request;
        if !(1..=MAX_ATTEMPTS).contains(&max) {
            return Err(wrong(
                "/max",
                format!("is {max}; it must be 1 to {MAX_ATTEMPTS}"),
            ));
        }
        if wait_ms > MAX_WAIT_MS {
            return Err(wrong(
                "/wait_ms",
                format!("is {wait_ms}; it must be at most {MAX_WAIT_MS}"),
            ));
        }
        if self.plane.git_gateway.is_required() && !git_gateway {
            return Err(super::no_credentials());
        }
        let known = self.heard(&worker).await?;
        // One that registered under an older protocol would not keep to limits that it does not know. What it holds it may finish.
        if known.isolation.is_none() {
            return Err(super::unknown(&worker));
        }
        let worker = known;
        let until = Instant::now() + Duration::from_millis(wait_ms);
        let line = self.plane.signals.queues.join(&self.workspace);
        let max = max.min(worker.slots);
        let mut turn = None;
        loop {
            let looked = line.newest();
            if turn.is_some() {
                // It may have been forgotten meanwhile, and its token revoked.
                let registered = self
                    .plane
                    .store
                    .registered_worker(self.workspace, worker.id);
                let gone = || super::unknown(&worker.id.to_string());
                registered.await?.ok_or_else(gone)?;
            }
            // A server that stops, or that could not store the result, gives nothing out.
            if !self.plane.shutdown.is_cancelled() && self.plane.has_space() {
                let assignments = self.claim(&worker, max, git_gateway).await?.keep();
                if let Some(turn) = turn.take() {
                    // Apart: the worker that has something to do does not wait for that.
                    tokio::spawn(pass_on(Arc::clone(&self.plane), self.workspace, turn));
                }
                if !assignments.is_empty() {
                    failpoint::pass("server.acquire.claimed");
                    return Ok(Acquired { assignments });
                }
            }
            tokio::select! {
                next = line.turn(looked) => turn = Some(next),
                () = tokio::time::sleep_until(until) => return Ok(Acquired { assignments: Vec::new() }),
                () = self.plane.shutdown.cancelled() => return Ok(Acquired { assignments: Vec::new() }),
            }
        }
    }
}

/// The next in line looks only if something is left: what this worker may not take, or had no room for.
async fn pass_on(plane: Arc<Plane>, workspace: WorkspaceId, turn: Turn) {
    match plane.store.waits(workspace, plane.now()).await {
        Ok(more) => turn.end(more),
        // Dropped, it is the next one's.
        Err(fault) => tracing::debug!(%fault, "whether more waits is not known"),
    }
}
