//! Taking work: as much as there is room for, until shutdown.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use outwork_api::worker::{Acquire, Acquired, Assignment, Release, WorkerError};
use outwork_failpoint as failpoint;

use super::{LAST_WORDS, Supervisor};
use crate::attempt;
use crate::lease::ClaimId;
use crate::retry::{Backoff, Verdict, verdict};

const LOOK_AT_DISK_EVERY: Duration = Duration::from_secs(1);
/// A look costs a few system calls.
const LOOK_AT_AGENTS_EVERY: Duration = Duration::from_secs(1);

impl Supervisor {
    /// Takes attempts until there is a reason to take nothing more.
    pub(super) async fn take_work(&mut self) {
        let mut backoff = Backoff::default();
        let mut had_space = true;
        let mut quit = self.quit();
        while !quit.is_now() {
            self.reap();
            self.adapt_slots();
            self.note_capacity(false);
            let has_space = self.has_space(had_space) || self.make_space().await;
            had_space = has_space;
            if !has_space {
                tokio::select! {
                    () = quit.wait() => return,
                    () = tokio::time::sleep(LOOK_AT_DISK_EVERY) => {}
                }
                continue;
            }
            if self.slots.free() == 0 {
                let mut heard = self.told.subscribe();
                if self.is_slots_changed() {
                    continue;
                }
                tokio::select! {
                    () = quit.wait() => return,
                    Some(done) = self.attempts.join_next() => self.done(done),
                    _ = heard.changed() => {}
                }
                continue;
            }
            if self.is_changed() {
                tokio::select! {
                    () = quit.wait() => return,
                    () = self.register() => continue,
                }
            }
            // Before, not after: the server may have counted from there.
            let asked_at = Instant::now();
            match self.acquire().await {
                Some(Ok(Acquired { assignments })) => {
                    if !assignments.is_empty() {
                        failpoint::pass("worker.acquired");
                    }
                    backoff = Backoff::default();
                    for assignment in assignments {
                        self.begin(assignment, asked_at).await;
                    }
                }
                Some(Err(error)) if self.told.is_revoked(&error) => return,
                Some(Err(error)) => {
                    if verdict(&error) == Verdict::Unknown {
                        self.unknown.notify_one();
                    }
                    let wait = backoff.next();
                    tracing::debug!(%error, retry_ms = wait.as_millis(), "no work could be asked for");
                    tokio::select! {
                        () = quit.wait() => return,
                        () = tokio::time::sleep(wait) => {}
                    }
                }
                None => return,
            }
        }
    }

    /// Asks for as many attempts as there are free slots. `None` when nothing more is to be taken; what the server gave out at the
    /// last moment is given back.
    async fn acquire(&self) -> Option<Result<Acquired, WorkerError>> {
        let mut quit = self.quit();
        let request = Acquire {
            worker: self.worker(),
            max: self.slots.free().min(100),
            wait_ms: u64::try_from(self.host.config.timing.acquire_wait.as_millis())
                .unwrap_or(0)
                .min(30_000),
            git_gateway: self.git_gateway(),
        };
        let mut answer = self.host.api.acquire(request);
        tokio::select! {
            answer = &mut answer => return Some(answer),
            () = quit.wait() => {}
            () = self.slots_changed() => return Some(Ok(Acquired { assignments: Vec::new() })),
            () = self.unknown.notified() => {
                // Kept for `is_changed`.
                self.unknown.notify_one();
                return Some(Ok(Acquired { assignments: Vec::new() }));
            }
            () = self.agents_changed() => return Some(Ok(Acquired { assignments: Vec::new() })),
        }
        // A claim that was just being made must not be lost until its lease runs out.
        if let Ok(Ok(Acquired { assignments })) =
            tokio::time::timeout(Duration::from_millis(300), answer).await
        {
            for Assignment { attempt, epoch, .. } in assignments {
                let request = Release {
                    epoch,
                    resume: false,
                };
                let released = self.host.api.release(attempt, request);
                if let Ok(Err(error)) = tokio::time::timeout(LAST_WORDS, released).await {
                    tracing::warn!(%error, "an attempt could not be given back");
                }
            }
        }
        None
    }

