//! A worker: what it keeps on its disk, and the process that comes and goes.
//!
//! What it decides by is what ships: leases and wishes, what an error means, the outbox on a disk, how far the server has it,
//! and how long to wait. The loops around that wait for real time and run real sandboxes in `crates/worker`; here they are
//! written once more, as reactions to a timer or an answer. An attempt's work is a list of things that it says.

mod run;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outwork_api::worker::{
    Acquire, Assignment, AttemptCommand, Deregister, Heartbeat, HeartbeatAnswer, PROTOCOL_VERSION,
    Register, Registered, Release, WorkerError,
};
use outwork_worker::stepped::{
    AGAIN_AFTER, Backoff, ClaimId, LEFTOVER_LEASE, Leases, Outbox, Verdict, Wish, answer_within,
    verdict,
};

use crate::cluster::AGENT;
use crate::dice::Dice;
use crate::message::{Answer, Reply, Request};
use crate::plan::WorkerPlan;
use crate::time::WorkerClock;
use run::Run;

/// What the client waits for an answer; twenty seconds more where the server may keep the request open.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(50);
/// See `supervisor` and `attempt` in `crates/worker`.
const LAST_WORDS: Duration = Duration::from_secs(5);
const CLAIM_AT_SHUTDOWN: Duration = Duration::from_millis(300);

/// A request on its way; unique for a worker, over all its processes.
pub type RequestId = u64;

/// What a process waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// To register again.
    Register,
    /// To ask for work again.
    Acquire,
    /// The next heartbeat.
    Beat,
    /// The attempt's next act.
    Act(ClaimId),
    /// To send again what the server did not take.
    Deliver(ClaimId),
    /// To give back again.
    Release(ClaimId),
    /// The last words of an attempt have taken too long.
    Keep(ClaimId),
    /// No answer came.
    Timeout(RequestId),
    /// A worker that has to end waits no longer for work that is just being given out.
    HangUp,
    /// The drain's grace is over.
    GraceOver,
    /// What did not end in time is killed.
    DrainOver,
}

/// What a process does to the world.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are only ever a few of them"
)]
pub enum Effect {
    /// It sends a request.
    Send(RequestId, Request),
    /// It waits, by its own clock.
    After(Duration, Timer),
    /// It has ended in order.
    Ended,
    /// For the trace.
    Note(String),
}

/// A worker.
pub struct Worker {
    /// Its parameters.
    pub plan: WorkerPlan,
    /// Its clock.
    pub clock: WorkerClock,
    /// What it did since this was last taken.
    pub effects: Vec<Effect>,
    /// A promise that it broke.
    pub fault: Option<String>,
    /// A planted bug: no heartbeats while it drains.
    pub is_silent_in_drain: bool,
    /// A planted bug: it does not stop for a claim that is lost.
    pub is_deaf: bool,
    /// Counts its processes; timers and answers of an earlier one are nobody's.
    pub process_number: u32,
    /// When a server last refused it and nothing better came since; true milliseconds.
    pub refused_at_ms: Option<u64>,
    name: String,
    lease: Duration,
    now: Instant,
    true_ms: u64,
    dice: Dice,
    directory: PathBuf,
    disk: Disk,
    process: Option<Process>,
    last_request: RequestId,
}

/// What outlives a process.
#[derive(Default)]
struct Disk {
    id: Option<String>,
    outboxes: BTreeSet<ClaimId>,
}

struct Process {
    leases: Arc<Leases>,
    identity: Option<(String, Duration)>,
    backoff: Backoff,
    acquire_backoff: Backoff,
    is_unknown: bool,
    is_waiting_to_ask: bool,
    pending: HashMap<RequestId, Pending>,
    runs: BTreeMap<ClaimId, Run>,
    leftovers: Vec<ClaimId>,
    drain: Option<Drain>,
}

/// A process that has to end.
struct Drain {
    is_signing_off: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    Register,
    Acquire(Instant),
    Beat(Instant),
    Deliver(ClaimId),
    Release(ClaimId),
    /// Given out at the last moment.
    GiveBack,
    Deregister,
}

impl Worker {
    /// One that was never started.
    pub fn new(
        index: usize,
        plan: WorkerPlan,
        lease: Duration,
        directory: PathBuf,
        dice: Dice,
    ) -> Self {
        let clock = WorkerClock::new(plan.drift.0, plan.drift.1);
        Self {
            now: clock.at(0),
            plan,
            clock,
            effects: Vec::new(),
            fault: None,
            is_silent_in_drain: false,
            is_deaf: false,
            process_number: 0,
            refused_at_ms: None,
            name: format!("w{index}"),
            lease,
            true_ms: 0,
            dice,
            directory: directory.join(index.to_string()),
            disk: Disk::default(),
            process: None,
            last_request: 0,
        }
    }

