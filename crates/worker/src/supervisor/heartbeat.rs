//! Signs of life, on a thread and runtime of their own: however busy the worker is, its leases are renewed.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use outwork_api::worker::{self as wire, WorkerApi};
use outwork_failpoint as failpoint;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::Identity;
use super::standing::Told;
use crate::lease::Leases;
use crate::retry::{Verdict, verdict};

/// The version of the protocol from which on heartbeats say what there is room for.
const CAPACITY_SINCE: u32 = 4;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How soon a heartbeat that failed is sent again.
pub const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// An answer to a heartbeat that takes longer is none: there must be time to ask again within the lease.
pub fn answer_within(heartbeat_interval: Duration) -> Duration {
    ANSWER_WITHIN.min(2 * heartbeat_interval)
}

/// What the worker has room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Capacity {
    pub(super) slots: u32,
    pub(super) free_slots: u32,
    pub(super) draining: bool,
}

pub(super) struct Beat {
    pub(super) api: Arc<dyn WorkerApi>,
    pub(super) leases: Arc<Leases>,
    pub(super) identity: watch::Receiver<Option<Identity>>,
    pub(super) unknown: Arc<Notify>,
    /// Said with each heartbeat.
    pub(super) capacity: watch::Receiver<Capacity>,
    /// Hears what the server wants.
    pub(super) told: Told,
    /// Keys of snapshots that the server wants to be gone.
    pub(super) resets: mpsc::UnboundedSender<Vec<String>>,
}

/// The thread; dropping it ends it, without waiting.
pub(super) struct Heartbeat {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    pub(super) fn start(beat: Beat) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let thread = std::thread::Builder::new()
            .name("heartbeat".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = stopped.cancelled() => {}
                        () = beat.run() => {}
                    }
                });
            })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    pub(super) fn stop(mut self) {
        self.stop.cancel();
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the thread of heartbeats panicked");
        }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Beat {
    async fn run(mut self) {
        loop {
            let known = self
                .identity
                .wait_for(Option::is_some)
                .await
                .map(|identity| identity.clone());
            // The supervisor is gone.
            let Ok(Some(Identity {
                worker,
                heartbeat_interval,
                protocol_version,
                agents: _,
                git_gateway: _,
            })) = known
            else {
                return;
            };
            let request = self.request(worker, protocol_version);
            let wait = if self.beat(request, answer_within(heartbeat_interval)).await {
                heartbeat_interval
            } else {
                heartbeat_interval.min(AGAIN_AFTER)
            };
            tokio::time::sleep(wait).await;
        }
    }

    fn request(&self, worker: String, protocol_version: u32) -> wire::Heartbeat {
        let leases = self.leases.claims();
        // An older server refuses fields that it does not know.
        if protocol_version < CAPACITY_SINCE {
            return wire::Heartbeat {
                worker,
                leases,
                ..wire::Heartbeat::default()
            };
        }
        let Capacity {
            slots,
            free_slots,
            draining,
        } = *self.capacity.borrow();
        wire::Heartbeat {
            worker,
            leases,
            slots: Some(slots),
            free_slots: Some(free_slots),
            draining,
        }
    }

    /// One heartbeat; whether it was answered as it should be.
    async fn beat(&self, request: wire::Heartbeat, answer_within: Duration) -> bool {
        // Before, not after: the server may have counted from there.
        let sent_at = Instant::now();
        failpoint::pass("worker.heartbeat.before");
        let answer = match tokio::time::timeout(answer_within, self.api.heartbeat(request)).await {
            Ok(answer) => answer,
            Err(_) => {
                tracing::warn!("a heartbeat was not answered");
                return false;
            }
        };
        let error = match answer {
            Ok(answer) => {
                self.leases.renewed(sent_at, &answer);
                self.told.orders(answer.orders);
                if !answer.reset_snapshots.is_empty() {
                    // Whoever listened is gone when the worker ends.
                    let _ = self.resets.send(answer.reset_snapshots);
                }
                return true;
            }
            Err(error) => error,
        };
        match verdict(&error) {
            Verdict::Revoked => {
                self.told.is_revoked(&error);
            }
            Verdict::Again => {
                tracing::warn!(%error, "a heartbeat was not answered; what runs goes on")
            }
            Verdict::Unknown => {
                tracing::warn!(%error, "the server does not know this worker");
                self.leases.refused(Instant::now());
                self.unknown.notify_one();
            }
            Verdict::Refused
            | Verdict::Rejected
            | Verdict::Stale
            | Verdict::Ended
            | Verdict::OutOfOrder => {
                tracing::warn!(%error, "the server refuses this worker");
                self.leases.refused(Instant::now());
            }
        }
        false
    }
}
