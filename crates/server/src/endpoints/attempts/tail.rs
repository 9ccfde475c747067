//! What the followers of an attempt share: the newest part of its log, as it is sent. However many there are, an event is read and made
//! into text once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError, Weak};

use bytes::Bytes;
use outwork_domain::AttemptId;
use outwork_store::{EventRow, StoreError};
use tokio::sync::Mutex;

use super::follow::Log;
use crate::http::sse;
use crate::view;

/// What is kept of an attempt's log while somebody follows it, in bytes of text. Who is further behind reads for himself.
const KEPT_BYTES: usize = 256 * 1024;
/// What a follower is given at a time, in bytes of text, unless a single event is larger.
const GIVEN_BYTES: usize = 32 * 1024;

/// An event as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) seq: i64,
    pub(super) text: Bytes,
}

/// Of every attempt that is followed.
#[derive(Default)]
pub(crate) struct Tails(std::sync::Mutex<HashMap<AttemptId, Weak<Tail>>>);

/// Of one attempt; gone with its last follower.
#[derive(Default)]
pub(super) struct Tail(Mutex<Kept>);

/// Entries without gaps between them.
#[derive(Default)]
struct Kept {
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Tails {
    pub(super) fn of(&self, attempt: AttemptId) -> Arc<Tail> {
        let mut tails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tail) = tails.get(&attempt).and_then(Weak::upgrade) {
            return tail;
        }
        // Those that nobody follows any more are dropped now and then, so that the map does not grow for ever.
        if tails.len() >= 64 && tails.len().is_power_of_two() {
            tails.retain(|_, tail| tail.strong_count() > 0);
        }
        let tail = Arc::default();
        tails.insert(attempt, Arc::downgrade(&tail));
        tail
    }
}

impl Tail {
    /// What comes after that number, oldest first, not all of it if there is much; empty if there is nothing.
    pub(super) async fn after(&self, after: i64, log: &impl Log) -> Result<Vec<Entry>, StoreError> {
        let mut kept = self.0.lock().await;
        if let Some(entries) = kept.after(after) {
            return Ok(entries);
        }
        if kept.ends_before(after) {
            // The others wait for this one, and then find it here.
            let read = entries(log.read(after).await?)?;
            kept.add(&read);
            return Ok(given(read.iter()));
        }
        drop(kept);
        entries(log.read(after).await?)
    }
}

impl Kept {
    /// `None` if that is not kept.
    fn after(&self, after: i64) -> Option<Vec<Entry>> {
        let (first, last) = (self.entries.front()?.seq, self.entries.back()?.seq);
        if after < first - 1 || after >= last {
            return None;
        }
        let skipped = usize::try_from(after + 1 - first).ok()?;
        Some(given(self.entries.iter().skip(skipped)))
    }

    /// Whether what comes after that number is newer than all that is kept.
    fn ends_before(&self, after: i64) -> bool {
        self.entries.back().is_none_or(|last| last.seq <= after)
    }

    fn add(&mut self, entries: &[Entry]) {
        let (last, next) = (self.entries.back(), entries.first());
        if let (Some(last), Some(next)) = (last, next)
            && next.seq != last.seq + 1
        {
            *self = Self::default();
        }
        for entry in entries {
            self.bytes += entry.text.len();
            self.entries.push_back(entry.clone());
        }
        while self.bytes > KEPT_BYTES
            && let Some(oldest) = self.entries.pop_front()
        {
            self.bytes -= oldest.text.len();
        }
    }
}

fn given<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<Entry> {
    let mut bytes = 0;
    let mut given = Vec::new();
    for entry in entries {
        bytes += entry.text.len();
        if bytes > GIVEN_BYTES && !given.is_empty() {
            break;
        }
        given.push(entry.clone());
    }
    given
}

