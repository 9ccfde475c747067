//! What a worker decides by, without its time and its network, for a caller that keeps both: the simulation in
//! `tests/simulation` runs workers on a clock of its own with it.

use std::path::Path;

pub use crate::lease::{ClaimId, LeaseGuard, Leases, Wish};
pub use crate::outbox::delivery::{Portion, Position};
pub use crate::outbox::{Outbox, Source};
pub use crate::retry::{Backoff, Verdict, verdict};
pub use crate::supervisor::{LEFTOVER_LEASE, heartbeat::AGAIN_AFTER, heartbeat::answer_within};

use crate::config::{Clock, Timing};
use crate::mask::Masker;

/// The outbox, in `directory`, of an attempt without secrets.
pub fn outbox(directory: &Path, now: Clock) -> Outbox {
    let masker = Masker::new([] as [(&str, &str); 0]);
    Outbox::create(directory, Timing::default().log_bytes, now, masker)
}
