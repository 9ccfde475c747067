//! Which snapshots are kept, told to the server whenever that changes; and those that it wants to be gone.

use std::sync::Arc;
use std::time::Duration;

use outwork_api::time::Time;
use outwork_api::worker::{KeptSnapshot, SnapshotInventory, SnapshotUses};
use outwork_domain::Timestamp;
use outwork_snapshot::{CacheConfig, Counters, Key, SnapshotInfo, boot_id};
use tokio::sync::{mpsc, watch};

use super::Identity;
use crate::attempt::{self, Host};
use crate::config::WorkerConfig;
use crate::retry::{Backoff, Verdict, verdict};
use crate::state_dir::StateDir;

/// Changes come in bursts: an attempt that starts and ends is four of them.
const GATHER: Duration = Duration::from_millis(200);
/// What the protocol takes.
const MOST_SNAPSHOTS: usize = 10_000;
/// Snapshots that nobody asks for get too old without a change.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How long after a build the disk is made to catch up.
const SYNC_AFTER: Duration = Duration::from_secs(2);

pub(super) fn cache_config(config: &WorkerConfig, state: &StateDir) -> CacheConfig {
    let now = Arc::clone(&config.now);
    CacheConfig {
        root: state.snapshots(),
        ttl: config.cache.snapshot_ttl,
        max_bytes: config.cache.snapshot_bytes,
        now: Arc::new(move || now().as_millis()),
        // Without it nothing is believed to be on the disk after a restart but what was synced.
        boot_id: boot_id().unwrap_or_default(),
        sync_after: SYNC_AFTER,
    }
}

/// Tells until it is dropped.
pub(super) async fn tell(
    host: Arc<Host>,
    mut identity: watch::Receiver<Option<Identity>>,
    mut resets: mpsc::UnboundedReceiver<Vec<String>>,
) {
    let mut changed = host.snapshots.changed();
    let mut backoff = Backoff::default();
    // What the server has heard last; none if it may have forgotten, or waits to hear it again.
    let mut told = None;
    loop {
        changed.mark_unchanged();
        let worker = match identity.wait_for(Option::is_some).await {
            Ok(known) => known.as_ref().map(|known| known.worker.clone()),
            Err(_) => return,
        };
        let Some(worker) = worker else { continue };
        let inventory = inventory(&host, worker);
        let news = (told.as_ref() != Some(&inventory)).then(|| inventory.clone());
        let sent = match news {
            Some(news) => host.api.snapshots(news).await,
            None => Ok(()),
        };
        if let Err(error) = sent {
            match verdict(&error) {
                Verdict::Rejected => {
                    tracing::error!(%error, "the server does not take the list of snapshots");
                }
                Verdict::Again
                | Verdict::Refused
                | Verdict::Revoked
                | Verdict::Unknown
                | Verdict::Stale
                | Verdict::Ended
                | Verdict::OutOfOrder => {
                    tracing::debug!(%error, "the list of snapshots was not taken; trying again");
                    tokio::time::sleep(backoff.next()).await;
                    continue;
                }
            }
        }
        backoff = Backoff::default();
        told = Some(inventory);
        tokio::select! {
            // The senders live as long as the worker.
            _ = changed.changed() => {}
            // It registered again: the server may have forgotten everything.
            _ = identity.changed() => told = None,
            keys = resets.recv() => {
                let Some(mut keys) = keys else { return };
                while let Ok(more) = resets.try_recv() {
                    keys.extend(more);
                }
                drop_keys(&host, keys).await;
                told = None;
            }
            () = tokio::time::sleep(LOOK_EVERY) => host.snapshots.expire(),
        }
        // What is to be gone must not wait for what may change besides.
        tokio::time::sleep(GATHER).await;
    }
}

async fn drop_keys(host: &Host, keys: Vec<String>) {
    let keys: Vec<Key> = keys.iter().filter_map(|key| Key::parse(key).ok()).collect();
    let removed = host.snapshots.drop_keys(&keys).await;
    tracing::info!(
        snapshots = removed.snapshots,
        size_bytes = removed.size_bytes,
        "snapshots were reset"
    );
}

fn inventory(host: &Host, worker: String) -> SnapshotInventory {
    let mut list = host.snapshots.list();
    // The oldest go unnamed, not unused.
    list.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.last_used_at));
    list.truncate(MOST_SNAPSHOTS);
    let uses = host.snapshots.counters().into_iter();
    SnapshotInventory {
        worker,
        snapshots: list.into_iter().map(kept).collect(),
        uses: uses
            .map(
                |Counters {
                     scope,
                     hits,
                     builds,
                 }| SnapshotUses {
                    environment_id: scope,
                    hits,
                    builds,
                },
            )
            .collect(),
    }
}

fn kept(snapshot: SnapshotInfo) -> KeptSnapshot {
    let at = |millis| Time::from(Timestamp::from_millis(millis));
    KeptSnapshot {
        key: snapshot.key.as_str().to_owned(),
        environment_id: snapshot.scope,
        cache_generation: snapshot.payload[attempt::GENERATION]
            .as_i64()
            .unwrap_or_default(),
        reason: snapshot.reason_built,
        built_at: at(snapshot.built_at),
        last_used_at: at(snapshot.last_used_at),
        size_bytes: snapshot.size_bytes,
        hits: snapshot.hits,
        in_use: snapshot.in_use,
    }
}
