//! A control plane in memory, for one worker at a time: it answers as the document says, notes everything, and misbehaves on request.

mod answers;
mod verbs;
mod work;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

use crate::http::Server;
use crate::repository::Repository;

pub(crate) use work::Work;

/// The token that the worker is given.
pub(crate) const TOKEN: &str = "ow_w_conformance_token_of_no_server";

/// A request as it came, and what it was answered with.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) answered_at: Instant,
    /// `register`, `append`, …; the path where it is none of the protocol's.
    pub(crate) verb: &'static str,
    pub(crate) attempt: Option<String>,
    /// Of an upload: `kind` and `repository`.
    pub(crate) body: Value,
    /// 0: no answer.
    pub(crate) status: u16,
}

/// How a request is answered instead of as it should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// With a problem, and nothing is done.
    Problem(u16, &'static str),
    /// The connection breaks off, and nothing is done.
    NoAnswer,
    /// It is done, and the connection breaks off.
    LostAnswer,
}

/// By which way a wish is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Heartbeat,
    Stream,
    Answers,
}

/// Where an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Queued,
    Held,
    Ended,
}

/// What one claim brought.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claim {
    pub(crate) events: Vec<Value>,
    pub(crate) steps: Vec<String>,
    /// By kind and repository.
    pub(crate) uploads: BTreeMap<(String, String), Vec<u8>>,
    /// What each checkpoint named, and what was uploaded by then.
    pub(crate) checkpoints: Vec<Value>,
}

pub(crate) struct Attempt {
    pub(crate) work: Work,
    pub(crate) phase: Phase,
    pub(crate) epoch: i64,
    pub(crate) claims: BTreeMap<i64, Claim>,
    pub(crate) worker: String,
    pub(crate) renewed_at: Instant,
    pub(crate) wish: Option<(&'static str, Way)>,
    pub(crate) messages: Vec<Value>,
    /// The accepted end, and whose.
    pub(crate) finish: Option<(i64, Value)>,
    pub(crate) released: u32,
}

impl Attempt {
    /// The newest claim's.
    pub(crate) fn claim(&self) -> Claim {
        self.claims.get(&self.epoch).cloned().unwrap_or_default()
    }

    pub(crate) fn outcome(&self) -> Option<&str> {
        self.finish.as_ref()?.1["outcome"]["result"].as_str()
    }

    /// All text of `output` events.
    pub(crate) fn output(&self) -> String {
        let claim = self.claim();
        let outputs = claim
            .events
            .iter()
            .filter(|event| event["type"] == "output");
        outputs.filter_map(|event| event["text"].as_str()).collect()
    }
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) seen: Vec<Seen>,
    pub(crate) workers: Vec<String>,
    pub(crate) attempts: BTreeMap<String, Attempt>,
    queue: VecDeque<String>,
    faults: Vec<(&'static str, Fault, usize)>,
    streams: Vec<mpsc::UnboundedSender<Bytes>>,
    /// How many streams were opened.
    pub(crate) streams_opened: usize,
    /// Every answer has fields that no version knows.
    pub(crate) from_the_future: bool,
    /// One assignment more than was asked for.
    pub(crate) generous: bool,
    /// The newest version that it takes.
    pub(crate) newest_version: u64,
    /// The next events are said to be this many fewer than came.
    pub(crate) forgets: usize,
    /// How many polls wait for an answer.
    pub(crate) polls: usize,
    /// What operators want of the worker.
    orders: Value,
}

impl State {
    pub(crate) fn of<'a>(
        &'a self,
        verb: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a Seen> + 'a {
        self.seen.iter().filter(move |seen| seen.verb == verb)
    }

    pub(crate) fn held(&self) -> usize {
        let attempts = self.attempts.values();
        attempts
            .filter(|attempt| attempt.phase == Phase::Held)
            .count()
    }
}

/// What handlers and checks share.
pub(crate) struct Shared {
    state: Mutex<State>,
    changed: Notify,
    repository: Arc<Repository>,
    lease: Duration,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The control plane; it ends when it is dropped.
pub(crate) struct Plane {
    server: Server,
    shared: Arc<Shared>,
    away_since: Mutex<Option<Instant>>,
}

impl Plane {
    pub(crate) async fn start(
        listen: std::net::SocketAddr,
        repository: Arc<Repository>,
        lease: Duration,
    ) -> Result<Self> {
        let state = State {
            newest_version: 4,
            ..State::default()
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Notify::new(),
            repository,
            lease,
        });
        let server = Server::start(listen, verbs::handler(&shared)).await?;
        Ok(Self {
            server,
            shared,
            away_since: Mutex::default(),
        })
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    pub(crate) fn lease(&self) -> Duration {
        self.shared.lease
    }

    /// Looks at what came, or changes how it answers.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.shared.lock())
    }

