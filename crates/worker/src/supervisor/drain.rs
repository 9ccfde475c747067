//! Taking nothing more: because the worker was told to end, or because the server wants it to drain or to retire. It is one way for all.

use std::time::{Duration, Instant};

use outwork_api::worker::WorkerDesired;

use super::{LAST_WORDS, Supervisor, WorkerEnd};
use crate::lease::Wish;

/// For what is given back when the worker ends: the agent's last moment, its checkpoint, the end of its log, and telling the server.
const HAND_OVER: Duration = Duration::from_secs(4 * LAST_WORDS.as_secs());

/// How a drain went on.
pub(super) enum Drained {
    /// The server wants the worker to take work again.
    WorkAgain,
    /// Nothing runs any more, and the worker is to end.
    End(WorkerEnd),
}

/// How far a drain is.
#[derive(Default)]
struct Progress {
    /// When the process was told to end.
    stopped_at: Option<Instant>,
    /// Whether what still runs was told to hand over.
    is_giving_back: bool,
    /// When what does not obey is killed; only if the worker ends.
    kill_at: Option<Instant>,
}

impl Supervisor {
    /// Lets what runs go on until the deadline, then gives it back. Leases are renewed all the time.
    pub(super) async fn drain(&mut self) -> Drained {
        let mut heard = self.told.subscribe();
        let mut progress = Progress::default();
        loop {
            heard.mark_unchanged();
            self.reap();
            self.note_capacity(true);
            let end = self.end();
            if end.is_none() && self.told.standing().desired == WorkerDesired::Run {
                return Drained::WorkAgain;
            }
            if let (Some(end), true) = (end, self.attempts.is_empty()) {
                return Drained::End(end);
            }
            if self.shutdown.is_cancelled() {
                progress.stopped_at.get_or_insert_with(Instant::now);
            }
            let wake_at = self.push(&mut progress, end.is_some()).await;
            let (now, shutdown, revoked) = (
                self.now.clone(),
                self.shutdown.clone(),
                self.told.revoked.clone(),
            );
            tokio::select! {
                Some(done) = self.attempts.join_next() => self.done(done),
                _ = heard.changed() => {}
                () = shutdown.cancelled(), if !shutdown.is_cancelled() => {}
                () = revoked.cancelled(), if !revoked.is_cancelled() => {}
                () = now.cancelled(), if !now.is_cancelled() => {}
                () = sleep_until(wake_at) => {}
            }
        }
    }

    /// Why the worker has to end, if it has to.
    fn end(&self) -> Option<WorkerEnd> {
        if self.told.revoked.is_cancelled() {
            Some(WorkerEnd::Revoked)
        } else if self.told.standing().desired == WorkerDesired::Retire {
            Some(WorkerEnd::Retired)
        } else if self.shutdown.is_cancelled() {
            Some(WorkerEnd::Stopped)
        } else {
            None
        }
    }

    /// Does what is due, and says when something is due next.
    async fn push(&mut self, progress: &mut Progress, ends: bool) -> Option<Instant> {
        if self.attempts.is_empty() {
            progress.is_giving_back = false;
            return None;
        }
        let own = progress.stopped_at;
        let own = own.map(|at| at + self.host.config.drain_grace);
        let deadlines = [own, self.told.standing().give_back_at];
        let deadline = deadlines.into_iter().flatten().min();
        let is_over = self.now.is_cancelled()
            || self.told.revoked.is_cancelled()
            || deadline.is_some_and(|at| at <= Instant::now());
        if !is_over {
            return deadline;
        }
        if !progress.is_giving_back {
            progress.is_giving_back = true;
            let attempts = self.attempts.len();
            tracing::info!(attempts, "giving back what still runs");
            self.host.leases.raise_all(Wish::Release);
        }
        if !ends {
            // A result whose delivery takes longer is not given up: the worker is still there.
            return None;
        }
        self.host.ending.cancel();
        let kill_at = *progress
            .kill_at
            .get_or_insert_with(|| Instant::now() + HAND_OVER);
        if kill_at <= Instant::now() {
            let attempts = self.attempts.len();
            tracing::warn!(
                attempts,
                "attempts did not end in time; their sandboxes are killed"
            );
            self.attempts.shutdown().await;
            return Some(Instant::now());
        }
        Some(kill_at)
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
