//! What is known about the requests: events for the one who watches, totals, the
//! budget, and the guard that ends each request exactly once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

use super::budget::Budget;
use super::endpoint::Endpoint;
use super::event::{Ending, GatewayEvent, Tokens, Totals};
use super::refusal::Refusal;
use super::retry::RetryReason;
use super::upstream::UpstreamErrorKind;

#[derive(Clone, Debug)]
pub(super) struct Ledger {
    books: Arc<Mutex<Books>>,
    events: mpsc::Sender<GatewayEvent>,
}

#[derive(Debug)]
struct Books {
    totals: Totals,
    budget: Budget,
    /// Kept for `BudgetExceeded`, which a flood of others must not push out.
    place: Option<mpsc::OwnedPermit<GatewayEvent>>,
}

impl Ledger {
    /// The channel has room for `event_capacity` events and `BudgetExceeded`.
    pub(super) fn new(
        event_capacity: usize,
        max_tokens: Option<u64>,
    ) -> (Self, mpsc::Receiver<GatewayEvent>) {
        let (events, receiver) = mpsc::channel(event_capacity + 1);
        let place = events.clone().try_reserve_owned();
        let books = Books {
            totals: Totals::default(),
            budget: Budget::new(max_tokens),
            place: Some(place.expect("a new channel is empty")),
        };
        let books = Arc::new(Mutex::new(books));
        (Self { books, events }, receiver)
    }

    pub(super) fn totals(&self) -> Totals {
        self.with_books(|books| books.totals)
    }

    pub(super) fn is_budget_used_up(&self) -> bool {
        self.with_books(|books| books.budget.is_used_up())
    }

    pub(super) fn refused(&self, reason: Refusal) {
        self.with_books(|books| books.totals.refused += 1);
        if reason == Refusal::OverBudget {
            self.over_budget();
        }
        // Refusals are free to provoke; they must not push out the other events.
        if self.events.capacity() > self.events.max_capacity() / 2 {
            self.send(GatewayEvent::Refused { reason });
        } else {
            self.with_books(|books| books.totals.events_dropped += 1);
        }
    }

    pub(super) fn begin(
        &self,
        endpoint: Endpoint,
        permit: OwnedSemaphorePermit,
        stop: CancellationToken,
    ) -> InFlight {
        let n = self.with_books(|books| {
            books.totals.started += 1;
            books.totals.started
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
            at_least: 0,
            likely: 0,
            _permit: permit,
        }
    }

    fn over_budget(&self) {
        self.with_books(|books| {
            books.totals.over_budget = true;
            if let (Some(spending), Some(place)) = (books.budget.spending(), books.place.take()) {
                place.send(GatewayEvent::BudgetExceeded(spending));
            }
        });
    }

    fn with_books<T>(&self, change: impl FnOnce(&mut Books) -> T) -> T {
        // The sums stay right whatever panicked: each change is a few additions.
        change(&mut self.books.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn send(&self, event: GatewayEvent) {
        match self.events.try_send(event) {
            // Nobody listens any more: the totals remain.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.with_books(|books| books.totals.events_dropped += 1);
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
    /// Estimates of its tokens so far.
    at_least: u64,
    likely: u64,
    _permit: OwnedSemaphorePermit,
}

impl InFlight {
    /// It is sent again after `wait`.
    pub(super) fn retried(&self, reason: RetryReason, wait: Duration) {
        self.ledger.with_books(|books| books.totals.retried += 1);
        let n = self.n;
        self.ledger.send(GatewayEvent::Retried { n, reason, wait });
    }

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

    /// The tokens that this call may use in all; `None` without a limit.
    pub(super) fn room(&self) -> Option<u64> {
        let own = self.at_least;
        self.ledger.with_books(|books| books.budget.room(own))
    }

    /// What the call has used so far, by sizes or counts.
    pub(super) fn uses(&mut self, at_least: u64, likely: u64) {
        let before = self.at_least;
        self.ledger
            .with_books(|books| books.budget.under_way(before, at_least));
        self.at_least = at_least;
        self.likely = likely;
    }

    /// The answer is cut here.
    pub(super) fn over_budget(&mut self) {
        self.ending = Some(Ending::OverBudget);
        self.ledger.over_budget();
    }

    fn settle(&self) {
        let (tokens, likely) = (self.tokens, self.likely);
        self.ledger.with_books(|books| {
            let Books { totals, budget, .. } = books;
            budget.under_way(self.at_least, 0);
            match tokens {
                Tokens::Counted(usage) => {
                    totals.usage.add(usage);
                    totals.counted += 1;
                    budget.counted(usage.total());
                }
                Tokens::Unknown => {
                    totals.unknown += 1;
                    totals.unknown_estimate = totals.unknown_estimate.saturating_add(likely);
                    budget.estimated(likely);
                }
                Tokens::None => totals.without_tokens += 1,
            }
        });
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let cut_short = match self.stop.is_cancelled() {
            true => Ending::Stopped,
            false => Ending::ClientGone,
        };
        self.settle();
        self.ledger.send(GatewayEvent::Finished {
            n: self.n,
            status: self.status,
            duration: self.started.elapsed(),
            tokens: self.tokens,
            ending: self.ending.unwrap_or(cut_short),
        });
    }
}
