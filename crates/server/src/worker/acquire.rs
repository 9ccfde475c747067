//! A worker asks for attempts: a long poll that is answered as soon as there is one.

use std::sync::Arc;
use std::time::Duration;

use outwork_api::worker::{Acquire, Acquired};
use outwork_domain::WorkspaceId;
use outwork_failpoint as failpoint;
use tokio::time::Instant;

use super::claim::Taken;
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
        let known = self.known(&worker).await?;
        // One that registered under an older protocol would not keep to limits that it does not know. What it holds it may finish.
        if known.worker.isolation.is_none() {
            return Err(super::unknown(&worker));
        }
        let now = self.plane.now();
        if self.has_to_be_written(&known, now) {
            self.plane.store.touch_worker(known.worker.id, now).await?;
        }
        let worker = known.worker;
        let until = Instant::now() + Duration::from_millis(wait_ms);
        let line = self.plane.signals.queues.join(&self.workspace);
        let max = max.min(worker.slots);
        let (mut turn, mut is_woken) = (None, false);
        loop {
            let looked = line.newest();
            if is_woken {
                // It may have been forgotten meanwhile, and its token revoked.
                self.known(&worker.id.to_string()).await?;
            }
            if self.plane.gives_out() {
                let taken = self.claim(&worker, max, git_gateway).await?;
                if let Some(turn) = turn.take() {
                    // Apart: the worker that has something to do does not wait for that.
                    tokio::spawn(pass_on(Arc::clone(&self.plane), self.workspace, turn));
                }
                if !taken.is_empty() {
                    return Ok(acquired(taken));
                }
            }
            // What is queued from here on comes to it by itself or, if it cannot, by its turn.
            let mut standing = self.stand_by(&worker, max, git_gateway);
            let woken = tokio::select! {
                taken = standing.taken() => Woken::Given(taken),
                next = line.turn(looked) => Woken::Turn(next),
                () = tokio::time::sleep_until(until) => Woken::Over,
                () = self.plane.shutdown.cancelled() => Woken::Over,
            };
            is_woken = true;
            let (taken, is_over) = match woken {
                Woken::Given(taken) => (Some(taken), false),
                Woken::Turn(next) => {
                    turn = Some(next);
                    (standing.end().await, false)
                }
                Woken::Over => (standing.end().await, true),
            };
            match taken {
                // A turn that it has no need of is the next one's.
                Some(taken) if !taken.is_empty() => return Ok(acquired(taken)),
                Some(_) | None if is_over => {
                    return Ok(Acquired {
                        assignments: Vec::new(),
                    });
                }
                Some(_) | None => {}
            }
        }
    }
}

/// Why a worker waits no more.
enum Woken {
    Given(Taken),
    Turn(Turn),
    Over,
}

fn acquired(taken: Taken) -> Acquired {
    let assignments = taken.keep();
    failpoint::pass("server.acquire.claimed");
    Acquired { assignments }
}

/// The next in line looks only if something is left: what this worker may not take, or had no room for.
async fn pass_on(plane: Arc<Plane>, workspace: WorkspaceId, turn: Turn) {
    match plane.store.waits(workspace, plane.now()).await {
        Ok(more) => turn.end(more),
        // Dropped, it is the next one's.
        Err(fault) => tracing::debug!(%fault, "whether more waits is not known"),
    }
}
