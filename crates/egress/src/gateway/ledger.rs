//! What is known about the requests: events for the one who watches, totals, and
//! the guard that ends each request exactly once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

use super::endpoint::Endpoint;
use super::refusal::Refusal;
use super::upstream::UpstreamErrorKind;
use super::usage::Usage;

/// Per request: `Started`, then perhaps `FirstByte` and `UpstreamError`, then
/// `Finished`. A request that is refused on arrival is only `Refused`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayEvent {
    /// `n` counts the forwarded requests of this gateway, from 1.
    Started {
        n: u64,
        endpoint: Endpoint,
    },
    /// The head of the answer came, `after` the start.
    FirstByte {
        n: u64,
        status: u16,
        after: Duration,
    },
    Finished {
        n: u64,
        /// What the agent got; `None` if it got no answer.
        status: Option<u16>,
        duration: Duration,
        tokens: Tokens,
        ending: Ending,
    },
    Refused {
        reason: Refusal,
    },
    UpstreamError {
        n: u64,
        kind: UpstreamErrorKind,
    },
}

/// What a request cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// As the endpoint said at the end of its answer.
    Counted(Usage),
    /// It may have cost something: the endpoint did not say, or the answer broke off.
    Unknown,
    /// An endpoint without tokens, or no successful answer.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The whole answer was passed on, or one of our own was given.
    Complete,
    /// The agent left first.
    ClientGone,
    /// The endpoint broke off inside its answer.
    Broken(UpstreamErrorKind),
    /// The gateway was stopped.
    Stopped,
}

/// Sums over the life of a gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Forwarded; the finished ones are `counted + unknown + without_tokens`.
    pub started: u64,
    pub refused: u64,
    /// The sum over the counted requests.
    pub usage: Usage,
    /// Requests in `usage`.
    pub counted: u64,
    /// Requests that may have cost tokens nobody counted.
    pub unknown: u64,
    pub without_tokens: u64,
    /// Events that found the channel full.
    pub events_dropped: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Ledger {
    totals: Arc<Mutex<Totals>>,
    events: mpsc::Sender<GatewayEvent>,
}

impl Ledger {
    pub(super) fn new(events: mpsc::Sender<GatewayEvent>) -> Self {
        let totals = Arc::default();
        Self { totals, events }
    }

    pub(super) fn totals(&self) -> Totals {
        self.with_totals(|totals| *totals)
    }

    pub(super) fn refused(&self, reason: Refusal) {
        self.with_totals(|totals| totals.refused += 1);
        // Refusals are free to provoke; they must not push out the other events.
        if self.events.capacity() > self.events.max_capacity() / 2 {
            self.send(GatewayEvent::Refused { reason });
        } else {
            self.with_totals(|totals| totals.events_dropped += 1);
        }
    }

    pub(super) fn begin(
        &self,
        endpoint: Endpoint,
        permit: OwnedSemaphorePermit,
        stop: CancellationToken,
    ) -> InFlight {
        let n = self.with_totals(|totals| {
            totals.started += 1;
            totals.started
        });
        self.send(GatewayEvent::Started { n, endpoint });
        InFlight {
            ledger: self.clone(),
            n,
            started: Instant::now(),
            stop,
            status: None,
            tokens: Tokens::None,
            ending: None,
            _permit: permit,
        }
    }

    fn with_totals<T>(&self, change: impl FnOnce(&mut Totals) -> T) -> T {
        // The sums stay right whatever panicked: each change is a few additions.
        change(&mut self.totals.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn send(&self, event: GatewayEvent) {
        match self.events.try_send(event) {
            // Nobody listens any more: the totals remain.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.with_totals(|totals| totals.events_dropped += 1);
            }
        }
    }
}

/// A request on its way. Dropping it is its end: hyper drops the request when
/// the agent closes the connection.
pub(super) struct InFlight {
    ledger: Ledger,
    n: u64,
    started: Instant,
    stop: CancellationToken,
    /// What the agent gets.
    pub(super) status: Option<u16>,
    pub(super) tokens: Tokens,
    /// `None` as long as somebody could still cut it short.
    pub(super) ending: Option<Ending>,
    _permit: OwnedSemaphorePermit,
}

impl InFlight {
    pub(super) fn first_byte(&self, status: u16) {
        self.ledger.send(GatewayEvent::FirstByte {
            n: self.n,
            status,
            after: self.started.elapsed(),
        });
    }

    pub(super) fn upstream_error(&self, kind: UpstreamErrorKind) {
        let n = self.n;
        self.ledger.send(GatewayEvent::UpstreamError { n, kind });
    }

    pub(super) fn refused(&self, reason: Refusal) {
        self.ledger.refused(reason);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let cut_short = match self.stop.is_cancelled() {
            true => Ending::Stopped,
            false => Ending::ClientGone,
        };
        let tokens = self.tokens;
        self.ledger.with_totals(|totals| match tokens {
            Tokens::Counted(usage) => {
                totals.usage.add(usage);
                totals.counted += 1;
            }
            Tokens::Unknown => totals.unknown += 1,
            Tokens::None => totals.without_tokens += 1,
        });
        self.ledger.send(GatewayEvent::Finished {
            n: self.n,
            status: self.status,
            duration: self.started.elapsed(),
            tokens,
            ending: self.ending.unwrap_or(cut_short),
        });
    }
}
