//! One attempt, from the assignment to the end. [`work`] is the pipeline; each step has its file.

mod image;
mod prepare;
mod read;
mod runtimes;

mod build;
mod script;
mod snapshot;
mod start;
mod tree;

mod agent;
mod checkpoint;
mod collect;

mod drive;
mod limit;
mod model;
mod network;
pub(crate) mod patch_stat;
mod report;
mod step;
mod tail;
mod verify;

pub(crate) use build::GENERATION;
pub(crate) use model::Models;

use std::sync::Arc;
use std::time::Duration;

use outwork_agents::{Prepared, SessionSpec};
use outwork_api::event::EventBody;
use outwork_api::task::Tokens;
use outwork_api::worker::{Assignment, Finish, Outcome, Release, WorkerApi};
use outwork_domain::Failure;
use outwork_failpoint as failpoint;
use outwork_git::Git;
use outwork_sandbox::{Capabilities, Launchers};
use outwork_snapshot::Cache;
use tokio_util::sync::CancellationToken;

use self::prepare::Repository;
use self::tree::Tree;
use crate::base::{HostBase, StoredIds};
use crate::config::WorkerConfig;
use crate::failure;
use crate::images::Images;
use crate::lease::{ClaimId, Inbox, LeaseGuard, Leases, Stop, Wish};
use crate::mask::Masker;
use crate::outbox::delivery::{Delivered, Delivery};
use crate::outbox::{Outbox, Source};
use crate::retry::{Backoff, Verdict, verdict};
use crate::runtimes::{Found, Runtimes};
use crate::state_dir::{AttemptDir, StateDir};

/// How long the end of an attempt may still be delivered when the worker has to end.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// What all attempts of a worker share.
pub(crate) struct Host {
    pub(crate) config: WorkerConfig,
    pub(crate) api: Arc<dyn WorkerApi>,
    pub(crate) leases: Arc<Leases>,
    pub(crate) state: StateDir,
    pub(crate) git: Git,
    pub(crate) capabilities: Capabilities,
    /// Whose what is kept is, on disk.
    pub(crate) ids: StoredIds,
    pub(crate) host_base: Arc<HostBase>,
    pub(crate) images: Images,
    pub(crate) snapshots: Cache<Failure>,
    pub(crate) found_runtimes: Found,
    pub(crate) models: Models,
    pub(crate) launchers: Launchers,
    /// The worker ends, and waits for nothing that takes long.
    pub(crate) ending: CancellationToken,
}

/// Why the pipeline did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    Failed(Failure),
    Cancelled,
    /// A person has to say how it goes on.
    Asks {
        question: String,
    },
    /// The worker takes nothing more; the attempt goes back.
    Released,
    /// The claim is not ours any more.
    Abandoned,
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Wish> for Stopped {
    fn from(wish: Wish) -> Self {
        match wish {
            Wish::Cancel => Self::Cancelled,
            Wish::Release => Self::Released,
            // Nobody stops because it was told to go on.
            Wish::Abandon | Wish::Run => Self::Abandoned,
        }
    }
}

/// How an attempt leaves the worker.
enum Ended {
    Finished(Box<Finish>),
    Released {
        /// Whether the agent stopped, and what it had done was saved.
        resume: bool,
    },
    Abandoned,
}

/// An attempt under way: what came with it, and what the steps have made so far.
pub(crate) struct Run {
    pub(crate) host: Arc<Host>,
    pub(crate) slot: u32,
    claim: ClaimId,
    pub(crate) assignment: Assignment,
    directory: AttemptDir,
    outbox: Arc<Outbox>,
    stop: Stop,
    /// Taken when the agent runs.
    inbox: Option<Inbox>,
    /// Where the first checkout is seen inside.
    cwd: String,
    repositories: Arc<Vec<Repository>>,
    runtimes: Runtimes,
    tree: Option<Tree>,
    /// The session that the turn continues, as it was stored.
    session_before: Option<Vec<u8>>,
    session_after: Option<SessionSpec>,
    message: Option<String>,
    tokens: Option<Tokens>,
    agent_time: Option<Duration>,
    /// Whether what the agent had done was saved for another worker to go on.
    is_handed_over: bool,
}