    /// It is that time now.
    pub fn wake(&mut self, true_ms: u64) {
        self.true_ms = true_ms;
        self.now = self.clock.at(true_ms);
    }

    /// Whether a process runs.
    pub fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// Whether a process runs that has to end.
    pub fn is_draining(&self) -> bool {
        let process = self.process.as_ref();
        process.is_some_and(|process| process.drain.is_some())
    }

    /// The id that the server gave last.
    pub fn id(&self) -> Option<&str> {
        self.disk.id.as_deref()
    }

    /// Whether it still waits for the answer to that request.
    pub fn waits_for(&self, request: RequestId) -> bool {
        let process = self.process.as_ref();
        process.is_some_and(|process| process.pending.contains_key(&request))
    }

    /// Whether its process has that claim, and so renews it.
    pub fn has(&self, claim: ClaimId) -> bool {
        let process = self.process.as_ref();
        process.is_some_and(|process| process.runs.contains_key(&claim))
    }

    /// The claims whose sandboxes run.
    pub fn sandboxes(&self) -> Vec<ClaimId> {
        let runs = self.process.iter().flat_map(|process| &process.runs);
        let works = runs.filter(|(_, run)| run.is_working());
        works.map(|(claim, _)| *claim).collect()
    }

    /// Whether anything of it is not done: attempts, or results that no server has.
    pub fn is_busy(&self) -> bool {
        let runs = self
            .process
            .as_ref()
            .is_some_and(|process| !process.runs.is_empty());
        runs || !self.disk.outboxes.is_empty()
    }

    /// A process starts.
    pub fn start(&mut self) {
        if self.process.is_some() {
            return;
        }
        self.process_number += 1;
        self.process = Some(Process {
            leases: Arc::new(Leases::default()),
            identity: None,
            backoff: Backoff::default(),
            acquire_backoff: Backoff::default(),
            is_unknown: false,
            is_waiting_to_ask: false,
            pending: HashMap::new(),
            runs: BTreeMap::new(),
            leftovers: self.disk.outboxes.iter().copied().collect(),
            drain: None,
        });
        self.register();
    }

    /// The process is killed; its sandboxes end with it.
    pub fn kill(&mut self) {
        if self.process.take().is_some() {
            self.process_number += 1;
        }
    }

    /// The process is asked to stop.
    pub fn drain(&mut self) {
        let Some(process) = &mut self.process else {
            return;
        };
        if process.identity.is_none() {
            // It has nothing yet.
            self.end();
            return;
        }
        if process.drain.is_none() {
            process.drain = Some(Drain {
                is_signing_off: false,
            });
            self.after(CLAIM_AT_SHUTDOWN, Timer::HangUp);
            let grace = Duration::from_millis(self.plan.drain_grace_ms);
            self.after(grace, Timer::GraceOver);
            self.go_on();
        }
    }

    fn end(&mut self) {
        self.process = None;
        self.process_number += 1;
        self.effects.push(Effect::Ended);
    }

    /// A time has come.
    pub fn timer(&mut self, timer: Timer) {
        match timer {
            Timer::Register => self.register(),
            Timer::Acquire => self.acquire(),
            Timer::Beat => self.beat(),
            Timer::Act(claim) => self.act(claim),
            Timer::Deliver(claim) => self.deliver_again(claim),
            Timer::Release(claim) => self.release(claim),
            Timer::Keep(claim) => self.keep(claim),
            Timer::Timeout(request) => {
                let error = WorkerError::Unreachable("no answer came in time".into());
                self.answer(request, Err(error));
            }
            Timer::HangUp => {
                let pending = &mut self.process().pending;
                pending.retain(|_, pending| !matches!(pending, Pending::Acquire(_)));
            }
            Timer::GraceOver => {
                self.note("gives back what still runs");
                self.process().leases.raise_all(Wish::Release);
                self.after(2 * LAST_WORDS, Timer::DrainOver);
            }
            Timer::DrainOver => {
                let claims: Vec<_> = self.process().runs.keys().copied().collect();
                for claim in claims {
                    self.process().runs.remove(&claim);
                }
            }
        }
        self.go_on();
    }

    /// An answer came.
    pub fn answer(&mut self, request: RequestId, answer: Answer) {
        let Some(pending) = self.process().pending.remove(&request) else {
            return;
        };
        match pending {
            Pending::Register => self.registered(answer),
            Pending::Acquire(asked_at) => self.acquired(asked_at, answer),
            Pending::Beat(sent_at) => self.beaten(sent_at, answer),
            Pending::Deliver(claim) => self.delivered(claim, answer),
            Pending::Release(claim) => self.released(claim, answer),
            Pending::GiveBack => {}
            Pending::Deregister => {
                self.end();
                return;
            }
        }
        self.go_on();
    }

