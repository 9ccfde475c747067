//! What the server wants of the worker itself, from wherever it was heard.

use std::sync::Arc;
use std::time::{Duration, Instant};

use outwork_api::worker::{Orders, WorkerDesired, WorkerError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::lease::{Leases, Wish};
use crate::retry::{Verdict, verdict};

/// Two times that are this near are the same deadline, told twice.
const SAME: Duration = Duration::from_secs(2);

/// Orders, with their deadline by this machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    pub(super) desired: WorkerDesired,
    /// When what still runs is given back.
    pub(super) give_back_at: Option<Instant>,
    pub(super) slots: Option<u32>,
}

impl Standing {
    fn new(orders: Orders, now: Instant) -> Self {
        let Orders {
            desired,
            deadline_ms,
            slots,
        } = orders;
        let give_back_at = deadline_ms
            .filter(|_| desired != WorkerDesired::Run)
            .and_then(|ms| now.checked_add(Duration::from_millis(ms)));
        Self {
            desired,
            give_back_at,
            slots,
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        let same_deadline = match (self.give_back_at, other.give_back_at) {
            (Some(one), Some(two)) => one.max(two) - one.min(two) < SAME,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        self.desired == other.desired && self.slots == other.slots && same_deadline
    }
}

/// Where orders are told, and that the worker's token was revoked.
#[derive(Clone, Debug)]
pub(super) struct Told {
    standing: Arc<watch::Sender<Standing>>,
    pub(super) revoked: CancellationToken,
    leases: Arc<Leases>,
}

impl Told {
    pub(super) fn new(leases: Arc<Leases>) -> Self {
        Self {
            standing: Arc::new(watch::channel(Standing::default()).0),
            revoked: CancellationToken::new(),
            leases,
        }
    }

    pub(super) fn orders(&self, orders: Orders) {
        let new = Standing::new(orders, Instant::now());
        self.standing.send_if_modified(|standing| {
            let changes = !standing.is_same(&new);
            if changes {
                tracing::info!(?orders, "the server wants something else of this worker");
                *standing = new;
            }
            changes
        });
    }

    /// Whether the error says that the token was revoked. Then nothing is ours any more, at once.
    pub(super) fn is_revoked(&self, error: &WorkerError) -> bool {
        let is_revoked = verdict(error) == Verdict::Revoked;
        if is_revoked && !self.revoked.is_cancelled() {
            tracing::error!(%error, "the token of this worker was revoked: it stops everything and ends");
            self.revoked.cancel();
        }
        if is_revoked {
            self.leases.raise_all(Wish::Abandon);
        }
        is_revoked
    }

    pub(super) fn standing(&self) -> Standing {
        *self.standing.borrow()
    }

    /// Is woken by each change after this call.
    pub(super) fn subscribe(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(deadline_ms: u64) -> Orders {
        Orders {
            desired: WorkerDesired::Drain,
            deadline_ms: Some(deadline_ms),
            slots: None,
        }
    }

    #[test]
    fn what_is_told_twice_wakes_nobody() {
        let told = Told::new(Arc::default());
        let mut heard = told.subscribe();
        told.orders(Orders::default());
        assert!(!heard.has_changed().unwrap());
        told.orders(drain(60_000));
        assert!(heard.has_changed().unwrap());
        heard.mark_unchanged();
        told.orders(drain(59_900));
        assert!(!heard.has_changed().unwrap());
        told.orders(drain(10_000));
        assert!(heard.has_changed().unwrap());
    }

    #[test]
    fn only_a_draining_worker_has_a_deadline() {
        let running = Orders {
            desired: WorkerDesired::Run,
            ..drain(5)
        };
        assert_eq!(Standing::new(running, Instant::now()).give_back_at, None);
    }
}
