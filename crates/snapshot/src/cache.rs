//! Finding snapshots, building each once, giving them up.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use crate::builder::{Builder, CommitError};
use crate::flight::{Flights, Outcome};
use crate::lease::Lease;
use crate::place::CacheError;
use crate::recipe::{Key, Part, Recipe};
use crate::store::Store;

/// Tells the time in milliseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// How a cache is set up.
#[derive(Clone)]
pub struct CacheConfig {
    /// The directory that the cache owns; one process at a time may use it.
    pub root: PathBuf,
    /// How long a snapshot is used after it was built.
    pub ttl: Duration,
    /// What all snapshots may take on the disk together, in bytes.
    pub max_bytes: u64,
    /// Tells the time.
    pub now: Clock,
    /// Names this boot of the machine, see [`boot_id`]: after another one, only what is known to be on the disk is used.
    pub boot_id: String,
    /// How long after a commit the disk is made to catch up; other commits meanwhile share the effort.
    pub sync_after: Duration,
}

impl fmt::Debug for CacheConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheConfig")
            .field("root", &self.root)
            .field("ttl", &self.ttl)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}

/// The kernel's name for this boot of the machine.
pub fn boot_id() -> std::io::Result<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(text.trim().to_owned())
}

/// Why there is nothing to start from.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError<E> {
    /// Somebody else built it, and that failed.
    #[error("the build that this waited for failed")]
    Build(E),
    /// Somebody else built it, and it could not be kept.
    #[error("what this waited for was built and could not be kept")]
    NotKept(#[source] Arc<CommitError>),
    /// The directory of the cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// What somebody who wants a snapshot gets.
#[derive(Debug)]
pub enum Acquired<E: Clone + Send + Sync + 'static> {
    /// The snapshot.
    Ready(Lease),
    /// The task of building it.
    Build(Builder<E>),
}

/// What there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Its key.
    pub key: Key,
    /// Whose it is.
    pub scope: String,
    /// When it was built, in milliseconds since the epoch.
    pub built_at: i64,
    /// When somebody last began or ended to use it, in milliseconds since the epoch.
    pub last_used_at: i64,
    /// What it takes on the disk, in bytes.
    pub size_bytes: u64,
    /// How often it was found by somebody who did not build it.
    pub hits: u64,
    /// How many use it now.
    pub in_use: u32,
    /// Why it was built, for people.
    pub reason_built: String,
    /// What it was made from.
    pub parts: Vec<Part>,
    /// What its builder wrote down.
    pub payload: Value,
}

/// How the snapshots of a scope were used since the directory was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Whose they are.
    pub scope: String,
    /// How often one was found.
    pub hits: u64,
    /// How often one was built.
    pub builds: u64,
}

/// Snapshots that nobody finds any more; what is in use stays on the disk until it is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many.
    pub snapshots: u64,
    /// What they take or took, in bytes.
    pub size_bytes: u64,
}

/// The snapshots of one directory. `E` is what builds fail with; everyone who waited for the build gets a clone.
pub struct Cache<E> {
    shared: Arc<Shared<E>>,
}

pub(crate) struct Shared<E> {
    pub(crate) store: Arc<Store>,
    flights: Mutex<Flights<E>>,
}

impl<E> Shared<E> {
    /// Locked before the state, never after it.
    pub(crate) fn flights(&self) -> MutexGuard<'_, Flights<E>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E> Clone for Cache<E> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<E> fmt::Debug for Cache<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.store.config.fmt(f)
    }
}

enum Next<E: Clone + Send + Sync + 'static> {
    Found(Lease),
    Wait(String, watch::Receiver<Outcome<E>>),
    Build(Builder<E>),
}