    /// Something that could not wait for the next heartbeat.
    pub fn command(&mut self, command: &AttemptCommand) {
        let Some(process) = &self.process else { return };
        if let Some(claim) = ClaimId::parse(&command.attempt, command.epoch) {
            process.leases.raise(claim, command.desired.into());
            self.go_on();
        }
    }

    /// What follows from all that is known now.
    fn go_on(&mut self) {
        let Some(process) = &self.process else { return };
        let claims: Vec<_> = process.runs.keys().copied().collect();
        for claim in claims {
            self.heed(claim);
        }
        let process = self.process();
        match &mut process.drain {
            Some(drain) if process.runs.is_empty() && !drain.is_signing_off => {
                drain.is_signing_off = true;
                let worker = self.worker_id();
                self.send(
                    Pending::Deregister,
                    Request::Deregister(Deregister { worker }),
                    LAST_WORDS,
                );
            }
            Some(_) => {}
            None => self.ask(),
        }
    }

    fn register(&mut self) {
        let request = Register {
            protocol_version: PROTOCOL_VERSION,
            worker: self.disk.id.clone(),
            name: self.name.clone(),
            slots: self.plan.slots,
            agents: vec![AGENT.to_owned()],
            isolation: "simulated".to_owned(),
            labels: Default::default(),
            version: None,
            agent_versions: Default::default(),
        };
        self.send(
            Pending::Register,
            Request::Register(request),
            REQUEST_TIMEOUT,
        );
    }

    fn registered(&mut self, answer: Answer) {
        let Ok(Reply::Registered(Registered {
            worker,
            heartbeat_interval_ms,
            protocol_version: _,
        })) = answer
        else {
            let wait = self.process().backoff.next();
            self.after(wait, Timer::Register);
            return;
        };
        self.disk.id = Some(worker.clone());
        let interval = Duration::from_millis(heartbeat_interval_ms.max(100));
        let process = self.process();
        let is_first = process.identity.replace((worker, interval)).is_none();
        process.is_unknown = false;
        for claim in std::mem::take(&mut process.leftovers) {
            self.take_over(claim);
        }
        if is_first {
            self.beat();
        }
    }

    /// Asks for work if there is room.
    fn ask(&mut self) {
        let slots = self.plan.slots;
        let process = self.process();
        let is_asking = process
            .pending
            .values()
            .any(|pending| matches!(pending, Pending::Acquire(_) | Pending::Register));
        let room = slots - u32::try_from(process.used_slots()).expect("few");
        if process.identity.is_none() || is_asking || room == 0 {
            return;
        }
        if process.is_unknown {
            self.register();
            return;
        }
        if process.is_waiting_to_ask {
            return;
        }
        let request = Acquire {
            worker: self.worker_id(),
            max: room,
            // The simulation keeps the request open instead.
            wait_ms: 0,
            git_gateway: false,
        };
        let asked_at = Pending::Acquire(self.now);
        self.send(asked_at, Request::Acquire(request), ACQUIRE_TIMEOUT);
    }

    fn acquire(&mut self) {
        self.process().is_waiting_to_ask = false;
    }

    fn acquired(&mut self, asked_at: Instant, answer: Answer) {
        match answer {
            Ok(Reply::Acquired(assignments)) => {
                self.process().acquire_backoff = Backoff::default();
                for assignment in assignments {
                    if self.is_draining() {
                        self.give_back(assignment);
                    } else {
                        self.begin(&assignment, asked_at);
                    }
                }
            }
            Ok(_) => unreachable!("another reply than to `acquire`"),
            Err(error) => {
                let process = self.process();
                process.is_unknown |= verdict(&error) == Verdict::Unknown;
                process.is_waiting_to_ask = true;
                let wait = process.acquire_backoff.next();
                self.after(wait, Timer::Acquire);
            }
        }
    }

    fn give_back(&mut self, assignment: Assignment) {
        let Assignment { attempt, epoch, .. } = assignment;
        let request = Release {
            epoch,
            resume: false,
        };
        let release = Request::Release(attempt, request);
        self.send(Pending::GiveBack, release, LAST_WORDS);
    }

    fn beat(&mut self) {
        let is_silent = self.is_silent_in_drain && self.is_draining();
        let now = self.now;
        let worker = self.worker_id();
        let process = self.process();
        let Some((_, interval)) = process.identity else {
            return;
        };
        let mut leases = process.leases.claims();
        leases.sort_by(|one, other| one.attempt.cmp(&other.attempt));
        // A real worker says that it is alive also when it holds nothing. That changes nothing here, and takes time.
        if leases.is_empty() || is_silent {
            self.after(interval, Timer::Beat);
            return;
        }
        self.send(
            Pending::Beat(now),
            Request::Heartbeat(Heartbeat {
                worker,
                leases,
                ..Heartbeat::default()
            }),
            answer_within(interval),
        );
    }

