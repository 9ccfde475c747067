//! Following an attempt: subscribe, read after the cursor, send, repeat. Nothing is lost between reading and waiting, because the
//! subscription comes first; nothing is sent twice, because the cursor only rises.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use outwork_domain::{AttemptId, WorkspaceId};
use outwork_store::{EventRow, StoreError};
use tokio::sync::watch;

use super::tail::{Entry, Tail};
use crate::plane::Plane;

/// Few enough that a log full of the largest events costs little memory for each follower.
const BATCH: u32 = 100;

/// The events of an attempt after number `after`, until the one that ends it; as many at a time as there are.
pub(super) fn follow(
    plane: Arc<Plane>,
    workspace: WorkspaceId,
    attempt: AttemptId,
    after: i64,
) -> impl Stream<Item = Bytes> + Send + 'static {
    let changed = plane.signals.attempts.subscribe(&attempt);
    let tail = plane.tails.of(attempt);
    let every = plane.look_every();
    let log = Stored {
        plane,
        workspace,
        attempt,
    };
    events(log, tail, changed, every, after).map(|entries| together(&entries))
}

/// What is followed.
pub(super) trait Log: Send + Sync + 'static {
    /// The entries after that number, oldest first; not all of them if there are many.
    fn read(&self, after: i64) -> impl Future<Output = Result<Vec<EventRow>, StoreError>> + Send;
    /// Whether no more entries will come.
    fn has_ended(&self) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

struct Stored {
    plane: Arc<Plane>,
    workspace: WorkspaceId,
    attempt: AttemptId,
}

impl Log for Stored {
    async fn read(&self, after: i64) -> Result<Vec<EventRow>, StoreError> {
        self.plane
            .store
            .events(self.workspace, self.attempt, after, BATCH)
            .await
    }

    async fn has_ended(&self) -> Result<bool, StoreError> {
        let record = self
            .plane
            .store
            .attempt(self.workspace, self.attempt)
            .await?;
        Ok(record.is_none_or(|record| record.attempt.state.is_final()))
    }
}

/// At least one entry each time.
fn events(
    log: impl Log,
    tail: Arc<Tail>,
    changed: watch::Receiver<()>,
    every: Duration,
    after: i64,
) -> impl Stream<Item = Vec<Entry>> + Send + 'static {
    stream::unfold(
        Follower {
            log,
            tail,
            after,
            changed,
            every,
            ended: false,
        },
        Follower::next,
    )
}

struct Follower<L> {
    log: L,
    tail: Arc<Tail>,
    after: i64,
    changed: watch::Receiver<()>,
    /// How often it looks without a signal.
    every: Duration,
    /// When nothing is left to read, nothing will come.
    ended: bool,
}

impl<L: Log> Follower<L> {
    async fn next(mut self) -> Option<(Vec<Entry>, Self)> {
        loop {
            self.changed.mark_unchanged();
            let entries = match self.read_more().await {
                Ok(entries) => entries,
                // The client comes back with the last number it saw, and is told then what is wrong.
                Err(fault) => {
                    tracing::warn!(%fault, "a stream of events broke off");
                    return None;
                }
            };
            match entries.last() {
                Some(last) => {
                    self.after = last.seq;
                    return Some((entries, self));
                }
                None if self.ended => return None,
                None => self.wait().await,
            }
        }
    }

    /// What there is to send. When the log turns out to have ended, it reads once more, so that the last entry is not missed.
    async fn read_more(&mut self) -> Result<Vec<Entry>, StoreError> {
        let entries = self.tail.after(self.after, &self.log).await?;
        if !entries.is_empty() || self.ended {
            return Ok(entries);
        }
        self.ended = self.log.has_ended().await?;
        match self.ended {
            true => self.tail.after(self.after, &self.log).await,
            false => Ok(entries),
        }
    }

    async fn wait(&mut self) {
        tokio::select! {
            // An error means that the sender is gone, and then only the timer is left.
            Ok(()) = self.changed.changed() => {}
            () = tokio::time::sleep(self.every) => {}
        }
    }
}

fn together(entries: &[Entry]) -> Bytes {
    match entries {
        [one] => one.text.clone(),
        several => {
            let texts = several.iter().map(|entry| entry.text.as_ref());
            Bytes::from(texts.collect::<Vec<_>>().concat())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Instant;

    use outwork_domain::{Epoch, Timestamp};

    use super::*;

    const EVERY: Duration = Duration::from_secs(2);

    /// A log to which something happens at the worst moment of the second look at it.
    struct Unlucky {
        entries: Mutex<Vec<EventRow>>,
        looks: Mutex<u32>,
        writes: &'static str,
        changed: watch::Sender<()>,
    }

    impl Unlucky {
        fn new(writes: &'static str) -> (Self, watch::Receiver<()>) {
            let (changed, receiver) = watch::channel(());
            let log = Self {
                entries: Mutex::default(),
                looks: Mutex::default(),
                writes,
                changed,
            };
            log.write();
            (log, receiver)
        }

        fn write(&self) {
            let mut entries = self.entries.lock().expect("no panic");
            let seq = i64::try_from(entries.len()).expect("few") + 1;
            let json = r#"{"type":"cancel_requested"}"#.to_owned();
            entries.push(EventRow {
                seq,
                at: Timestamp::from_millis(0),
                epoch: Epoch::ZERO,
                json,
            });
            self.changed.send_replace(());
        }
    }

    impl Log for Unlucky {
        async fn read(&self, after: i64) -> Result<Vec<EventRow>, StoreError> {
            let found = self
                .entries
                .lock()
                .expect("no panic")
                .iter()
                .filter(|row| row.seq > after)
                .cloned()
                .collect();
            *self.looks.lock().expect("no panic") += 1;
            if self.writes == "after reading" && *self.looks.lock().expect("no panic") == 2 {
                self.write();
            }
            Ok(found)
        }

        async fn has_ended(&self) -> Result<bool, StoreError> {
            if self.writes == "before it looks for the end" {
                self.write();
                return Ok(true);
            }
            Ok(self.entries.lock().expect("no panic").len() == 2
                && *self.looks.lock().expect("no panic") > 3)
        }
    }

    #[tokio::test]
    async fn what_is_written_between_reading_and_looking_for_the_end_is_sent() {
        let (log, changed) = Unlucky::new("before it looks for the end");
        let seen = events(log, Arc::default(), changed, EVERY, 0).flat_map(stream::iter);
        let seen: Vec<i64> = seen.map(|entry| entry.seq).collect().await;
        assert_eq!(seen, [1, 2]);
    }

    #[tokio::test]
    async fn what_is_written_between_reading_and_waiting_is_sent_at_once() {
        let (log, changed) = Unlucky::new("after reading");
        let begun = Instant::now();
        let seen = events(log, Arc::default(), changed, EVERY, 0).flat_map(stream::iter);
        let seen: Vec<i64> = seen.take(2).map(|entry| entry.seq).collect().await;
        assert_eq!(seen, [1, 2]);
        assert!(begun.elapsed() < EVERY, "it was seen only by the timer");
    }
}
