//! The claims that this worker holds, and what is wanted of each.
//!
//! # When a sandbox is killed
//!
//! The server's clock decides a lease; the worker only measures, on its own monotonic clock, how long ago each claim was
//! last renewed. What an unrenewed claim means depends on why it was not renewed:
//!
//! * **The server says that the claim is stale, or that the attempt has ended**: abandoned at once.
//! * **The server answers but refuses the worker** (its token was withdrawn, it is not known any more): abandoned when two
//!   thirds of the lease have passed since the last renewal, so that the sandbox is gone before another worker starts.
//! * **The server is away, or answers that it cannot serve now**: the sandbox goes on, up to the attempt's own limits. The
//!   server extends leases by the time that it was down, and each verb of the worker carries the claim's epoch, so a claim
//!   that was given to another meanwhile is found stale at the first contact and nothing of it is accepted. The price is
//!   work done twice after a partition; the other choice would destroy all running work whenever the server restarts.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use outwork_api::worker as wire;
use outwork_api::worker::AttemptMessage;
use outwork_domain::{AttemptId, Epoch};
use tokio::sync::{Notify, mpsc, watch};

/// One claim of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimId {
    /// Of what.
    pub attempt: AttemptId,
    /// Which.
    pub epoch: Epoch,
}

impl ClaimId {
    /// As the protocol writes it; `None` if the id is none.
    pub fn parse(attempt: &str, epoch: i64) -> Option<Self> {
        Some(Self {
            attempt: attempt.parse().ok()?,
            epoch: Epoch::new(epoch),
        })
    }
}

impl fmt::Display for ClaimId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.attempt, self.epoch.get())
    }
}

/// What is wanted of an attempt; it only ever rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    /// Go on.
    Run,
    /// Stop and give it back unfinished: the worker itself has to end.
    Release,
    /// Stop the agent, hand in the diff.
    Cancel,
    /// Kill the sandbox and send nothing more.
    Abandon,
}

impl From<wire::Desired> for Wish {
    fn from(desired: wire::Desired) -> Self {
        match desired {
            wire::Desired::Run => Self::Run,
            wire::Desired::Cancel => Self::Cancel,
            wire::Desired::Abandon => Self::Abandon,
        }
    }
}

/// All claims of this worker.
#[derive(Debug, Default)]
pub struct Leases {
    held: Mutex<HashMap<ClaimId, Held>>,
    /// Wakes whoever waits to try again, as soon as the server answers.
    contact: Notify,
}

#[derive(Debug)]
struct Held {
    lease: Duration,
    renewed_at: Instant,
    wish: watch::Sender<Wish>,
    messages: mpsc::UnboundedSender<AttemptMessage>,
    /// The number of the last message that came.
    message_seq: u32,
}

/// A claim while it is held; dropping it ends the renewals.
#[derive(Debug)]
pub struct LeaseGuard {
    pub(crate) claim: ClaimId,
    leases: Arc<Leases>,
    wish: watch::Receiver<Wish>,
    inbox: Option<Inbox>,
}

/// What people tell an attempt, in order, each once.
pub(crate) type Inbox = mpsc::UnboundedReceiver<AttemptMessage>;

impl LeaseGuard {
    /// Where the attempt hears what people say; for one reader.
    pub(crate) fn take_inbox(&mut self) -> Option<Inbox> {
        self.inbox.take()
    }

    /// What is wanted now.
    pub fn wish(&self) -> Wish {
        *self.wish.borrow()
    }

    pub(crate) fn stop(&self) -> Stop {
        Stop {
            wish: self.wish.clone(),
        }
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        self.leases.lock().remove(&self.claim);
    }
}

/// Where an attempt hears what is wanted of it.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    wish: watch::Receiver<Wish>,
}