/// Runs an attempt and delivers what came of it. Returns when nothing of it is left on this machine.
pub(crate) async fn run(host: Arc<Host>, assignment: Assignment, slot: u32, mut lease: LeaseGuard) {
    let claim = lease.claim;
    let directory = host.state.attempt(claim);
    let created = directory.create();
    failpoint::pass("worker.directory.made");
    let outbox = Arc::new(Outbox::create(
        &directory.outbox(),
        host.config.timing.log_bytes,
        Arc::clone(&host.config.now),
        masker(&assignment),
    ));
    let delivery = delivery(&host, claim, &outbox);
    let last = delivery.last.clone();
    let delivery = OwnTask(tokio::spawn(delivery.run()));
    let run = Run::new(&host, assignment, slot, &mut lease, &outbox);
    // A task of its own: a panic in it is an end like others.
    let ended = OwnTask(tokio::spawn(run.complete(created))).join().await;
    let mut stop = lease.stop();
    let kept = match ended {
        Ok(Ended::Finished(finish)) => {
            let last = Arc::clone(&outbox);
            // Beside the runtime: it waits for the disk.
            if let Err(error) = tokio::task::spawn_blocking(move || last.finish(*finish)).await {
                tracing::error!(%claim, %error, "noting the end of an attempt panicked");
            }
            // What it made is read. Kept until the end is delivered, it could keep a server on the same disk from taking it.
            let made = directory.clone();
            let cleared = tokio::task::spawn_blocking(move || made.clear());
            let kept = last_words(&host, claim, delivery, &mut stop).await;
            match cleared.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%claim, %error, "what an attempt made cannot be removed")
                }
                Err(error) => {
                    tracing::error!(%claim, %error, "removing what an attempt made panicked")
                }
            }
            kept
        }
        Ok(Ended::Released { resume }) => {
            // What was said until now belongs to the log; whoever goes on counts anew.
            last.cancel();
            if tokio::time::timeout(LAST_WORDS, delivery.join())
                .await
                .is_err()
            {
                tracing::warn!(%claim, "the end of the log could not be handed in before the attempt is given back");
            }
            release(&host, claim, resume).await;
            Kept::Nothing
        }
        Ok(Ended::Abandoned) => {
            delivery.0.abort();
            Kept::Nothing
        }
        Err(error) => {
            tracing::error!(%claim, %error, "the attempt's task ended by a panic");
            let failure = failure::panicked().into();
            outbox.finish(finish(claim, Outcome::Failed { failure }));
            last_words(&host, claim, delivery, &mut stop).await
        }
    };
    failpoint::pass("worker.remove.before");
    // Before the slot is given to another, so that its ids and sockets are free.
    let removed = tokio::task::spawn_blocking(move || match kept {
        Kept::Nothing => directory.remove(),
        Kept::Outbox => directory.remove_all_but_outbox(),
    });
    if let Err(error) = removed.await {
        tracing::error!(%claim, %error, "removing an attempt's directory panicked");
    }
}

/// Also what only the proxy holds: a server may send it back.
fn masker(assignment: &Assignment) -> Masker {
    let secrets = assignment.secrets.iter();
    let secrets = secrets.map(|secret| (&secret.name, secret.value.reveal()));
    let injections = assignment.injections.iter();
    let injections = injections.map(|injection| {
        let value = injection.value.reveal();
        // Without the scheme before it, which is no secret and may be left out by a server.
        let credential = value.rsplit(' ').next().unwrap_or(value);
        (&injection.header, credential)
    });
    let repositories = assignment.repositories.iter();
    let lease_tokens = repositories.filter_map(|repository| {
        let token = repository.lease_token.as_ref()?;
        Some((&repository.name, token.reveal()))
    });
    Masker::new(secrets.chain(injections).chain(lease_tokens))
}

/// What stays on disk of an attempt.
enum Kept {
    Nothing,
    /// The server did not hear the end; the next worker in this directory says it again.
    Outbox,
}

/// Waits until everything is delivered, the claim is lost, or the worker has to end.
async fn last_words(
    host: &Host,
    claim: ClaimId,
    delivery: OwnTask<Delivered>,
    stop: &mut Stop,
) -> Kept {
    let delivered = tokio::select! {
        delivered = delivery.join() => delivered,
        wish = stop.above(Wish::Cancel) => {
            tracing::info!(%claim, ?wish, "attempt given up");
            return Kept::Nothing;
        }
        () = ending(host) => {
            tracing::warn!(%claim, "the worker ends before the server heard the end of an attempt");
            return Kept::Outbox;
        }
    };
    match delivered {
        Ok(Delivered::Done) => tracing::info!(%claim, "attempt delivered"),
        Ok(Delivered::Refused) => tracing::warn!(%claim, "attempt given up: the server refuses it"),
        Err(error) => {
            tracing::error!(%claim, %error, "the delivery of an attempt ended by a panic");
            return Kept::Outbox;
        }
    }
    Kept::Nothing
}

/// Waits until the worker has to end, and a little longer.
async fn ending(host: &Host) {
    host.ending.cancelled().await;
    tokio::time::sleep(LAST_WORDS).await;
}

/// Delivers an outbox that an earlier worker left.
pub(crate) async fn deliver_again(host: Arc<Host>, lease: LeaseGuard) {
    let claim = lease.claim;
    let directory = host.state.attempt(claim);
    match Outbox::reopen(&directory.outbox(), Arc::clone(&host.config.now)) {
        Ok(Some(outbox)) => {
            let delivery = OwnTask(tokio::spawn(
                delivery(&host, claim, &Arc::new(outbox)).run(),
            ));
            match last_words(&host, claim, delivery, &mut lease.stop()).await {
                Kept::Nothing => {}
                Kept::Outbox => return,
            }
        }
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(%claim, %error, "an earlier worker's outbox cannot be read");
        }
    }
    directory.remove();
}

