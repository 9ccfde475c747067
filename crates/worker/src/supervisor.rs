//! The worker's loop: who it is, what it takes, and how it ends.

mod commands;
mod drain;
pub(crate) mod heartbeat;
mod intake;
mod inventory;
mod quit;
mod slots;
mod standing;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use outwork_api::problem::Code;
use outwork_api::worker::{
    Deregister, GIT_GATEWAY_SINCE, OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION, Register, Registered,
    WorkerApi, WorkerError,
};
use outwork_git::{Git, GitError};
use outwork_sandbox::{Capabilities, Launchers, Unusable};
use outwork_snapshot::{Cache, CacheError};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::attempt::{self, Host};
use crate::base::{HostBase, StoredIds};
use crate::config::WorkerConfig;
use crate::images::Images;
use crate::lease::{ClaimId, Leases};
use crate::retry::Backoff;
use crate::runtimes::Found;
use crate::state_dir::{StateDir, StateDirError};
use drain::Drained;
use slots::Slots;
use standing::Told;

/// How long the lease of an earlier worker's outbox is taken to be; the server decides, this only bounds a refusal.
pub const LEFTOVER_LEASE: Duration = Duration::from_secs(30);
/// For what is under way at the end: an answer to `acquire`, giving attempts back, signing off.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// The version of the protocol from which on a worker says what it runs.
const VERSIONS_SINCE: u32 = 4;

