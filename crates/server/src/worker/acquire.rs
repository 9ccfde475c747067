//! A worker asks for attempts: a long poll that is answered as soon as there is one.

use std::time::Duration;

use outwork_api::worker::{Acquire, Acquired};
use outwork_failpoint as failpoint;
use tokio::time::Instant;

use super::{WorkerService, wrong};
use crate::refusal::Refusal;

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
        let known = self.known(&worker).await?.worker;
        // One that registered under an older protocol would not keep to limits that it does not know. What it holds it may finish.
        if known.isolation.is_none() {
            return Err(super::unknown(&worker));
        }
        let worker = known;
        self.plane
            .store
            .touch_worker(worker.id, self.plane.now())
            .await?;
        let until = Instant::now() + Duration::from_millis(wait_ms);
        let mut changed = self.plane.signals.queues.subscribe(&self.workspace);
        let max = max.min(worker.slots);
        loop {
            changed.mark_unchanged();
            // It may have been forgotten meanwhile, and its token revoked.
            self.known(&worker.id.to_string()).await?;
            // A server that stops, or that could not store the result, gives nothing out.
            if !self.plane.shutdown.is_cancelled() && self.plane.has_space() {
                let assignments = self.claim(&worker, max, git_gateway).await?.keep();
                if !assignments.is_empty() {
                    failpoint::pass("server.acquire.claimed");
                    return Ok(Acquired { assignments });
                }
            }
            tokio::select! {
                // An error means that the sender is gone, and then only the timers are left.
                Ok(()) = changed.changed() => {}
                () = tokio::time::sleep_until(until) => return Ok(Acquired { assignments: Vec::new() }),
                () = self.plane.shutdown.cancelled() => return Ok(Acquired { assignments: Vec::new() }),
            }
        }
    }
}