impl Stop {
    /// Waits until the wish is above `than`.
    pub(crate) async fn above(&mut self, than: Wish) -> Wish {
        let above = self
            .wish
            .wait_for(|wish| *wish > than)
            .await
            .map(|wish| *wish);
        match above {
            Ok(wish) => wish,
            // The guard outlives its attempt; without it nobody could wish anything any more.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Leases {
    /// The server gave the claim out after it was asked at `asked_at`: its answer may have been on its way for long, and
    /// the lease counts from before it.
    pub fn hold(
        self: &Arc<Self>,
        claim: ClaimId,
        lease: Duration,
        asked_at: Instant,
    ) -> LeaseGuard {
        let (sender, wish) = watch::channel(Wish::Run);
        let (messages, inbox) = mpsc::unbounded_channel();
        let held = Held {
            lease,
            renewed_at: asked_at,
            wish: sender,
            messages,
            message_seq: 0,
        };
        self.lock().insert(claim, held);
        LeaseGuard {
            claim,
            leases: Arc::clone(self),
            wish,
            inbox: Some(inbox),
        }
    }

    /// What a heartbeat names.
    pub fn claims(&self) -> Vec<wire::Claim> {
        let claim = |(claim, held): (&ClaimId, &Held)| wire::Claim {
            attempt: claim.attempt.to_string(),
            epoch: claim.epoch.get(),
            message_seq: held.message_seq,
        };
        self.lock().iter().map(claim).collect()
    }

    /// What people said; what is known already is passed over.
    pub(crate) fn told(&self, claim: ClaimId, messages: Vec<AttemptMessage>) {
        if let Some(held) = self.lock().get_mut(&claim) {
            held.told(messages);
        }
    }

    /// The server answered a heartbeat that was sent at `sent_at`.
    pub fn renewed(&self, sent_at: Instant, answer: &wire::HeartbeatAnswer) {
        let mut held = self.lock();
        for lease in &answer.leases {
            let Some(held) =
                ClaimId::parse(&lease.attempt, lease.epoch).and_then(|claim| held.get_mut(&claim))
            else {
                continue;
            };
            held.renewed_at = sent_at;
            held.told(lease.messages.clone());
            held.raise(lease.desired.into());
        }
        drop(held);
        self.contact.notify_waiters();
    }

    /// The server answered, and refuses this worker.
    pub fn refused(&self, now: Instant) {
        for held in self.lock().values() {
            if now.duration_since(held.renewed_at) >= held.lease * 2 / 3 {
                held.raise(Wish::Abandon);
            }
        }
    }

    /// Something is wanted of one.
    pub fn raise(&self, claim: ClaimId, wish: Wish) {
        if let Some(held) = self.lock().get(&claim) {
            held.raise(wish);
        }
    }

    /// Something is wanted of all.
    pub fn raise_all(&self, wish: Wish) {
        self.lock().values().for_each(|held| held.raise(wish));
    }

    /// Whether nothing more is to be said of it.
    pub(crate) fn is_abandoned(&self, claim: ClaimId) -> bool {
        let held = self.lock();
        held.get(&claim)
            .is_some_and(|held| *held.wish.borrow() == Wish::Abandon)
    }

    /// Waits until the server answers a heartbeat.
    pub(crate) async fn contact(&self) {
        self.contact.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ClaimId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn told(&mut self, messages: Vec<AttemptMessage>) {
        for message in messages {
            if message.number > self.message_seq {
                self.message_seq = message.number;
                // An attempt that ends reads no more.
                let _ = self.messages.send(message);
            }
        }
    }

    fn raise(&self, wish: Wish) {
        self.wish.send_if_modified(|current| {
            let rises = wish > *current;
            if rises {
                *current = wish;
            }
            rises
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(30);

    fn held() -> (Arc<Leases>, LeaseGuard) {
        let leases = Arc::new(Leases::default());
        let claim =
            ClaimId::parse("att_00000000000000000000000000000001", 7).expect("an attempt's id");
        let guard = leases.hold(claim, LEASE, Instant::now());
        (leases, guard)
    }

    fn answer(desired: wire::Desired, epoch: i64) -> wire::HeartbeatAnswer {
        let attempt = "att_00000000000000000000000000000001".to_owned();
        wire::HeartbeatAnswer {
            leases: vec![wire::LeaseAnswer {
                attempt,
                epoch,
                desired,
                messages: Vec::new(),
            }],
            reset_snapshots: Vec::new(),
            orders: wire::Orders::default(),
        }
    }

    #[test]
    fn a_wish_only_rises() {
        let (leases, guard) = held();
        leases.renewed(Instant::now(), &answer(wire::Desired::Cancel, 7));
        leases.renewed(Instant::now(), &answer(wire::Desired::Run, 7));
        leases.raise_all(Wish::Release);
        assert_eq!(guard.wish(), Wish::Cancel);
    }

    #[test]
    fn an_answer_for_another_epoch_is_not_ours() {
        let (leases, guard) = held();
        leases.renewed(Instant::now(), &answer(wire::Desired::Abandon, 6));
        assert_eq!(guard.wish(), Wish::Run);
    }

    #[test]
    fn a_refusal_kills_after_two_thirds_of_the_lease() {
        let (leases, guard) = held();
        let start = Instant::now();
        leases.refused(start + LEASE / 2);
        assert_eq!(guard.wish(), Wish::Run);
        leases.renewed(start + LEASE, &answer(wire::Desired::Run, 7));
        leases.refused(start + LEASE + LEASE / 2);
        assert_eq!(guard.wish(), Wish::Run);
        leases.refused(start + LEASE + LEASE * 2 / 3);
        assert_eq!(guard.wish(), Wish::Abandon);
    }

    #[test]
    fn each_message_comes_once() {
        let (leases, mut guard) = held();
        let mut inbox = guard.take_inbox().expect("nobody else took it");
        let steer = |number| AttemptMessage {
            number,
            body: wire::MessageBody::Steer {
                text: number.to_string(),
            },
        };
        leases.told(guard.claim, vec![steer(1), steer(3)]);
        leases.told(guard.claim, vec![steer(1), steer(3), steer(4)]);
        assert_eq!(leases.claims()[0].message_seq, 4);
        let numbers: Vec<u32> =
            std::iter::from_fn(|| inbox.try_recv().ok().map(|told| told.number)).collect();
        assert_eq!(numbers, [1, 3, 4]);
    }

    #[test]
    fn a_claim_that_is_dropped_is_not_renewed() {
        let (leases, guard) = held();
        assert_eq!(leases.claims().len(), 1);
        drop(guard);
        assert_eq!(leases.claims(), []);
    }
}
