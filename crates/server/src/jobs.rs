//! Jobs: what came in from outside and what goes out, each done by the server that takes it. A server that dies loses none: its lease runs out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outwork_domain::Epoch;
use outwork_domain::job::{Command, Job, LEASE, Queue};
use outwork_store::StoreError;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::plane::Plane;
use crate::surfaces;
use crate::webhooks;

/// A lost signal costs that much time, and so does a job that is put off.
const EVERY: Duration = Duration::from_secs(1);
/// How many of a queue this server works on at once, and how many of one owner: one whose receiver is slow does not hold up the others.
const fn at_once(queue: Queue) -> (usize, usize) {
    match queue {
        Queue::Inbound | Queue::Post => (8, 8),
        Queue::Webhook => (32, 4),
    }
}

/// How often a lease is renewed while an act takes long.
const RENEW: Duration = Duration::from_secs(LEASE.as_secs() / 3);
/// After trouble that says nothing of when it passes.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

/// What came of an act.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is done; what there is to say of it, for people.
    Done(Option<String>),
    /// It cannot be done.
    Failed(String),
    /// Something is wrong that may pass: tried again after `wait`, or after a time that grows.
    Later {
        trouble: String,
        wait: Option<Duration>,
    },
    /// The server stops, or another has it: nothing is said of it.
    Left,
}

/// The act that a server holds.
pub(crate) struct Held {
    pub(crate) plane: Arc<Plane>,
    pub(crate) job: Job,
}

impl Held {
    /// Keeps a note for who goes on, if this server does not come to the end. An error means that the act must not be done.
    pub(crate) async fn note(&self, memo: String) -> Result<(), StoreError> {
        let epoch = self.job.epoch;
        self.tell(Command::Note { epoch, memo }).await
    }

    async fn tell(&self, command: Command) -> Result<(), StoreError> {
        let Self { plane, job } = self;
        let moved = plane
            .store
            .move_job(job.workspace_id, job.id, command, plane.now());
        moved.await.map(drop)
    }
}

/// Takes what is due, for as long as the server runs.
pub(crate) fn start(plane: &Arc<Plane>, tasks: &TaskTracker) {
    for queue in Queue::ALL {
        tasks.spawn(work(Arc::clone(plane), queue, tasks.clone()));
    }
    tasks.spawn(surfaces::tell::work(Arc::clone(plane)));
    tasks.spawn(webhooks::spread::work(Arc::clone(plane)));
    tasks.spawn(surfaces::slack::socket::work(
        Arc::clone(plane),
        tasks.clone(),
    ));
}

/// The jobs of a queue that this server works on.
struct Hands {
    all: Arc<Semaphore>,
    each: usize,
    of_owner: Arc<Mutex<HashMap<String, usize>>>,
}

/// A job of an owner that is worked on.
struct Seat {
    owner: String,
    of_owner: Arc<Mutex<HashMap<String, usize>>>,
}

impl Hands {
    fn new(queue: Queue) -> Self {
        let (all, each) = at_once(queue);
        Self {
            all: Arc::new(Semaphore::new(all)),
            each,
            of_owner: Arc::default(),
        }
    }

    /// Of whom nothing more is taken.
    fn busy(&self) -> Vec<String> {
        let of_owner = lock(&self.of_owner);
        let busy = of_owner.iter().filter(|(_, count)| **count >= self.each);
        busy.map(|(owner, _)| owner.clone()).collect()
    }

