//! What people do meanwhile: submit, follow, cancel, follow up. Everything that was acknowledged is kept, to be compared later.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use outwork_api::client::{
    Client, ClientError, EventRecord, Follow, Followed, IdempotencyKey, Jitter,
};
use outwork_api::task::{Attempt, NewTask, NewTurn, Task};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::random::Random;
use crate::record::Record;
use crate::work::{ENVIRONMENT, Work};

/// How long a person tries again, and a follower waits for a server. Longer than any fault.
const PATIENCE: Duration = Duration::from_secs(900);

/// Which acknowledgement the server is killed after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Acknowledged {
    Submit = 1,
    FollowUp,
    Cancel,
}

/// Kills the server as soon as somebody got an answer.
pub(crate) struct KillAfter {
    wanted: AtomicU8,
    kill: mpsc::UnboundedSender<Acknowledged>,
}

impl KillAfter {
    pub(crate) fn new(kill: mpsc::UnboundedSender<Acknowledged>) -> Self {
        Self {
            wanted: AtomicU8::new(0),
            kill,
        }
    }

    pub(crate) fn want(&self, after: Acknowledged) {
        self.wanted.store(after as u8, Ordering::SeqCst);
    }

    fn acknowledged(&self, what: Acknowledged) {
        let wanted =
            self.wanted
                .compare_exchange(what as u8, 0, Ordering::SeqCst, Ordering::SeqCst);
        if wanted.is_ok() {
            let _ = self.kill.send(what);
        }
    }
}

/// What one person will do.
#[derive(Clone, Debug)]
pub(crate) struct Intent {
    pub(crate) work: Work,
    pub(crate) attempts: u32,
    pub(crate) cancel_after: Option<Duration>,
    pub(crate) follow_up: Option<Work>,
    random: Random,
}

impl Intent {
    /// The `number`th of a run.
    pub(crate) fn new(seed: &Random, number: usize) -> Self {
        let mut random = seed.fork(number as u64 + 1000);
        let is_long = random.percent(3);
        let mut work = |name: String| Work {
            name,
            lines: random.between(3, 10),
            pause_ms: if is_long {
                random.between(1500, 2500)
            } else {
                random.between(10, 120)
            },
        };
        let first = work(format!("t{number}"));
        let second = work(format!("t{number}"));
        Self {
            work: first,
            attempts: match random.between(0, 99) {
                0..85 => 1,
                85..95 => 2,
                _ => 3,
            },
            cancel_after: random.percent(10).then(|| random.millis(0, 4000)),
            follow_up: random.percent(20).then_some(second),
            random,
        }
    }
}

/// An attempt as its follower saw it.
pub(crate) struct Seen {
    pub(crate) attempt: String,
    pub(crate) events: Vec<EventRecord>,
    /// Why following failed.
    pub(crate) fault: Option<String>,
}

/// A turn that was acknowledged.
pub(crate) struct TurnSeen {
    pub(crate) number: u32,
    pub(crate) work: Work,
    pub(crate) attempts: u32,
    pub(crate) seen: Vec<Seen>,
}

/// What one person was told.
pub(crate) struct Told {
    pub(crate) task: String,
    pub(crate) turns: Vec<TurnSeen>,
    /// The attempts as the answer to a cancel showed them.
    pub(crate) cancelled: Vec<Attempt>,
}

pub(crate) struct Person {
    pub(crate) client: Client,
    pub(crate) record: Arc<Record>,
    pub(crate) kill_after: Arc<KillAfter>,
}

impl Person {
    /// Does what it intends, however long the server is away. An error: the server refused what it must not refuse.
    pub(crate) async fn act(&self, mut intent: Intent) -> Result<Told, ClientError> {
        let task = self.submit(&mut intent).await?;
        let id = task.summary.id.clone();
        self.record.opened(&id);
        let followers = self.follow(newest(&task), &mut intent.random);
        let mut told = Told {
            task: id.clone(),
            turns: Vec::new(),
            cancelled: Vec::new(),
        };
        if let Some(after) = intent.cancel_after {
            tokio::time::sleep(after).await;
            told.cancelled = self.cancel(&id).await?;
        }
        let first = join(followers).await;
        let has_succeeded = first
            .first()
            .is_some_and(|seen| ended_as(seen, "succeeded"));
        told.turns.push(TurnSeen {
            number: 1,
            work: intent.work.clone(),
            attempts: intent.attempts,
            seen: first,
        });
        if let Some(work) = intent.follow_up.take().filter(|_| has_succeeded) {
            let task = self.follow_up(&id, &work, &mut intent.random).await?;
            let seen = join(self.follow(newest(&task), &mut intent.random)).await;
            told.turns.push(TurnSeen {
                number: 2,
                work,
                attempts: 1,
                seen,
            });
        }
        self.record.closed(&id);
        Ok(told)
    }