impl<E: Clone + Send + Sync + 'static> Cache<E> {
    /// Reads what is there, and begins to remove what an earlier process left half-built or in the trash. What its sandboxes
    /// still use must be gone by then.
    pub async fn open(config: CacheConfig) -> Result<Self, CacheError> {
        let root = config.root.clone();
        let runtime = tokio::runtime::Handle::current();
        let opened = tokio::task::spawn_blocking(move || {
            let _inside = runtime.enter();
            Store::open(config)
        });
        let store = opened
            .await
            .unwrap_or_else(|error| Err(CacheError::at(&root, std::io::Error::other(error))))?;
        Ok(Self {
            shared: Arc::new(Shared {
                store,
                flights: Mutex::default(),
            }),
        })
    }

    /// The snapshot of `recipe`, or the task of building it. While somebody else builds it this waits, and tells `on_wait` for
    /// whom: the label that the builder gave here.
    pub async fn acquire(
        &self,
        recipe: &Recipe,
        label: &str,
        mut on_wait: impl FnMut(&str) + Send,
    ) -> Result<Acquired<E>, AcquireError<E>> {
        let key = recipe.key();
        loop {
            match self.next(recipe, &key, label)? {
                Next::Build(builder) => return Ok(Acquired::Build(builder)),
                Next::Found(lease) => {
                    if let Some(lease) = self.checked(lease).await {
                        return Ok(Acquired::Ready(lease));
                    }
                }
                Next::Wait(builder, mut outcome) => {
                    on_wait(&builder);
                    let is_over = |outcome: &Outcome<E>| !matches!(outcome, Outcome::Running);
                    // An error: the builder is gone without a word, and somebody takes over.
                    let Ok(outcome) = outcome.wait_for(is_over).await.map(|out| out.clone()) else {
                        continue;
                    };
                    match outcome {
                        Outcome::Running => {}
                        Outcome::Built(lease) => {
                            let own = self.shared.store.another(&lease);
                            self.shared.store.hit(&own);
                            return Ok(Acquired::Ready(own));
                        }
                        Outcome::Failed(error) => return Err(AcquireError::Build(error)),
                        Outcome::NotKept(error) => return Err(AcquireError::NotKept(error)),
                    }
                }
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.shared.store
    }

    /// One look at what there is; who is to build is decided here, under the lock.
    fn next(&self, recipe: &Recipe, key: &Key, label: &str) -> Result<Next<E>, CacheError> {
        let mut flights = self.shared.flights();
        if let Some((builder, outcome)) = flights.running(key) {
            return Ok(Next::Wait(builder, outcome));
        }
        let reason = match self.shared.store.find(recipe, key) {
            Ok(lease) => return Ok(Next::Found(lease)),
            Err(reason) => reason,
        };
        let flight = flights.begin(recipe, key, label);
        drop(flights);
        Builder::begin(&self.shared, recipe, key, label, reason, flight).map(Next::Build)
    }

    /// The lease if its snapshot is still sound; if not, it is given up.
    async fn checked(&self, lease: Lease) -> Option<Lease> {
        let looked = lease.clone();
        let check = tokio::task::spawn_blocking(move || looked.check());
        let found = check.await.unwrap_or_else(|error| Err(error.to_string()));
        match found {
            Ok(()) => {
                self.shared.store.hit(&lease);
                Some(lease)
            }
            Err(what) => {
                tracing::warn!(key = %lease.key(), what, "a snapshot is broken");
                lease.report_broken(&what);
                None
            }
        }
    }

    /// Makes everyone build anew, in one scope or in all. What is being built now is still its builder's and of those who wait
    /// for it, and is not kept.
    pub async fn reset(&self, scope: Option<&str>) -> Removed {
        let scope = scope.map(str::to_owned);
        let is_chosen = move |of: &str| scope.as_ref().is_none_or(|scope| scope == of);
        self.give_up(move |_, of| is_chosen(of)).await
    }

    /// As [`Cache::reset`], for single snapshots.
    pub async fn drop_keys(&self, keys: &[Key]) -> Removed {
        let keys = keys.to_vec();
        self.give_up(move |key, _| keys.contains(key)).await
    }

    async fn give_up(&self, is_chosen: impl Fn(&Key, &str) -> bool + Send + 'static) -> Removed {
        // A build ends under this lock too: it is over before, or finds itself reset.
        self.shared.flights().reset(&is_chosen);
        let store = Arc::clone(&self.shared.store);
        let done = tokio::task::spawn_blocking(move || {
            store.reset(|meta| is_chosen(&meta.key, meta.recipe.scope()))
        });
        let (snapshots, size_bytes) = done.await.unwrap_or_else(|error| {
            tracing::error!(%error, "resetting snapshots failed");
            (0, 0)
        });
        Removed {
            snapshots,
            size_bytes,
        }
    }

    /// Gives up snapshots, the least recently used first and none that is in use, until `free_bytes_wanted` are free on the
    /// disk; returns when they are removed. Expired ones go in any case.
    pub async fn prune(&self, free_bytes_wanted: u64) -> Result<Removed, CacheError> {
        let store = &self.shared.store;
        store.expire();
        store.background.settled().await;
        let lacking = free_bytes_wanted.saturating_sub(store.directory.free_bytes()?);
        let doomed = store.state().evict(lacking, None);
        let removed = Removed {
            snapshots: doomed.given_up,
            size_bytes: doomed.size_bytes,
        };
        store.remove(doomed);
        store.background.settled().await;
        Ok(removed)
    }

    /// Gives up what is too old; otherwise that happens when it is asked for, and when something is built.
    pub fn expire(&self) {
        self.shared.store.expire();
    }

    /// Everything that can be found, by scope, the newest first.
    pub fn list(&self) -> Vec<SnapshotInfo> {
        let state = self.shared.store.state();
        let mut list: Vec<_> = state
            .named()
            .map(|(_, entry)| SnapshotInfo {
                key: entry.meta.key.clone(),
                scope: entry.meta.recipe.scope().to_owned(),
                built_at: entry.meta.built_at,
                last_used_at: entry.last_used_at,
                size_bytes: entry.meta.size_bytes,
                hits: entry.hits,
                in_use: entry.leases,
                reason_built: entry.meta.reason.clone(),
                parts: entry.meta.recipe.parts().cloned().collect(),
                payload: entry.meta.payload.clone(),
            })
            .collect();
        drop(state);
        list.sort_by(|a, b| {
            let newest = b.built_at.cmp(&a.built_at);
            a.scope.cmp(&b.scope).then(newest).then(a.key.cmp(&b.key))
        });
        list
    }

    /// How each scope's snapshots were used, by scope.
    pub fn counters(&self) -> Vec<Counters> {
        let state = self.shared.store.state();
        let scopes = state.scopes.iter();
        scopes
            .map(|(scope, known)| Counters {
                scope: scope.clone(),
                hits: known.hits,
                builds: known.builds,
            })
            .collect()
    }

    /// Changes whenever [`Cache::list`] or [`Cache::counters`] may give another answer, which can be often.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.shared.store.changed()
    }

    /// Returns once everything given up so far is removed and all counts are written down.
    pub async fn settled(&self) {
        self.shared.store.background.settled().await;
    }

    /// Returns once every snapshot committed so far is on the disk, or was found not to get there.
    pub async fn synced(&self) {
        self.shared.store.background.synced().await;
    }
}
