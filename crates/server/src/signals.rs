//! Who is woken when something was committed. A signal carries no data: who is woken reads again.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outwork_domain::{AttemptId, TaskId, WorkerId, WorkspaceId};
use outwork_store::Change;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

mod line;

use line::Lines;
pub(crate) use line::Turn;

/// How many changes of tasks a listener may lag behind before it has to read again.
const TASKS: usize = 4096;

/// Receivers of a key are woken by [`Topic::signal`].
pub(crate) struct Topic<K> {
    senders: Mutex<HashMap<K, watch::Sender<()>>>,
}

impl<K: Eq + Hash + Clone> Topic<K> {
    fn new() -> Self {
        Self {
            senders: Mutex::new(HashMap::new()),
        }
    }

    /// What is signalled after this call is seen by the receiver.
    pub(crate) fn subscribe(&self, key: &K) -> watch::Receiver<()> {
        let mut senders = self.lock();
        // Keys that nobody listens to any more are dropped now and then, so that the map does not grow for ever.
        if senders.len() >= 64 && senders.len().is_power_of_two() {
            senders.retain(|_, sender| sender.receiver_count() > 0);
        }
        senders
            .entry(key.clone())
            .or_insert_with(|| watch::channel(()).0)
            .subscribe()
    }

    pub(crate) fn signal(&self, key: &K) {
        let mut senders = self.lock();
        let nobody = senders
            .get(key)
            .is_some_and(|sender| sender.send(()).is_err());
        if nobody {
            senders.remove(key);
        }
    }

    pub(crate) fn signal_all(&self) {
        self.lock().retain(|_, sender| sender.send(()).is_ok());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, watch::Sender<()>>> {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All signals of a server.
pub(crate) struct Signals {
    /// An attempt's row or log changed.
    pub(crate) attempts: Topic<AttemptId>,
    /// A workspace's queue may have something to give out.
    pub(crate) queues: Lines<WorkspaceId>,
    /// A worker may have to be told something.
    pub(crate) workers: Topic<WorkerId>,
    /// The task is new, or it changed; `None`: nobody knows which did.
    pub(crate) tasks: broadcast::Sender<Option<TaskId>>,
    /// A job may be due.
    pub(crate) jobs: watch::Sender<()>,
    /// Something happened that somebody is to be told.
    pub(crate) happened: watch::Sender<()>,
    /// All reconcilers should look now.
    pub(crate) reconcile: watch::Sender<()>,
}

impl Signals {
    pub(crate) fn new() -> Self {
        Self {
            attempts: Topic::new(),
            queues: Lines::new(),
            workers: Topic::new(),
            tasks: broadcast::channel(TASKS).0,
            jobs: watch::channel(()).0,
            happened: watch::channel(()).0,
            reconcile: watch::channel(()).0,
        }
    }

    /// Passes on what the store says, until it is closed or the server stops.
    pub(crate) async fn dispatch(
        &self,
        mut commits: broadcast::Receiver<Arc<[Change]>>,
        shutdown: CancellationToken,
    ) {
        loop {
            let commit = tokio::select! {
                () = shutdown.cancelled() => return,
                commit = commits.recv() => commit,
            };
            match commit {
                Ok(changes) => changes.iter().for_each(|it| self.pass_on(it)),
                // Nobody knows what was missed, so everybody looks.
                Err(RecvError::Lagged(_)) => self.all(),
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn pass_on(&self, change: &Change) {
        match change {
            Change::Attempt(attempt) => self.attempts.signal(attempt),
            Change::Queue(workspace) => self.queues.call(workspace),
            Change::Command(attempt, _, worker) => {
                self.workers.signal(worker);
                self.attempts.signal(attempt);
            }
            Change::Worker(worker) => self.workers.signal(worker),
            Change::Task(task) => self.task(Some(*task)),
            Change::Job(_) => {
                self.jobs.send_replace(());
            }
            Change::Happened => {
                self.happened.send_replace(());
            }
        }
    }

    /// Wakes everybody.
    pub(crate) fn all(&self) {
        self.attempts.signal_all();
        self.queues.call_all();
        self.workers.signal_all();
        self.task(None);
        self.jobs.send_replace(());
        self.reconcile.send_replace(());
    }

    fn task(&self, task: Option<TaskId>) {
        let _nobody_listens = self.tasks.send(task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_without_listeners_are_dropped() {
        let topic = Topic::<u32>::new();
        let kept = topic.subscribe(&0);
        for key in 1..1000 {
            drop(topic.subscribe(&key));
        }
        assert!(
            topic.lock().len() <= 512,
            "{} keys are kept",
            topic.lock().len()
        );
        assert!(!kept.has_changed().expect("its sender is alive"));
        topic.signal(&0);
        assert!(kept.has_changed().expect("its sender is alive"));
    }
}