fn delivery(host: &Host, claim: ClaimId, outbox: &Arc<Outbox>) -> Delivery {
    Delivery {
        api: Arc::clone(&host.api),
        leases: Arc::clone(&host.leases),
        claim,
        outbox: Arc::clone(outbox),
        flush_every: host.config.timing.flush_every,
        last: CancellationToken::new(),
    }
}

/// Gives the attempt back, a few times if need be; then the lease runs out by itself.
async fn release(host: &Host, claim: ClaimId, resume: bool) {
    let mut backoff = Backoff::default();
    for _ in 0..4 {
        let request = Release {
            epoch: claim.epoch.get(),
            resume,
        };
        match host.api.release(claim.attempt.to_string(), request).await {
            Ok(()) => return,
            Err(error) if verdict(&error) == Verdict::Again => {
                tokio::time::sleep(backoff.next()).await
            }
            Err(error) => {
                tracing::warn!(%claim, %error, "the attempt could not be given back");
                return;
            }
        }
    }
}

fn finish(claim: ClaimId, outcome: Outcome) -> Finish {
    Finish {
        epoch: claim.epoch.get(),
        outcome,
        diffs: Vec::new(),
        has_session: false,
        message: None,
        tokens: None,
        verification: None,
        agent_ms: None,
        paths: Vec::new(),
        changed_tests: Vec::new(),
        last_seq: 0,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Run {
    fn new(
        host: &Arc<Host>,
        assignment: Assignment,
        slot: u32,
        lease: &mut LeaseGuard,
        outbox: &Arc<Outbox>,
    ) -> Self {
        Self {
            host: Arc::clone(host),
            slot,
            claim: lease.claim,
            cwd: crate::sandbox_layout::checkout(first_name(&assignment)),
            assignment,
            directory: host.state.attempt(lease.claim),
            outbox: Arc::clone(outbox),
            stop: lease.stop(),
            inbox: lease.take_inbox(),
            repositories: Arc::default(),
            runtimes: Runtimes::default(),
            tree: None,
            session_before: None,
            session_after: None,
            message: None,
            tokens: None,
            agent_time: None,
            is_handed_over: false,
        }
    }

    async fn complete(mut self, created: std::io::Result<()>) -> Ended {
        let unmaskable = masker(&self.assignment).unmaskable().join(", ");
        if !unmaskable.is_empty() {
            self.warn(format!(
                "Too short to be told from other text, so not masked in the log: {unmaskable}."
            ));
        }
        let worked = match created {
            Ok(()) => work(&mut self).await,
            Err(error) => {
                Err(failure::internal("the attempt's directory cannot be made", &error).into())
            }
        };
        let outcome = match worked {
            Ok(()) => Outcome::Succeeded {},
            Err(Stopped::Failed(failure)) => Outcome::Failed {
                failure: failure::clipped(failure).into(),
            },
            Err(Stopped::Cancelled) => Outcome::Cancelled {},
            Err(Stopped::Asks { question }) => Outcome::AwaitingInput { question },
            Err(Stopped::Released) => {
                return Ended::Released {
                    resume: self.is_handed_over,
                };
            }
            Err(Stopped::Abandoned) => return Ended::Abandoned,
        };
        let mut finish = finish(self.claim, outcome);
        let mut changes = verify::Changes::default();
        if collect::run(&self, &mut finish, &mut changes)
            .await
            .is_err()
        {
            return Ended::Abandoned;
        }
        verify::run(&mut self, &mut finish, changes).await;
        finish.agent_ms = self.agent_time.map(millis);
        finish.message = self.message.take();
        finish.tokens = self.tokens;
        Ended::Finished(Box::new(finish))
    }

    fn warn(&self, message: impl Into<String>) {
        self.outbox.event(
            Source::Worker,
            EventBody::Warning {
                message: message.into(),
            },
        );
    }
}

/// The repository that the agent starts in.
fn first_name(assignment: &Assignment) -> &str {
    assignment
        .repositories
        .first()
        .map_or("repository", |repository| repository.name.as_str())
}

/// The steps that an agent has a part in. Collecting comes after, whatever came of them.
async fn work(run: &mut Run) -> Result<(), Stopped> {
    let prepared = prepare::run(run).await?;
    let base = image::run(run).await?;
    runtimes::run(run, &base).await?;
    // The adapter is for one thread at a time; it must not be seen from here while others are waited for.
    let Prepared { launch, adapter } = prepared;
    let started = start::run(run, &base, &launch).await?;
    agent::run(run, started, adapter).await
}

impl Stopped {
    /// In a few words, for the log.
    fn detail(&self) -> Option<String> {
        match self {
            Self::Failed(failure) => Some(failure.code.as_str().to_owned()),
            Self::Cancelled => Some("cancelled".to_owned()),
            Self::Asks { question: _ } => Some("asks".to_owned()),
            Self::Released => Some("given back".to_owned()),
            Self::Abandoned => None,
        }
    }
}

/// A task that ends with whoever waits for it, so that its sandbox does, too.
struct OwnTask<T>(tokio::task::JoinHandle<T>);

impl<T> OwnTask<T> {
    async fn join(mut self) -> Result<T, tokio::task::JoinError> {
        (&mut self.0).await
    }
}

impl<T> Drop for OwnTask<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
