//! When workers were last heard of, until it is written: all at once now and then. Each time by itself would be most of what an idle worker
//! costs.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Mutex, PoisonError};

use outwork_domain::{Timestamp, WorkerId};

#[derive(Default)]
pub(crate) struct Heard(Mutex<BTreeMap<WorkerId, Timestamp>>);

impl Heard {
    pub(crate) fn note(&self, worker: WorkerId, now: Timestamp) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.insert(worker, now);
    }

    /// What was noted since the last call.
    pub(crate) fn take(&self) -> BTreeMap<WorkerId, Timestamp> {
        mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
