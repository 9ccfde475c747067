//! Sends an outbox to the server, in order, until the end is acknowledged.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use outwork_api::worker::{
    Advance, Append, AppendAnswer, Finish, NewEvent, OutputKind, WorkerApi, WorkerError,
};
use outwork_failpoint as failpoint;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Entry, Outbox};
use crate::lease::{ClaimId, Leases, Wish};
use crate::retry::{Backoff, Verdict, verdict};

const BATCH_EVENTS: usize = 256;
const BATCH_BYTES: u64 = 1 << 20;

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// The server has everything, or had already ended the attempt.
    Done,
    /// The claim is not ours any more, or the server will never take it.
    Refused,
}

pub(crate) struct Delivery {
    pub(crate) api: Arc<dyn WorkerApi>,
    pub(crate) leases: Arc<Leases>,
    pub(crate) claim: ClaimId,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) flush_every: Duration,
    /// Nothing more is written: it is done when the server has all that is there.
    pub(crate) last: CancellationToken,
}

/// What is sent in one request.
#[derive(Clone, Debug)]
pub enum Portion {
    /// Events that follow each other.
    Events {
        /// The number of the first.
        first_seq: i64,
        /// At least one.
        events: Vec<NewEvent>,
    },
    /// The step of that name has begun.
    Step(String),
    /// A part of the result, and whose.
    Upload(OutputKind, Option<String>, Vec<u8>),
    /// The end.
    Finish(Box<Finish>),
}

impl Portion {
    /// The failure point before it is sent.
    fn before(&self) -> &'static str {
        match self {
            Self::Events { .. } => "worker.append.before",
            Self::Step(_) => "worker.step.before",
            Self::Upload(..) => "worker.upload.before",
            Self::Finish(_) => "worker.finish.before",
        }
    }

    /// The failure point after it was acknowledged.
    fn after(&self) -> &'static str {
        match self {
            Self::Events { .. } => "worker.append.after",
            Self::Step(_) => "worker.step.after",
            Self::Upload(..) => "worker.upload.after",
            Self::Finish(_) => "worker.finish.after",
        }
    }
}

/// How far a server has an outbox. Knows neither time nor network.
#[derive(Debug, Default)]
pub struct Position {
    offset: u64,
    /// Steps and results before this offset are delivered, also when events are sent again.
    control_offset: u64,
    acknowledged_seq: i64,
}

impl Delivery {
    pub(crate) async fn run(self) -> Delivered {
        let mut position = Position::default();
        let mut backoff = Backoff::default();
        let mut sent_at: Option<Instant> = None;
        loop {
            let next = position.next_or_end(&self.outbox, &self.last).await;
            let (portion, end) = match next {
                Ok(Some(found)) => found,
                Ok(None) => return Delivered::Done,
                Err(error) => {
                    tracing::error!(claim = %self.claim, %error, "the outbox cannot be read");
                    return Delivered::Refused;
                }
            };
            let is_events = matches!(portion, Portion::Events { .. });
            if let (Some(sent_at), true) = (sent_at, is_events) {
                // Gather what comes within the time, unless a step or the end waits.
                tokio::select! {
                    () = tokio::time::sleep_until(sent_at + self.flush_every) => {}
                    () = self.outbox.urgent.notified() => {}
                }
            }
            // What was gathered meanwhile belongs to this portion.
            let (portion, end) = if is_events {
                let gathered = position.next(&self.outbox).ok().flatten();
                gathered.unwrap_or((portion, end))
            } else {
                (portion, end)
            };
            // What runs is being killed, and may write its end meanwhile.
            if self.leases.is_abandoned(self.claim) {
                return Delivered::Refused;
            }
            let is_finish = matches!(portion, Portion::Finish(_));
            failpoint::pass(portion.before());
            match self.send(&portion).await {
                Ok(acknowledged) => {
                    failpoint::pass(portion.after());
                    backoff = Backoff::default();
                    sent_at = Some(Instant::now());
                    if !position.delivered(&portion, end, acknowledged) {
                        tokio::time::sleep(backoff.next()).await;
                    }
                    if is_finish {
                        return Delivered::Done;
                    }
                }
                Err(error) => match verdict(&error) {
                    Verdict::Again | Verdict::Refused => self.wait(&mut backoff, &error).await,
                    Verdict::OutOfOrder => {
                        position.rewind();
                        self.wait(&mut backoff, &error).await;
                    }
                    Verdict::Ended => {
                        self.leases.raise(self.claim, Wish::Abandon);
                        return Delivered::Done;
                    }
                    Verdict::Stale | Verdict::Unknown | Verdict::Rejected | Verdict::Revoked => {
                        tracing::warn!(claim = %self.claim, %error, "the server refuses the attempt");
                        self.leases.raise(self.claim, Wish::Abandon);
                        return Delivered::Refused;
                    }
                },
            }
        }
    }