/// Why a worker did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its directory.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// Git's private configuration.
    #[error("git cannot be set up")]
    Git(#[from] GitError),
    /// The thread for heartbeats.
    #[error("the thread for heartbeats cannot be started")]
    Thread(#[source] io::Error),
    /// What the configuration says.
    #[error("a worker needs at least one slot, and at most 1000")]
    Slots,
    /// It cannot isolate as it was told to; it does not do with less.
    #[error("commands cannot be isolated with {backend} on this machine")]
    Isolation {
        /// What was chosen.
        backend: String,
        /// Why not, and what to do.
        source: Unusable,
    },
    /// The sweep.
    #[error("sweeping what an earlier worker left was interrupted")]
    Sweep(#[source] tokio::task::JoinError),
    /// The skeleton of the worker's own system.
    #[error("what attempts see of the worker's own system cannot be prepared in {path}")]
    Base {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The kept snapshots.
    #[error("the kept snapshots cannot be used")]
    Snapshots(#[from] CacheError),
}

/// Where workers begin.
#[derive(Debug)]
pub enum Worker {}

/// Why a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerEnd {
    /// It was told to by whoever started it.
    Stopped,
    /// The server wanted it to end for good.
    Retired,
    /// Its token was revoked.
    Revoked,
}

/// A worker that runs.
#[derive(Debug)]
pub struct WorkerHandle {
    supervisor: tokio::task::JoinHandle<WorkerEnd>,
    now: CancellationToken,
    identity: watch::Receiver<Option<Identity>>,
}

impl WorkerHandle {
    /// The id that the server gave; waits until it did. `None` if the worker ended before.
    pub async fn registered(&self) -> Option<String> {
        let mut identity = self.identity.clone();
        let known = identity.wait_for(Option::is_some).await.ok()?;
        known.as_ref().map(|identity| identity.worker.clone())
    }

    /// Gives back what still runs, without waiting for the rest of the drain's grace.
    pub fn stop_now(&self) {
        self.now.cancel();
    }

    /// Waits until the worker has ended: after shutdown, or because the server wanted it to, when its attempts have ended or were
    /// given back.
    ///
    /// # Errors
    /// The worker made a mistake (a panic).
    pub async fn join(mut self) -> Result<WorkerEnd, tokio::task::JoinError> {
        self.ended().await
    }

    /// The same, and can be dropped before; not to be called again once it has answered.
    ///
    /// # Errors
    /// The worker made a mistake (a panic).
    pub async fn ended(&mut self) -> Result<WorkerEnd, tokio::task::JoinError> {
        (&mut self.supervisor).await
    }
}

/// Who the server says that the worker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) worker: String,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) protocol_version: u32,
    agents: Vec<String>,
    /// Whether it says that it reads private repositories through the server.
    git_gateway: bool,
}

impl Worker {
    /// Sweeps what an earlier worker left in `config.data_dir`, then works until `shutdown` is cancelled or the server wants it to
    /// end: takes nothing more, lets what runs go on for `config.drain_grace`, gives the rest back, signs off. Returns once the sweep is done; the
    /// server need not answer yet.
    ///
    /// `api` is called from the worker's tasks and from a thread with a runtime of its own (heartbeats).
    ///
    /// # Errors
    /// The directory is in use or cannot be used, or git cannot be set up.
    pub async fn start(
        config: WorkerConfig,
        api: Arc<dyn WorkerApi>,
        shutdown: CancellationToken,
    ) -> Result<WorkerHandle, StartError> {
        if !(1..=1000).contains(&config.slots) {
            return Err(StartError::Slots);
        }
        let Swept {
            state,
            undelivered,
            capabilities,
            ids,
            host_base,
        } = tokio::task::spawn_blocking({
            let (root, store_uid_base) = (config.state_dir(), config.store_uid_base);
            move || sweep(&root, store_uid_base)
        })
        .await
        .map_err(StartError::Sweep)??;
        isolates(&config, &capabilities).await?;
        let git = Git::isolated(&config.git.program, &config.git.search_path, &state.git())?
            .with_network_environment(config.git.environment.iter().cloned());
        // After the sweep, which waits until no sandbox uses them any more.
        let snapshots = Cache::open(inventory::cache_config(&config, &state)).await?;
        let images = Images::new(&config, &state, &capabilities);
        let launchers = Launchers::new(config.launcher.clone());
        launchers.prepare();
        let host = Host {
            config,
            api,
            leases: Arc::new(Leases::default()),
            state,
            git,
            capabilities,
            ids,
            host_base: Arc::new(host_base),
            images,
            snapshots,
            found_runtimes: Found::default(),
            models: attempt::Models::default(),
            launchers,
            ending: CancellationToken::new(),
        };
        let (sender, identity) = watch::channel(None);
        let now = CancellationToken::new();
        let (resets, wanted) = mpsc::unbounded_channel();
        let supervisor = Supervisor {
            told: Told::new(Arc::clone(&host.leases)),
            slots: Slots::new(host.config.slots),
            capacity: watch::channel(heartbeat::Capacity::default()).0,
            host: Arc::new(host),
            shutdown,
            now: now.clone(),
            identity: sender,
            unknown: Arc::new(Notify::new()),
            attempts: JoinSet::new(),
            resets,
        };
        let heartbeat = supervisor.heartbeat()?;
        let supervisor = tokio::spawn(supervisor.run(undelivered, heartbeat, wanted));
        Ok(WorkerHandle {
            supervisor,
            now,
            identity,
        })
    }
}

/// Tries it: what a machine lacks is better said now than by every attempt.
async fn isolates(config: &WorkerConfig, capabilities: &Capabilities) -> Result<(), StartError> {
    let backend = &config.containment.backend;
    let tried = backend.probe(capabilities, &config.launcher, config.uid_base);
    tried.await.map_err(|source| StartError::Isolation {
        backend: backend.isolation(),
        source,
    })
}

/// What a worker finds at its start.
struct Swept {
    state: StateDir,
    undelivered: Vec<ClaimId>,
    capabilities: Capabilities,
    ids: StoredIds,
    host_base: HostBase,
}

fn sweep(root: &Path, store_uid_base: u32) -> Result<Swept, StartError> {
    let state = StateDir::open(root)?;
    let undelivered = state.sweep();
    let capabilities = outwork_sandbox::probe();
    // Of workers that were killed; their sandboxes are gone by now.
    outwork_sandbox::sweep_groups(&capabilities.cgroup);
    let ids = StoredIds::new(&capabilities, store_uid_base);
    let path = state.base();
    let host_base = HostBase::prepare(&path, &capabilities, ids)
        .map_err(|source| StartError::Base { path, source })?;
    Ok(Swept {
        state,
        undelivered,
        capabilities,
        ids,
        host_base,
    })
}

/// Whether the server refuses the version of the protocol, or fields that came with it: it is of an older release.
fn is_older(error: &WorkerError) -> bool {
    let WorkerError::Problem(problem) = error else {
        return false;
    };
    let mut fields = problem.errors.iter();
    problem.is(Code::InvalidRequest) || fields.any(|field| field.pointer == "/protocol_version")
}

struct Supervisor {
    host: Arc<Host>,
    shutdown: CancellationToken,
    now: CancellationToken,
    identity: watch::Sender<Option<Identity>>,
    /// The server does not know the worker any more.
    unknown: Arc<Notify>,
    /// Each gives its slot back.
    attempts: JoinSet<Option<u32>>,
    slots: Slots,
    /// Said with each heartbeat.
    capacity: watch::Sender<heartbeat::Capacity>,
    /// What the server wants of the worker.
    told: Told,
    /// Keys of snapshots that the server wants to be gone.
    resets: mpsc::UnboundedSender<Vec<String>>,
}

impl Supervisor {
    fn heartbeat(&self) -> Result<heartbeat::Heartbeat, StartError> {
        let beat = heartbeat::Beat {
            api: Arc::clone(&self.host.api),
            leases: Arc::clone(&self.host.leases),
            identity: self.identity.subscribe(),
            unknown: Arc::clone(&self.unknown),
            capacity: self.capacity.subscribe(),
            told: self.told.clone(),
            resets: self.resets.clone(),
        };
        heartbeat::Heartbeat::start(beat).map_err(StartError::Thread)
    }

    async fn run(
        mut self,
        undelivered: Vec<ClaimId>,
        heartbeat: heartbeat::Heartbeat,
        resets: mpsc::UnboundedReceiver<Vec<String>>,
    ) -> WorkerEnd {
        let mut end = WorkerEnd::Stopped;
        self.note_capacity(false);
        let mut quit = self.quit();
        tokio::select! {
            () = quit.wait() => {}
            () = self.register() => {}
        };
        if self.told.revoked.is_cancelled() {
            end = WorkerEnd::Revoked;
        } else if self.identity.borrow().is_some() {
            let commands = tokio::spawn(commands::follow(
                Arc::clone(&self.host),
                self.identity.subscribe(),
                self.told.clone(),
            ));
            let inventory = tokio::spawn(inventory::tell(
                Arc::clone(&self.host),
                self.identity.subscribe(),
                resets,
            ));
            for claim in undelivered {
                let lease = self.host.leases.hold(claim, LEFTOVER_LEASE, Instant::now());
                let host = Arc::clone(&self.host);
                self.attempts.spawn(async move {
                    attempt::deliver_again(host, lease).await;
                    None
                });
            }
            end = self.work().await;
            for task in [commands, inventory] {
                task.abort();
                // It shares the directory, which the next worker may want as soon as this one has ended.
                let _ = task.await;
            }
            self.host.snapshots.settled().await;
            // Until here, since as long as anything runs its lease is renewed; after signing off the server knows nobody to renew.
            heartbeat.stop();
            if end != WorkerEnd::Revoked {
                self.deregister().await;
            }
        }
        end
    }

    /// Takes work, and drains when it is to, until it has to end.
    async fn work(&mut self) -> WorkerEnd {
        loop {
            self.take_work().await;
            match self.drain().await {
                Drained::WorkAgain => {}
                Drained::End(end) => return end,
            }
        }
    }

    /// What heartbeats say from now on.
    fn note_capacity(&self, draining: bool) {
        self.capacity.send_replace(heartbeat::Capacity {
            slots: self.slots.limit(),
            free_slots: if draining { 0 } else { self.slots.free() },
            draining,
        });
    }

    /// Says who it is until the server answers, or will never take it.
    async fn register(&self) {
        let mut backoff = Backoff::default();
        let mut protocol_version = PROTOCOL_VERSION;
        loop {
            let agents = crate::install::names(&self.host.config.agents_dir);
            let says_versions = protocol_version >= VERSIONS_SINCE;
            let request = Register {
                protocol_version,
                worker: self.host.state.id(),
                name: self.host.config.name.clone(),
                slots: self.host.config.slots,
                agents: agents.clone(),
                isolation: self.host.config.containment.backend.isolation(),
                labels: self.host.config.labels.clone(),
                version: says_versions.then(|| env!("CARGO_PKG_VERSION").to_owned()),
                agent_versions: match says_versions {
                    true => crate::install::versions(&self.host.config.agents_dir),
                    false => BTreeMap::new(),
                },
            };
            match self.host.api.register(request).await {
                Ok(Registered {
                    worker,
                    heartbeat_interval_ms,
                    protocol_version,
                }) => {
                    tracing::info!(worker, ?agents, protocol_version, "registered");
                    if let Err(error) = self.host.state.save_id(&worker) {
                        tracing::warn!(%error, "the worker's id cannot be kept; it will be another after a restart");
                    }
                    // Not faster than ten times a second, whatever the server says.
                    let heartbeat_interval = Duration::from_millis(heartbeat_interval_ms.max(100));
                    self.identity.send_replace(Some(Identity {
                        worker,
                        heartbeat_interval,
                        protocol_version,
                        agents,
                        // An older server would not take the word.
                        git_gateway: protocol_version >= GIT_GATEWAY_SINCE
                            && self.host.config.server_url.is_some(),
                    }));
                    return;
                }
                Err(error) if self.told.is_revoked(&error) => return,
                Err(error) if protocol_version > OLDEST_PROTOCOL_VERSION && is_older(&error) => {
                    protocol_version -= 1;
                }
                Err(error) => {
                    let wait = backoff.next();
                    tracing::warn!(%error, retry_ms = wait.as_millis(), "the server does not register this worker");
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    fn reap(&mut self) {
        while let Some(done) = self.attempts.try_join_next() {
            self.done(done);
        }
    }

    fn done(&mut self, done: Result<Option<u32>, tokio::task::JoinError>) {
        match done {
            Ok(Some(slot)) => self.slots.give_back(slot),
            Ok(None) => {}
            // The slot is not used again: what holds it is unknown.
            Err(error) => tracing::error!(%error, "an attempt's keeper panicked"),
        }
    }

    async fn deregister(&self) {
        let signed_off = self.host.api.deregister(Deregister {
            worker: self.worker(),
        });
        match tokio::time::timeout(LAST_WORDS, signed_off).await {
            Ok(Ok(())) => tracing::info!("signed off"),
            Ok(Err(error)) => tracing::warn!(%error, "the server did not take the sign-off"),
            Err(_) => tracing::warn!("the server did not answer the sign-off"),
        }
    }

    fn worker(&self) -> String {
        self.identity
            .borrow()
            .as_ref()
            .map(|identity| identity.worker.clone())
            .unwrap_or_default()
    }

    fn git_gateway(&self) -> bool {
        let identity = self.identity.borrow();
        identity
            .as_ref()
            .is_some_and(|identity| identity.git_gateway)
    }
}