    fn beaten(&mut self, sent_at: Instant, answer: Answer) {
        let now = self.now;
        let true_ms = self.true_ms;
        let process = self.process();
        let interval = process
            .identity
            .as_ref()
            .map_or(AGAIN_AFTER, |(_, interval)| *interval);
        let error = match answer {
            Ok(Reply::Heartbeat(answer)) => {
                process.leases.renewed(sent_at, &answer);
                self.refused_at_ms = None;
                self.renewed(sent_at, &answer);
                self.after(interval, Timer::Beat);
                return;
            }
            Ok(_) => unreachable!("another reply than to `heartbeat`"),
            Err(error) => error,
        };
        match verdict(&error) {
            Verdict::Again => {}
            Verdict::Unknown => {
                process.leases.refused(now);
                process.is_unknown = true;
                self.refused_at_ms = Some(true_ms);
            }
            Verdict::Refused
            | Verdict::Revoked
            | Verdict::Rejected
            | Verdict::Stale
            | Verdict::Ended
            | Verdict::OutOfOrder => {
                process.leases.refused(now);
                self.refused_at_ms = Some(true_ms);
            }
        }
        self.after(interval.min(AGAIN_AFTER), Timer::Beat);
        if self.refused_at_ms == Some(true_ms) {
            self.check_refused();
        }
    }

    fn renewed(&mut self, sent_at: Instant, answer: &HeartbeatAnswer) {
        for lease in &answer.leases {
            let claim = ClaimId::parse(&lease.attempt, lease.epoch);
            if let Some(run) = claim.and_then(|claim| self.process().runs.get_mut(&claim)) {
                run.renewed_at = sent_at;
            }
        }
        let waiting = self.process().runs.iter_mut();
        let waiting: Vec<_> = waiting
            .filter_map(|(claim, run)| std::mem::take(&mut run.is_waiting).then_some(*claim))
            .collect();
        for claim in waiting {
            self.deliver(claim);
        }
    }

    /// Whoever is refused stops before the lease is over.
    fn check_refused(&mut self) {
        let claims: Vec<_> = self.process().runs.keys().copied().collect();
        for claim in claims {
            self.heed(claim);
        }
        let (now, limit) = (self.now, self.lease * 2 / 3);
        let overdue = self
            .process()
            .runs
            .iter()
            .find(|(_, run)| run.is_working() && now.duration_since(run.renewed_at) >= limit);
        if let Some(claim) = overdue.map(|(claim, _)| *claim) {
            let fault = format!(
                "{} is refused, and still runs {claim} two thirds of a lease after it was renewed",
                self.name
            );
            self.fault = Some(fault);
        }
    }

    fn take_over(&mut self, claim: ClaimId) {
        let now = self.now;
        let lease = self.process().leases.hold(claim, LEFTOVER_LEASE, now);
        let outbox = Outbox::reopen(&self.outbox_directory(claim), clock());
        match outbox.expect("an outbox can be read") {
            Some(outbox) => {
                self.note(format!("delivers again {claim}"));
                let run = Run::leftover(lease, outbox, self.now);
                self.process().runs.insert(claim, run);
                self.deliver(claim);
            }
            None => self.forget(claim),
        }
    }

    fn send(&mut self, pending: Pending, request: Request, within: Duration) -> RequestId {
        self.last_request += 1;
        let id = self.last_request;
        self.process().pending.insert(id, pending);
        self.effects.push(Effect::Send(id, request));
        self.after(within, Timer::Timeout(id));
        id
    }

    fn after(&mut self, wait: Duration, timer: Timer) {
        self.effects.push(Effect::After(wait, timer));
    }

    fn note(&mut self, text: impl Into<String>) {
        self.effects.push(Effect::Note(text.into()));
    }

    fn worker_id(&self) -> String {
        self.disk.id.clone().unwrap_or_default()
    }

    /// Timers and answers come only while the process runs that waits for them.
    fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("a process runs")
    }

    fn outbox_directory(&self, claim: ClaimId) -> PathBuf {
        let epoch = claim.epoch.get().to_string();
        self.directory.join(claim.attempt.to_string()).join(epoch)
    }

    /// Nothing of the claim is left, on disk neither.
    fn forget(&mut self, claim: ClaimId) {
        self.process().runs.remove(&claim);
        self.disk.outboxes.remove(&claim);
        fs::remove_dir_all(self.outbox_directory(claim)).expect("an outbox can be removed");
    }
}

/// When events happened plays no part.
fn clock() -> outwork_worker::Clock {
    Arc::new(|| outwork_domain::Timestamp::from_millis(0))
}