    /// Gives up snapshots and images that nobody uses; whether that was enough.
    async fn make_space(&self) -> bool {
        let reserve_bytes = self.host.config.timing.reserve_bytes;
        match self.host.snapshots.prune(reserve_bytes).await {
            Ok(removed) if removed.snapshots > 0 => {
                tracing::info!(
                    snapshots = removed.snapshots,
                    "removed for space on the disk"
                );
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "snapshots cannot be removed for space"),
        }
        if !self.is_free() {
            self.host.images.trim().await;
        }
        self.is_free()
    }

    fn is_free(&self) -> bool {
        let reserve_bytes = self.host.config.timing.reserve_bytes;
        let free_bytes = self.host.state.free_bytes();
        free_bytes.is_none_or(|free| free >= reserve_bytes)
    }

    /// Whether there is room on the disk; said when it changes, not each time.
    fn has_space(&self, had_space: bool) -> bool {
        let reserve_bytes = self.host.config.timing.reserve_bytes;
        let free_bytes = self.host.state.free_bytes();
        let has_space = free_bytes.is_none_or(|free| free >= reserve_bytes);
        let free_mib = free_bytes.unwrap_or(0) >> 20;
        match (had_space, has_space) {
            (true, false) => {
                let reserve_mib = reserve_bytes >> 20;
                tracing::error!(
                    free_mib,
                    reserve_mib,
                    "the disk is nearly full: nothing is taken until there is space"
                );
            }
            (false, true) => tracing::info!(free_mib, "there is space on the disk again"),
            (true, true) | (false, false) => {}
        }
        has_space
    }

    /// Runs as many attempts at once as the server wants, or as the worker was started with.
    fn adapt_slots(&mut self) {
        let wanted = self.wanted_slots();
        if wanted != self.slots.limit() {
            let before = self.slots.limit();
            tracing::info!(before, now = wanted, "the number of slots changes");
            self.slots.set_limit(wanted);
        }
    }

    fn wanted_slots(&self) -> u32 {
        let own = self.host.config.slots;
        self.told.standing().slots.unwrap_or(own)
    }

    fn is_slots_changed(&self) -> bool {
        self.wanted_slots() != self.slots.limit()
    }

    /// Waits until the server wants another number of slots.
    async fn slots_changed(&self) {
        let mut heard = self.told.subscribe();
        while !self.is_slots_changed() {
            if heard.changed().await.is_err() {
                std::future::pending().await
            }
        }
    }

    /// Whether the worker has to register again: agents came or went, or the server does not know it.
    fn is_changed(&self) -> bool {
        let unknown = self.unknown.notified().now_or_never().is_some();
        unknown || self.has_other_agents()
    }

    fn has_other_agents(&self) -> bool {
        let agents = crate::install::names(&self.host.config.agents_dir);
        let identity = self.identity.borrow();
        identity
            .as_ref()
            .is_none_or(|identity| identity.agents != agents)
    }

    /// Waits until agents came or went, so that one that was just installed is used at once.
    async fn agents_changed(&self) {
        while !self.has_other_agents() {
            tokio::time::sleep(LOOK_AT_AGENTS_EVERY).await;
        }
    }

    async fn begin(&mut self, assignment: Assignment, asked_at: Instant) {
        let Some(claim) = ClaimId::parse(&assignment.attempt, assignment.epoch) else {
            tracing::error!(
                attempt = assignment.attempt,
                "the server gave out an attempt with an id that is none"
            );
            return;
        };
        let Some(slot) = self.slots.take() else {
            tracing::error!(%claim, "the server gave out more than was asked for");
            let released = self
                .host
                .api
                .release(
                    assignment.attempt,
                    Release {
                        epoch: assignment.epoch,
                        resume: false,
                    },
                )
                .await;
            if let Err(error) = released {
                tracing::warn!(%claim, %error, "the attempt could not be given back");
            }
            return;
        };
        tracing::info!(%claim, slot, environment = assignment.environment, "attempt begins");
        let lease =
            self.host
                .leases
                .hold(claim, Duration::from_millis(assignment.lease_ms), asked_at);
        self.host.leases.told(claim, assignment.messages.clone());
        let host = Arc::clone(&self.host);
        self.attempts.spawn(async move {
            attempt::run(host, assignment, slot, lease).await;
            Some(slot)
        });
    }
}
