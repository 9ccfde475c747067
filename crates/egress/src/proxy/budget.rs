//! How much may be sent to one host in the life of a proxy.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::policy::target::Host;

/// The hosts that were sent something.
#[derive(Debug)]
pub(super) struct Budgets {
    limit: Option<u64>,
    spent: Mutex<HashMap<Host, Arc<AtomicU64>>>,
}

/// What is left for one host.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    limit: u64,
    spent: Arc<AtomicU64>,
}

impl Budgets {
    pub(super) fn new(limit: Option<u64>) -> Self {
        let spent = Mutex::default();
        Self { limit, spent }
    }

    /// `None`: no limit.
    pub(super) fn of(&self, host: &Host) -> Option<Budget> {
        let limit = self.limit?;
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let spent = spent.entry(host.clone()).or_default();
        let spent = Arc::clone(spent);
        Some(Budget { limit, spent })
    }
}

impl Budget {
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether `bytes` more may be sent. What was refused counts, too, so that it stays refused.
    pub(super) fn spend(&self, bytes: u64) -> bool {
        let before = self.spent.fetch_add(bytes, Ordering::Relaxed);
        before.saturating_add(bytes) <= self.limit
    }
}