    /// Sends one portion; gives the acknowledged number of events where the answer says it.
    async fn send(&self, portion: &Portion) -> Result<Option<i64>, WorkerError> {
        let attempt = self.claim.attempt.to_string();
        let epoch = self.claim.epoch.get();
        let answer = match portion {
            Portion::Events { first_seq, events } => {
                let append = Append {
                    epoch,
                    first_seq: *first_seq,
                    events: events.clone(),
                };
                self.api.append(attempt, append).await?
            }
            Portion::Step(step) => {
                self.api
                    .advance(
                        attempt,
                        Advance {
                            epoch,
                            step: step.clone(),
                        },
                    )
                    .await?
            }
            Portion::Upload(kind, repository, content) => {
                self.api
                    .upload(attempt, epoch, *kind, repository.clone(), content.clone())
                    .await?;
                return Ok(None);
            }
            Portion::Finish(finish) => {
                self.api.finish(attempt, finish.as_ref().clone()).await?;
                return Ok(None);
            }
        };
        let AppendAnswer {
            acknowledged_seq,
            desired,
        } = answer;
        self.leases.raise(self.claim, desired.into());
        Ok(matches!(portion, Portion::Events { .. }).then_some(acknowledged_seq))
    }

    async fn wait(&self, backoff: &mut Backoff, error: &WorkerError) {
        tracing::debug!(claim = %self.claim, %error, "the server did not take it; trying again");
        tokio::select! {
            () = tokio::time::sleep(backoff.next()) => {}
            () = self.leases.contact() => {}
        }
    }
}

impl Position {
    /// As [`Self::next`], but waits until there is something; `None` once `last` says that nothing more is written, and all is sent.
    pub(super) async fn next_or_end(
        &mut self,
        outbox: &Outbox,
        last: &CancellationToken,
    ) -> io::Result<Option<(Portion, u64)>> {
        loop {
            let changed = outbox.changed.notified();
            // Asked before it looks: what was written before the end is found after it.
            let is_last = last.is_cancelled();
            let found = self.next(outbox)?;
            if found.is_some() || is_last {
                return Ok(found);
            }
            tokio::select! {
                () = last.cancelled() => {}
                () = changed => {}
            }
        }
    }

    /// What is to be sent next, with the offset behind it; passes over what the server has. `None` until more is written.
    /// Errors: the disk's.
    pub fn next(&mut self, outbox: &Outbox) -> io::Result<Option<(Portion, u64)>> {
        loop {
            let entries = outbox.read(self.offset)?;
            let mut events = Vec::new();
            let mut first_seq = 0;
            let start = self.offset;
            let mut end = start;
            for (entry, behind) in entries {
                match entry {
                    // Numbers rise: none of these comes after one that is collected.
                    Entry::Event { seq, event: _ } if seq <= self.acknowledged_seq => {
                        self.offset = behind
                    }
                    Entry::Event { seq, event } => {
                        if events.is_empty() {
                            first_seq = seq;
                        }
                        events.push(event);
                        end = behind;
                        if events.len() == BATCH_EVENTS || end - start > BATCH_BYTES {
                            break;
                        }
                    }
                    Entry::Step { .. } | Entry::Upload { .. } | Entry::Finish(_)
                        if !events.is_empty() =>
                    {
                        break;
                    }
                    Entry::Step { .. } | Entry::Upload { .. } if behind <= self.control_offset => {
                        self.offset = behind
                    }
                    Entry::Step { step } => return Ok(Some((Portion::Step(step), behind))),
                    Entry::Upload { kind, repository } => {
                        let path = outbox.result_path(kind, repository.as_deref());
                        let content = std::fs::read(path)?;
                        return Ok(Some((Portion::Upload(kind, repository, content), behind)));
                    }
                    Entry::Finish(finish) => {
                        return Ok(Some((Portion::Finish(Box::new(finish)), behind)));
                    }
                }
            }
            if !events.is_empty() {
                return Ok(Some((Portion::Events { first_seq, events }, end)));
            }
            if self.offset == start {
                return Ok(None);
            }
        }
    }

    /// Notes what was sent, up to `end`, and where the answer says so the last event that the server has; false if the server took only a part, so that the rest has to come again.
    pub fn delivered(&mut self, portion: &Portion, end: u64, acknowledged: Option<i64>) -> bool {
        match portion {
            Portion::Events { first_seq, events } => {
                let last = first_seq + events.len() as i64 - 1;
                let acknowledged = acknowledged.unwrap_or(last);
                self.acknowledged_seq = self.acknowledged_seq.max(acknowledged);
                let is_whole = acknowledged >= last;
                self.offset = if is_whole { end } else { 0 };
                is_whole
            }
            Portion::Step(_) | Portion::Upload(..) | Portion::Finish(_) => {
                self.offset = end;
                self.control_offset = self.control_offset.max(end);
                true
            }
        }
    }

    /// From the beginning, because the server misses something that it had acknowledged; it passes over what it has.
    pub fn rewind(&mut self) {
        self.offset = 0;
        self.acknowledged_seq = 0;
    }
}
