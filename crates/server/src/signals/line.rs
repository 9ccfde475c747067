//! Those who wait for work, in line. A call wakes one of them, whoever waits longest, not all: with a hundred idle workers, a hundred
//! would ask the store for what one can have. Whoever finds that more waits passes the call on, so that work which the first may not take
//! comes to one that may.

use std::collections::HashMap;
use std::hash::Hash;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// A line for each key.
pub(crate) struct Lines<K>(Mutex<HashMap<K, Arc<Line>>>);

/// Those who wait for the same.
#[derive(Default)]
pub(crate) struct Line {
    /// How many calls there were.
    calls: AtomicU64,
    next: Notify,
}

/// The number of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call(u64);

/// Whoever was woken has it, and decides whether the next is woken. If it is dropped undecided, because its caller hung up, the next is.
pub(crate) struct Turn {
    line: Arc<Line>,
    pass_on: bool,
}

impl<K: Eq + Hash + Clone> Lines<K> {
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// What is called after this is heard by whoever looks, and then waits, in this order.
    pub(crate) fn join(&self, key: &K) -> Arc<Line> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lines.entry(key.clone()).or_default())
    }

    pub(crate) fn call(&self, key: &K) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match lines.get(key) {
            // Nobody is in it: whoever comes looks first.
            Some(line) if Arc::strong_count(line) == 1 => drop(lines.remove(key)),
            Some(line) => line.call(),
            None => {}
        }
    }

    pub(crate) fn call_all(&self) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|_, line| Arc::strong_count(line) > 1);
        lines.values().for_each(|line| line.call());
    }
}

impl Line {
    fn call(&self) {
        self.calls.fetch_add(1, Ordering::AcqRel);
        self.next.notify_one();
    }

    /// The newest call; to be asked for before looking.
    pub(crate) fn newest(&self) -> Call {
        Call(self.calls.load(Ordering::Acquire))
    }

    /// Waits for a turn, after looking in vain at the time of the call `looked`.
    pub(crate) async fn turn(self: &Arc<Self>, looked: Call) -> Turn {
        loop {
            let mut next = pin!(self.next.notified());
            next.as_mut().enable();
            // A call that came since was for others only if they have not looked after it either.
            if self.newest() == looked {
                next.await;
            }
            // Woken by a call after which one has looked already: it has been passed through the whole line.
            if self.newest() != looked {
                return Turn {
                    line: Arc::clone(self),
                    pass_on: true,
                };
            }
        }
    }
}

impl Turn {
    /// `more`: whether the next is woken.
    pub(crate) fn end(mut self, more: bool) {
        self.pass_on = more;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.pass_on {
            self.line.next.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_call_wakes_the_one_that_waits_longest() {
        let lines = Lines::new();
        let line = lines.join(&1);
        let looked = line.newest();
        let (mut first, mut second) = (Box::pin(line.turn(looked)), Box::pin(line.turn(looked)));
        assert!((&mut first).now_or_never().is_none());
        assert!((&mut second).now_or_never().is_none());
        lines.call(&1);
        assert!((&mut second).now_or_never().is_none(), "it waits behind");
        let turn = first.await;
        turn.end(false);
        assert!((&mut second).now_or_never().is_none(), "nothing is left");
    }

    #[tokio::test]
    async fn a_call_is_passed_on_until_all_have_looked() {
        let lines = Lines::new();
        let line = lines.join(&1);
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(line.turn(line.newest()))).collect();
        for waits in &mut waiting {
            assert!(waits.now_or_never().is_none());
        }
        lines.call(&1);
        let looked = line.newest();
        let mut again = Vec::new();
        for waits in waiting {
            let turn = waits.now_or_never().expect("it is its turn");
            turn.end(true);
            let mut waits = Box::pin(line.turn(looked));
            assert!((&mut waits).now_or_never().is_none(), "it has looked");
            again.push(waits);
        }
        for waits in &mut again {
            assert!(waits.now_or_never().is_none(), "the call goes round");
        }
    }

    #[tokio::test]
    async fn a_turn_that_is_given_up_goes_to_the_next() {
        let lines = Lines::new();
        let line = lines.join(&1);
        let looked = line.newest();
        let mut first = Box::pin(line.turn(looked));
        let mut second = Box::pin(line.turn(looked));
        assert!((&mut first).now_or_never().is_none());
        assert!((&mut second).now_or_never().is_none());
        lines.call(&1);
        drop(first.now_or_never().expect("it is its turn"));
        assert!(second.now_or_never().is_some(), "it was passed on");
    }

    #[tokio::test]
    async fn a_call_between_looking_and_waiting_is_heard() {
        let lines = Lines::new();
        let line = lines.join(&1);
        let looked = line.newest();
        lines.call(&1);
        assert!(line.turn(looked).now_or_never().is_some());
    }

    #[test]
    fn a_line_without_anybody_is_dropped() {
        let lines = Lines::new();
        drop(lines.join(&1));
        let kept = lines.join(&2);
        lines.call_all();
        assert_eq!(lines.0.lock().expect("no panic").len(), 1);
        drop(kept);
        lines.call(&2);
        assert!(lines.0.lock().expect("no panic").is_empty());
    }
}