    fn sit(&self, owner: &str) -> Seat {
        *lock(&self.of_owner).entry(owner.to_owned()).or_insert(0) += 1;
        Seat {
            owner: owner.to_owned(),
            of_owner: Arc::clone(&self.of_owner),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut of_owner = lock(&self.of_owner);
        match of_owner.get_mut(&self.owner) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => drop(of_owner.remove(&self.owner)),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn work(plane: Arc<Plane>, queue: Queue, tasks: TaskTracker) {
    let hands = Hands::new(queue);
    let mut signal = plane.signals.jobs.subscribe();
    let mut failing = false;
    while !plane.shutdown.is_cancelled() {
        signal.mark_unchanged();
        let passed = pass(&plane, queue, &hands, &tasks).await;
        if let (Err(fault), false) = (&passed, failing) {
            tracing::error!(queue = queue.as_str(), %fault, "no job can be taken; it is tried again until it works");
        }
        failing = passed.is_err();
        tokio::select! {
            () = plane.shutdown.cancelled() => return,
            _ = signal.changed(), if !failing => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn pass(
    plane: &Arc<Plane>,
    queue: Queue,
    hands: &Hands,
    tasks: &TaskTracker,
) -> Result<(), StoreError> {
    while !plane.shutdown.is_cancelled() {
        let Ok(hand) = Arc::clone(&hands.all).try_acquire_owned() else {
            return Ok(());
        };
        let busy = hands.busy();
        let claimed = plane.store.claim_job_but(queue, &busy, plane.now());
        let Some(job) = claimed.await? else {
            return Ok(());
        };
        let plane = Arc::clone(plane);
        let seat = hands.sit(&job.owner);
        let held = Held { plane, job };
        tasks.spawn(async move {
            run(&held).await;
            drop((hand, seat));
            // Who waited for a free hand looks again.
            held.plane.signals.jobs.send_replace(());
        });
    }
    Ok(())
}

async fn run(held: &Held) {
    let outcome = tokio::select! {
        outcome = act(held) => outcome,
        () = keep(held) => Outcome::Left,
        () = held.plane.shutdown.cancelled() => Outcome::Left,
    };
    let Job {
        id, epoch, tries, ..
    } = held.job;
    let now = held.plane.now();
    let command = match outcome {
        Outcome::Done(note) => Command::Finish { epoch, note },
        Outcome::Failed(message) => {
            tracing::warn!(job = %id, message, "a job failed");
            Command::Fail { epoch, message }
        }
        Outcome::Later { trouble, wait } => Command::PutOff {
            epoch,
            trouble: Some(trouble),
            at: now + wait.unwrap_or_else(|| wait_after(tries)),
        },
        // Another server need not wait for the lease.
        Outcome::Left => give_back(epoch, now),
    };
    match held.tell(command).await {
        Ok(()) => {}
        Err(StoreError::Job(refused)) => {
            tracing::info!(job = %id, %refused, "not this server's job any more")
        }
        Err(fault) => {
            tracing::error!(job = %id, %fault, "what came of a job could not be kept; it is done again")
        }
    }
}

async fn act(held: &Held) -> Outcome {
    match held.job.queue {
        Queue::Inbound | Queue::Post => surfaces::act(held).await,
        Queue::Webhook => webhooks::deliver::act(held).await,
    }
}

fn give_back(epoch: Epoch, now: outwork_domain::Timestamp) -> Command {
    Command::PutOff {
        epoch,
        trouble: None,
        at: now,
    }
}

/// Twice as long each time.
fn wait_after(tries: u32) -> Duration {
    FIRST_WAIT
        .saturating_mul(2_u32.saturating_pow(tries))
        .min(LONGEST_WAIT)
}

/// Ends when the job is not this server's any more.
async fn keep(held: &Held) {
    loop {
        tokio::time::sleep(RENEW).await;
        let epoch = held.job.epoch;
        if let Err(StoreError::Job(_) | StoreError::NotFound) =
            held.tell(Command::Renew { epoch }).await
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_with_its_hands_full_is_left_out() {
        let hands = Hands::new(Queue::Webhook);
        let mut seats: Vec<_> = (0..4).map(|_| hands.sit("whk_1")).collect();
        let other = hands.sit("whk_2");
        assert_eq!(hands.busy(), ["whk_1"]);
        seats.pop();
        assert_eq!(hands.busy(), Vec::<String>::new());
        drop((seats, other));
        assert!(lock(&hands.of_owner).is_empty());
    }

    #[test]
    fn waits_grow_and_end() {
        let waits: Vec<_> = (0..12).map(|tries| wait_after(tries).as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
        assert_eq!(wait_after(u32::MAX), LONGEST_WAIT);
    }
}