fn entries(rows: Vec<EventRow>) -> Result<Vec<Entry>, StoreError> {
    let entry = |row: EventRow| {
        let event = view::event::wire(row)?;
        let data = serde_json::to_string(&event).expect("an event is plain data");
        Ok(Entry {
            seq: event.seq,
            text: sse::event(Some(event.seq), view::event::kind(&event.body), &data),
        })
    };
    rows.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use outwork_domain::{Epoch, Timestamp};

    use super::*;

    /// A log of so many entries with so much text each, that counts how often it is read.
    struct Counted {
        entries: i64,
        text: usize,
        reads: AtomicUsize,
    }

    impl Log for Counted {
        async fn read(&self, after: i64) -> Result<Vec<EventRow>, StoreError> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let text = "x".repeat(self.text);
            let row = |seq| EventRow {
                seq,
                at: Timestamp::from_millis(0),
                epoch: Epoch::ZERO,
                json: format!(r#"{{"type":"message","text":"{text}"}}"#),
            };
            Ok((after + 1..=self.entries).take(100).map(row).collect())
        }

        async fn has_ended(&self) -> Result<bool, StoreError> {
            Ok(true)
        }
    }

    fn log(entries: i64, text: usize) -> Counted {
        Counted {
            entries,
            text,
            reads: AtomicUsize::new(0),
        }
    }

    async fn all(tail: &Tail, log: &Counted, mut after: i64) -> Vec<i64> {
        let mut seen = Vec::new();
        loop {
            let entries = tail.after(after, log).await.expect("it can be read");
            let Some(last) = entries.last() else {
                return seen;
            };
            after = last.seq;
            seen.extend(entries.iter().map(|entry| entry.seq));
        }
    }

    #[tokio::test]
    async fn many_followers_read_once() {
        let (tail, log) = (Tail::default(), log(250, 100));
        let expected: Vec<i64> = (1..=250).collect();
        assert_eq!(all(&tail, &log, 0).await, expected);
        let reads = log.reads.load(Ordering::Relaxed);
        for _ in 0..10 {
            assert_eq!(all(&tail, &log, 0).await, expected);
        }
        // Each looks once for more, in vain.
        assert_eq!(log.reads.load(Ordering::Relaxed), reads + 10);
    }

    #[tokio::test]
    async fn who_is_behind_what_is_kept_misses_nothing() {
        let (tail, log) = (Tail::default(), log(500, 2000));
        let expected: Vec<i64> = (1..=500).collect();
        assert_eq!(all(&tail, &log, 0).await, expected);
        assert!(tail.0.lock().await.bytes <= KEPT_BYTES);
        assert_eq!(all(&tail, &log, 0).await, expected);
        assert_eq!(all(&tail, &log, 123).await, expected[123..]);
    }

    #[tokio::test]
    async fn a_number_that_does_not_exist_yet_is_waited_for() {
        let (tail, log) = (Tail::default(), log(10, 10));
        assert_eq!(all(&tail, &log, 0).await.len(), 10);
        assert!(all(&tail, &log, 15).await.is_empty());
        assert_eq!(all(&tail, &log, 5).await, [6, 7, 8, 9, 10]);
    }

    #[tokio::test]
    async fn what_is_kept_is_what_those_who_are_ahead_want() {
        let (tail, log) = (Tail::default(), log(300, 10));
        assert_eq!(tail.after(0, &log).await.expect("it works").len(), 100);
        assert_eq!(all(&tail, &log, 250).await.len(), 50);
        let reads = log.reads.load(Ordering::Relaxed);
        assert_eq!(tail.after(280, &log).await.expect("it works").len(), 20);
        assert_eq!(log.reads.load(Ordering::Relaxed), reads, "it is kept");
    }

    #[test]
    fn a_tail_is_gone_with_its_last_follower() {
        let tails = Tails::default();
        let attempt = AttemptId::from_uuid(uuid::Uuid::from_u128(1));
        let tail = tails.of(attempt);
        assert!(Arc::ptr_eq(&tail, &tails.of(attempt)));
        drop(tail);
        assert_eq!(tails.of(attempt).0.blocking_lock().bytes, 0);
    }
}