    /// Gives work to whoever asks next; the attempt's id.
    pub(crate) fn give(&self, work: Work) -> String {
        let id = self.with(|state| {
            let id = format!("att_{:032x}", 0xc0 + state.attempts.len());
            let attempt = Attempt {
                work,
                phase: Phase::Queued,
                epoch: 0,
                claims: BTreeMap::new(),
                worker: String::new(),
                renewed_at: Instant::now(),
                wish: None,
                messages: Vec::new(),
                finish: None,
                released: 0,
            };
            state.attempts.insert(id.clone(), attempt);
            state.queue.push_back(id.clone());
            id
        });
        self.shared.changed.notify_waiters();
        id
    }

    /// The next `times` requests of that verb go wrong.
    pub(crate) fn fail(&self, verb: &'static str, fault: Fault, times: usize) {
        self.with(|state| state.faults.push((verb, fault, times)));
    }

    /// From now on that verb is answered as it should be.
    pub(crate) fn heal(&self, verb: &str) {
        self.with(|state| state.faults.retain(|(failing, _, _)| *failing != verb));
    }

    /// Wishes `cancel` or `abandon`, and tells it by that way alone.
    pub(crate) fn wish(&self, attempt: &str, desired: &'static str, way: Way) {
        self.with(|state| {
            let held = state.attempts.get_mut(attempt).expect("it was given");
            held.wish = Some((desired, way));
            let epoch = held.epoch;
            if way == Way::Stream {
                state.command(attempt, epoch, desired);
            }
        });
    }

    /// Wants that of the worker, in place of what was wanted before.
    pub(crate) fn order(&self, orders: Value) {
        self.with(|state| {
            state.orders = orders;
            state.say_orders();
        });
    }

    /// Tells the attempt something, by heartbeats.
    pub(crate) fn tell(&self, attempt: &str, mut message: Value) {
        self.with(|state| {
            let held = state.attempts.get_mut(attempt).expect("it was given");
            message["number"] = json!(held.messages.len() + 1);
            held.messages.push(message);
        });
    }

    /// Takes the claim away, as if its lease had run out, and lets it wait for nobody.
    pub(crate) fn take_away(&self, attempt: &str) {
        self.with(|state| {
            let held = state.attempts.get_mut(attempt).expect("it was given");
            held.phase = Phase::Queued;
            held.epoch += 1;
        });
    }

    /// Breaks off all connections and takes none, or is back. Leases are not counted meanwhile, as the document says.
    pub(crate) fn be_away(&self, away: bool) {
        let mut since = self
            .away_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match (away, since.take()) {
            (true, before) => *since = Some(before.unwrap_or_else(Instant::now)),
            (false, Some(gone_at)) => self.with(|state| {
                for attempt in state.attempts.values_mut() {
                    attempt.renewed_at += gone_at.elapsed();
                }
            }),
            (false, None) => {}
        }
        self.server.be_away(away);
    }
}

impl State {
    /// Says it on every stream of commands.
    fn command(&mut self, attempt: &str, epoch: i64, desired: &str) {
        let command = json!({"attempt": attempt, "epoch": epoch, "desired": desired});
        self.say("command", &command);
    }

    fn say_orders(&mut self) {
        if !self.orders.is_null() {
            let orders = self.orders.clone();
            self.say("orders", &orders);
        }
    }

    fn say(&mut self, kind: &str, data: &Value) {
        let text = format!("event: {kind}\ndata: {data}\n\n");
        self.streams
            .retain(|stream| stream.send(Bytes::from(text.clone())).is_ok());
    }

    /// What still holds is said again on each connection.
    fn repeat_commands(&mut self) {
        self.say_orders();
        let attempts = self.attempts.iter();
        let wished: Vec<_> = attempts
            .filter_map(|(id, attempt)| match attempt.wish {
                Some((desired, Way::Stream)) if attempt.phase == Phase::Held => {
                    Some((id.clone(), attempt.epoch, desired))
                }
                Some(_) | None => None,
            })
            .collect();
        for (id, epoch, desired) in wished {
            self.command(&id, epoch, desired);
        }
    }

    /// What a request of that verb is to be answered with, if not as it should.
    fn fault(&mut self, verb: &str) -> Option<Fault> {
        let at = self
            .faults
            .iter()
            .position(|(failing, _, _)| *failing == verb)?;
        let (_, fault, left) = &mut self.faults[at];
        let fault = *fault;
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.faults.remove(at);
        }
        Some(fault)
    }

    /// Claims whose lease ran out wait for a worker again.
    fn reap(&mut self, lease: Duration) {
        for (id, attempt) in &mut self.attempts {
            if attempt.phase == Phase::Held && attempt.renewed_at.elapsed() >= lease {
                attempt.phase = Phase::Queued;
                self.queue.push_back(id.clone());
            }
        }
    }
}