    async fn submit(&self, intent: &mut Intent) -> Result<Task, ClientError> {
        let key = IdempotencyKey::from_random(intent.random.wide());
        let new = NewTask {
            environment: ENVIRONMENT.to_owned(),
            prompt: intent.work.prompt(),
            branch: None,
            commit: None,
            attempts: Some(intent.attempts),
            agents: Vec::new(),
            starting_diff: None,
            starting_session: None,
            interactive: false,
            priority: Default::default(),
            kind: Default::default(),
            output_schema: None,
            paths: Vec::new(),
        };
        let task = patiently(|| self.client.submit(&new, &key)).await?;
        self.kill_after.acknowledged(Acknowledged::Submit);
        Ok(task)
    }

    /// What the answer showed of the attempts; nothing if the task had ended already.
    async fn cancel(&self, task: &str) -> Result<Vec<Attempt>, ClientError> {
        match patiently(|| self.client.cancel_task(task)).await {
            Ok(task) => {
                self.kill_after.acknowledged(Acknowledged::Cancel);
                Ok(newest(&task).to_vec())
            }
            Err(error) if is_conflict(&error) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn follow_up(
        &self,
        task: &str,
        work: &Work,
        random: &mut Random,
    ) -> Result<Task, ClientError> {
        let key = IdempotencyKey::from_random(random.wide());
        let new = NewTurn {
            prompt: work.prompt(),
            comments: None,
            attempts: None,
            attempt: Some(1),
            output_schema: None,
        };
        // The other attempts of the turn may still run: then it is refused.
        let task = patiently(|| async {
            loop {
                match self.client.follow_up(task, &new, &key).await {
                    Err(error) if is_conflict(&error) => {
                        tokio::time::sleep(Duration::from_millis(500)).await;
                    }
                    answer => return answer,
                }
            }
        })
        .await?;
        self.kill_after.acknowledged(Acknowledged::FollowUp);
        Ok(task)
    }

    fn follow(&self, attempts: &[Attempt], random: &mut Random) -> Vec<JoinHandle<Seen>> {
        let follow = |attempt: &Attempt| {
            let client = self.client.clone();
            let follow = Follow {
                attempt: attempt.id.clone(),
                after: 0,
                patience: PATIENCE,
                jitter: Jitter::from_random(random.next()),
            };
            tokio::spawn(see(client, follow))
        };
        attempts.iter().map(follow).collect()
    }
}

fn newest(task: &Task) -> &[Attempt] {
    task.turns
        .last()
        .map(|turn| turn.attempts.as_slice())
        .unwrap_or_default()
}

fn ended_as(seen: &Seen, state: &str) -> bool {
    let last = seen.events.last();
    last.and_then(|record| record.event.body.final_state()) == Some(state)
}

async fn join(followers: Vec<JoinHandle<Seen>>) -> Vec<Seen> {
    let mut all = Vec::with_capacity(followers.len());
    for follower in followers {
        match follower.await {
            Ok(seen) => all.push(seen),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
    all
}

/// Follows a log to its end.
async fn see(client: Client, follow: Follow) -> Seen {
    let attempt = follow.attempt.clone();
    let mut events = Vec::new();
    let begin = Instant::now();
    loop {
        let after = i64::try_from(events.len()).unwrap_or(i64::MAX);
        let stream = client.follow(Follow {
            after,
            ..follow.clone()
        });
        let mut stream = std::pin::pin!(stream);
        let fault = loop {
            match stream.next().await {
                Some(Ok(Followed::Event(record))) => events.push(*record),
                Some(Ok(Followed::Reconnecting(_))) => {}
                Some(Err(error)) => break Some(error),
                None => break None,
            }
        };
        match fault {
            // It could not connect to begin with: a client would try again.
            Some(error) if error.is_transient() && begin.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            fault => {
                return Seen {
                    attempt,
                    events,
                    fault: fault.map(|error| error.to_string()),
                };
            }
        }
    }
}

/// Again, as long as the answer says that it may work later.
async fn patiently<T, F: Future<Output = Result<T, ClientError>>>(
    call: impl Fn() -> F,
) -> Result<T, ClientError> {
    let begin = Instant::now();
    loop {
        match call().await {
            Err(error) if error.is_transient() && begin.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            answer => return answer,
        }
    }
}

fn is_conflict(error: &ClientError) -> bool {
    error.problem().is_some_and(|problem| problem.status == 409)
}
