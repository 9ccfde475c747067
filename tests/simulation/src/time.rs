//! The one true time of a simulation, and the clocks that show it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use outwork_domain::Timestamp;
use outwork_server::Clock;

/// 2026-11-20T14:53:40Z: when every simulation begins.
const BEGIN_MS: i64 = 1_795_186_420_000;

/// Milliseconds since the simulation began.
#[derive(Clone, Debug, Default)]
pub struct TrueTime(Arc<AtomicU64>);

impl TrueTime {
    /// Now.
    pub fn ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// It is later now.
    pub fn advance(&self, to_ms: u64) {
        self.0.store(to_ms, Ordering::Relaxed);
    }
}

/// A server's clock: right but for a constant.
#[derive(Clone, Debug)]
pub struct ServerClock {
    /// What it should show.
    pub time: TrueTime,
    /// How far it is ahead.
    pub ahead_ms: u64,
}

impl Clock for ServerClock {
    fn now(&self) -> Timestamp {
        let ms = i64::try_from(self.time.ms() + self.ahead_ms).expect("a few hours");
        Timestamp::from_millis(BEGIN_MS + ms)
    }
}

/// A worker's monotonic clock: it runs a little too fast or too slow, and may stand still while the worker is paused.
#[derive(Clone, Debug)]
pub struct WorkerClock {
    zero: Instant,
    /// Parts in a million that it runs too fast (above a million) or too slow.
    rate: u64,
    stood_still_ms: u64,
}

const MILLION: u64 = 1_000_000;

impl WorkerClock {
    /// A clock with that fault, in parts in a million.
    pub fn new(fast: u64, slow: u64) -> Self {
        Self {
            zero: Instant::now(),
            rate: MILLION + fast - slow,
            stood_still_ms: 0,
        }
    }

    /// What it shows at that true time.
    pub fn at(&self, true_ms: u64) -> Instant {
        self.zero + Duration::from_millis(self.local_ms(true_ms))
    }

    fn local_ms(&self, true_ms: u64) -> u64 {
        true_ms.saturating_sub(self.stood_still_ms) * self.rate / MILLION
    }

    /// How much true time passes while it shows that time to pass.
    pub fn true_ms(&self, local: Duration) -> u64 {
        u64::try_from(local.as_millis()).unwrap_or(u64::MAX) * MILLION / self.rate
    }

    /// It stood still for that long.
    pub fn stood_still(&mut self, ms: u64) {
        self.stood_still_ms += ms;
    }
}
