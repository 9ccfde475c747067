//! Room for connections. When there is none, the one that has waited longest without asking for anything gives its place up: clients that
//! open connections and say nothing, or say it byte by byte, must not stop those that do.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Default)]
pub(super) struct Seats {
    /// By the order in which they began to wait.
    waiting: Mutex<BTreeMap<u64, CancellationToken>>,
    next: AtomicU64,
    has_waiting: Notify,
}

/// One connection's place.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    number: Mutex<Option<u64>>,
    has_worked: AtomicBool,
    evicted: CancellationToken,
}

impl Seats {
    /// A place for a connection that has not asked yet.
    pub(super) fn take(self: &Arc<Self>) -> Seat {
        let seat = Seat {
            seats: Arc::clone(self),
            number: Mutex::default(),
            has_worked: AtomicBool::new(false),
            evicted: CancellationToken::new(),
        };
        seat.waits();
        seat
    }

    /// Returns when one has begun to wait since this was last asked.
    pub(super) async fn someone_waits(&self) {
        self.has_waiting.notified().await;
    }

    /// Sends the one away that has waited longest. False: none is waiting, all have something to do.
    pub(super) fn make_room(&self) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let first = waiting.pop_first();
        first.is_some_and(|(_, evicted)| {
            evicted.cancel();
            true
        })
    }
}

impl Seat {
    /// From now on it may be sent away.
    pub(super) fn waits(&self) {
        self.leave();
        let number = self.seats.next.fetch_add(1, Ordering::Relaxed);
        let mut waiting = self
            .seats
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        waiting.insert(number, self.evicted.clone());
        *self.number.lock().unwrap_or_else(PoisonError::into_inner) = Some(number);
        self.seats.has_waiting.notify_one();
    }

    /// It has asked for something, and stays until that is done.
    pub(super) fn works(&self) {
        self.has_worked.store(true, Ordering::Relaxed);
        self.leave();
    }

    /// Whether it has ever asked for anything.
    pub(super) fn has_worked(&self) -> bool {
        self.has_worked.load(Ordering::Relaxed)
    }

    fn leave(&self) {
        let number = self
            .number
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(number) = number {
            let mut waiting = self
                .seats
                .waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            waiting.remove(&number);
        }
    }

    /// Returns when it was sent away.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_waits_longest_goes_first() {
        let seats = Arc::new(Seats::default());
        let (first, second, third) = (seats.take(), seats.take(), seats.take());
        // Asked, was answered, and waits again: the youngest now.
        first.works();
        first.waits();
        third.works();
        let gone = |seat: &Seat| seat.evicted.is_cancelled();
        assert!(seats.make_room());
        assert_eq!(
            [gone(&first), gone(&second), gone(&third)],
            [false, true, false]
        );
        assert!(seats.make_room());
        assert!(gone(&first) && !gone(&third));
        assert!(!seats.make_room(), "the third has something to do");
        drop((first, second, third));
        assert!(!seats.make_room());
    }
}
