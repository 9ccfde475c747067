//! One seed, from its beginning to its end: what happens next is taken from a queue in the order of time, and done to its end before
//! the next is looked at. Nothing here waits, and nothing depends on which thread the database runs on.

mod happenings;
mod network;

use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap};
use std::time::Duration;

use outwork_api::worker::{AttemptCommand, Desired as Wished, WorkerError};
use outwork_domain::{State, Timestamp};
use outwork_store::Change;
use outwork_worker::stepped::ClaimId;

use crate::cluster::{Cluster, Template};
use crate::dice::Dice;
use crate::message::{Answer, Brief, Reply, Request};
use crate::mutant::Mutant;
use crate::observer::{Cause, Kept, Lost, Observer, Violation};
use crate::plan::{Happening, Plan};
use crate::time::TrueTime;
use crate::worker::{Effect, RequestId, Timer, Worker};
use network::{Network, Parked};

/// How long after the last fault everything has to have ended, in leases.
const END_WITHIN_LEASES: u64 = 60;

/// What a seed did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Attempts that ended.
    pub attempts: u64,
    /// Claims of them.
    pub claims: u64,
    /// Requests that a server did.
    pub requests: u64,
    /// Claims that were given up because their worker was not heard of.
    pub lost: u64,
    /// Times that an attempt was given out while an earlier worker still ran it.
    pub twice: u64,
    /// Requests that a server refused because their claim was stale or had ended.
    pub refused: u64,
    /// Simulated time, in milliseconds.
    pub simulated_ms: u64,
}

impl Figures {
    /// Of both.
    pub fn add(&mut self, other: &Self) {
        let Self {
            attempts,
            claims,
            requests,
            lost,
            twice,
            refused,
            simulated_ms,
        } = other;
        self.attempts += attempts;
        self.claims += claims;
        self.requests += requests;
        self.lost += lost;
        self.twice += twice;
        self.refused += refused;
        self.simulated_ms += simulated_ms;
    }
}

/// What became of a seed.
#[derive(Debug)]
pub struct Outcome {
    /// Which.
    pub seed: u64,
    /// What it did.
    pub figures: Figures,
    /// The promise that was broken, if one was.
    pub violation: Option<Violation>,
    /// What happened, a line each; empty unless it was asked for.
    pub trace: Vec<String>,
}

/// Something that will happen.
enum Event {
    Happens(Happening),
    Calm,
    /// A request comes to a server.
    Arrives(Letter),
    /// An answer comes to a worker.
    Answers {
        to: Sender,
        answer: Answer,
        /// When a server did it, if one did.
        done_at_ms: Option<u64>,
        request: Box<Request>,
    },
    Command(usize, AttemptCommand),
    Timer(Process, Timer),
    Step(usize),
    StartWorker(usize),
    StartServer(usize),
}

/// A process of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    worker: usize,
    process: u32,
}

/// A request of a process of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sender {
    from: Process,
    request: RequestId,
}

/// A request on its way.
#[derive(Clone)]
struct Letter {
    from: Sender,
    server: usize,
    request: Request,
}

struct Scheduled {
    at_ms: u64,
    number: u64,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    /// The heap gives the greatest first: the earliest, and of those at one time the one that was scheduled first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at_ms, other.number).cmp(&(self.at_ms, self.number))
    }
}

struct Simulation {
    plan: Plan,
    mutant: Option<Mutant>,
    time: TrueTime,
    dice: Dice,
    queue: BinaryHeap<Scheduled>,
    scheduled: u64,
    /// What is in the queue and must have happened before the end.
    in_flight: usize,
    cluster: Cluster,
    workers: Vec<Worker>,
    paused_until_ms: Vec<u64>,
    /// How long each is away when it ends in order.
    away_ms: Vec<u64>,
    server_paused_until_ms: Vec<u64>,
    network: Network,
    /// Requests for work that are kept open.
    parked: Vec<Parked>,
    observer: Observer,
    is_calm: bool,
    figures: Figures,
    trace: Option<Vec<String>>,
}

/// Runs a seed. `keep_trace`: every event is written down; that takes time.
pub async fn run(
    template: &Template,
    seed: u64,
    mutant: Option<Mutant>,
    keep_trace: bool,
) -> Outcome {
    let mut simulation = Simulation::new(template, seed, mutant, keep_trace).await;
    let violation = simulation.run().await.err();
    let Simulation {
        cluster,
        mut figures,
        trace,
        time,
        ..
    } = simulation;
    figures.simulated_ms = time.ms();
    cluster.close().await;
    Outcome {
        seed,
        figures,
        violation,
        trace: trace.unwrap_or_default(),
    }
}

impl Simulation {
    async fn new(template: &Template, seed: u64, mutant: Option<Mutant>, keep_trace: bool) -> Self {
        let mut dice = Dice::new(seed);
        let plan = Plan::new(&mut dice.fork());
        let time = TrueTime::default();
        let cluster = Cluster::open(
            template,
            time.clone(),
            plan.limits(),
            &plan.servers,
            dice.fork(),
        )
        .await;
        let lease = Duration::from_millis(plan.lease_ms);
        let directory = cluster.directory();
        let workers: Vec<_> = plan
            .workers
            .iter()
            .enumerate()
            .map(|(index, worker)| {
                let directory = directory.clone();
                let mut worker = Worker::new(index, worker.clone(), lease, directory, dice.fork());
                worker.is_silent_in_drain = mutant == Some(Mutant::SilentDrain);
                worker.is_deaf = mutant == Some(Mutant::DeafWorker);
                worker
            })
            .collect();
        let network = Network::new(plan.network, workers.len(), dice.fork());
        let mut simulation = Self {
            mutant,
            time,
            dice,
            queue: BinaryHeap::new(),
            scheduled: 0,
            in_flight: 0,
            cluster,
            paused_until_ms: vec![0; workers.len()],
            away_ms: vec![0; workers.len()],
            server_paused_until_ms: vec![0; plan.servers.len()],
            workers,
            network,
            parked: Vec::new(),
            observer: Observer::default(),
            is_calm: false,
            figures: Figures::default(),
            trace: keep_trace.then(Vec::new),
            plan,
        };
        simulation.prepare();
        simulation
    }

    /// What the plan says.
    fn prepare(&mut self) {
        self.note(|simulation| format!("{:#?}", simulation.plan));
        for index in 0..self.plan.servers.len() {
            self.schedule(0, Event::StartServer(index));
            self.schedule(1 + index as u64 * 777, Event::Step(index));
        }
        for index in 0..self.workers.len() {
            self.schedule(1 + index as u64, Event::StartWorker(index));
        }
        for (at_ms, happening) in self.plan.happenings.clone() {
            self.schedule(at_ms, Event::Happens(happening));
        }
        self.schedule(self.plan.calm_at_ms, Event::Calm);
    }

    /// Until everything has ended, or a promise is broken.
    async fn run(&mut self) -> Kept {
        let last_ms = self.plan.calm_at_ms + END_WITHIN_LEASES * self.plan.lease_ms;
        while !self.has_ended() {
            let next = self.queue.pop().expect("servers look at the time for ever");
            if next.at_ms > last_ms {
                return self.did_not_end();
            }
            self.pass(next.at_ms);
            self.observer.wake(next.at_ms);
            if next.event.is_in_flight() {
                self.in_flight -= 1;
            }
            self.happen(next.event).await?;
        }
        self.figures.attempts = self.observer.attempts().count() as u64;
        self.observer.check_ending(&self.cluster).await
    }

    fn pass(&mut self, to_ms: u64) {
        let is_served = (0..self.cluster.servers()).any(|index| self.serves(index));
        self.network.passed(self.time.ms(), to_ms, is_served);
        for (index, worker) in self.workers.iter().enumerate() {
            if !worker.is_up() || self.paused_until_ms[index] >= self.time.ms() {
                self.network.trouble(index);
            }
        }
        self.time.advance(to_ms);
    }

    fn has_ended(&self) -> bool {
        self.is_calm
            && self.in_flight == 0
            && self
                .observer
                .attempts()
                .all(|attempt| attempt.state.is_final())
            && !self.workers.iter().any(Worker::is_busy)
    }

    fn did_not_end(&self) -> Kept {
        let open = self
            .observer
            .attempts()
            .filter(|attempt| !attempt.state.is_final());
        let open: Vec<_> = open
            .map(|attempt| {
                format!(
                    "{} is {}",
                    self.observer.name(attempt.id),
                    attempt.state.as_str()
                )
            })
            .collect();
        let busy = (0..self.workers.len()).filter(|index| self.workers[*index].is_busy());
        Err(Violation {
            promise: "everything ends when nothing goes wrong any more",
            detail: format!("{open:?}, busy workers {:?}", busy.collect::<Vec<_>>()),
            at_ms: self.time.ms(),
        })
    }

    fn schedule(&mut self, after_ms: u64, event: Event) {
        self.in_flight += usize::from(event.is_in_flight());
        self.scheduled += 1;
        self.queue.push(Scheduled {
            at_ms: self.time.ms() + after_ms,
            number: self.scheduled,
            event,
        });
    }

    fn note(&mut self, text: impl FnOnce(&Self) -> String) {
        if self.trace.is_none() {
            return;
        }
        let text = self.observer.brief(&text(self));
        let at_ms = self.time.ms();
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{at_ms:>7} {text}"));
        }
    }

    async fn happen(&mut self, event: Event) -> Kept {
        match event {
            Event::Happens(happening) => self.happens(happening).await,
            Event::Calm => {
                self.calm();
                Ok(())
            }
            Event::Arrives(letter) => self.arrives(letter).await,
            Event::Answers {
                to,
                answer,
                done_at_ms,
                request,
            } => self.answers(to, answer, done_at_ms, request),
            Event::Command(worker, command) => {
                let again = || Event::Command(worker, command.clone());
                if let Some((wait_ms, event)) = self.held_back(worker, again) {
                    self.schedule(wait_ms, event);
                    return Ok(());
                }
                self.note(|_| format!("w{worker} is told {command:?}"));
                self.wake(worker);
                self.workers[worker].command(&command);
                self.carry_out(worker)
            }
            Event::Timer(from, timer) => self.timer(from, timer),
            Event::Step(server) => self.step(server).await,
            Event::StartWorker(worker) => {
                self.note(|_| format!("w{worker} starts"));
                self.wake(worker);
                self.workers[worker].start();
                self.carry_out(worker)
            }
            Event::StartServer(server) => {
                self.note(|_| format!("server {server} starts"));
                self.cluster.start(server).await;
                self.committed(Cause::Step, server).await.map(drop)
            }
        }
    }

    /// A paused worker does nothing: when it goes on, and what then.
    fn held_back(&self, worker: usize, event: impl FnOnce() -> Event) -> Option<(u64, Event)> {
        let wait_ms = self.paused_until_ms[worker].saturating_sub(self.time.ms());
        (wait_ms > 0).then(|| (wait_ms, event()))
    }

    fn wake(&mut self, worker: usize) {
        self.workers[worker].wake(self.time.ms());
    }

    fn timer(&mut self, from: Process, timer: Timer) -> Kept {
        if self.workers[from.worker].process_number != from.process {
            return Ok(());
        }
        if let Some((wait_ms, event)) = self.held_back(from.worker, || Event::Timer(from, timer)) {
            self.schedule(wait_ms, event);
            return Ok(());
        }
        self.wake(from.worker);
        self.workers[from.worker].timer(timer);
        self.carry_out(from.worker)
    }

    fn answers(
        &mut self,
        to: Sender,
        answer: Answer,
        done_at_ms: Option<u64>,
        request: Box<Request>,
    ) -> Kept {
        let index = to.from.worker;
        let wait_ms = self.paused_until_ms[index].saturating_sub(self.time.ms());
        if wait_ms > 0 {
            let event = Event::Answers {
                to,
                answer,
                done_at_ms,
                request,
            };
            self.schedule(wait_ms, event);
            return Ok(());
        }
        let worker = &self.workers[index];
        if worker.process_number != to.from.process || !worker.waits_for(to.request) {
            // What was given out to somebody who does not listen any more waits for the end of its lease.
            if matches!(&answer, Ok(Reply::Acquired(assignments)) if !assignments.is_empty()) {
                self.network.trouble(index);
            }
            return Ok(());
        }
        self.note(|_| format!("w{index} hears on {}: {}", request.name(), Brief(&answer)));
        self.wake(index);
        let told = told(&request, &answer);
        self.workers[index].answer(to.request, answer);
        self.carry_out(index)?;
        self.check_contact(index, &told, done_at_ms)
    }

    /// A worker that a server answered after a claim was over knows it, and runs it no more.
    fn check_contact(&self, worker: usize, told: &[ClaimId], done_at_ms: Option<u64>) -> Kept {
        let Some(done_at_ms) = done_at_ms else {
            return Ok(());
        };
        let sandboxes = self.workers[worker].sandboxes();
        for claim in told.iter().filter(|claim| sandboxes.contains(claim)) {
            let over_at_ms = self.observer.over_at_ms(*claim);
            if over_at_ms.is_some_and(|over_at_ms| over_at_ms < done_at_ms) {
                return Err(Violation {
                    promise: "whoever lost a claim stops at the first contact",
                    detail: format!(
                        "w{worker} runs {} {:?}, which ended at {over_at_ms:?} ms, after an answer of {done_at_ms} ms",
                        self.observer.name(claim.attempt),
                        claim.epoch
                    ),
                    at_ms: self.time.ms(),
                });
            }
        }
        Ok(())
    }

    /// Does what a worker wants.
    fn carry_out(&mut self, index: usize) -> Kept {
        let worker = &mut self.workers[index];
        let from = Process {
            worker: index,
            process: worker.process_number,
        };
        let fault = worker.fault.take();
        for effect in std::mem::take(&mut self.workers[index].effects) {
            match effect {
                Effect::Send(request_id, request) => {
                    let from = Sender {
                        from,
                        request: request_id,
                    };
                    self.send(from, request);
                }
                Effect::After(wait, timer) => {
                    let wait_ms = self.workers[index].clock.true_ms(wait);
                    self.schedule(wait_ms, Event::Timer(from, timer));
                }
                Effect::Ended => {
                    self.note(|_| format!("w{index} has ended"));
                    self.network.trouble(index);
                    let wait_ms = std::mem::take(&mut self.away_ms[index]).max(100);
                    self.schedule(wait_ms, Event::StartWorker(index));
                }
                Effect::Note(text) => self.note(|_| format!("w{index} {text}")),
            }
        }
        match fault {
            None => Ok(()),
            Some(detail) => Err(Violation {
                promise: "a worker that is refused stops within two thirds of its lease",
                detail,
                at_ms: self.time.ms(),
            }),
        }
    }

    /// A server looks what is due.
    async fn step(&mut self, server: usize) -> Kept {
        let paused_ms = self.server_paused_until_ms[server].saturating_sub(self.time.ms());
        let wait_ms = self.plan.lease_ms / 8 + self.dice.below(self.plan.lease_ms / 12);
        self.schedule(paused_ms.max(wait_ms), Event::Step(server));
        if paused_ms > 0 || !self.cluster.is_up(server) {
            return Ok(());
        }
        self.cluster.step(server).await;
        self.committed(Cause::Step, server).await?;
        self.give_out().await
    }

    fn serves(&self, server: usize) -> bool {
        self.cluster.is_up(server) && self.server_paused_until_ms[server] <= self.time.ms()
    }

    /// A request comes to a server.
    async fn arrives(&mut self, letter: Letter) -> Kept {
        let server = letter.server;
        let paused_ms = self.server_paused_until_ms[server].saturating_sub(self.time.ms());
        if paused_ms > 0 && self.cluster.is_up(server) {
            let wait_ms = paused_ms + self.dice.below(20);
            self.schedule(wait_ms, Event::Arrives(letter));
            return Ok(());
        }
        if !self.cluster.is_up(server) {
            self.answer_unreachable(&letter);
            return Ok(());
        }
        if matches!(letter.request, Request::Acquire(_)) && !self.has_work(server) {
            self.park(letter);
            return Ok(());
        }
        self.perform(letter).await?;
        self.give_out().await
    }

    fn has_work(&self, server: usize) -> bool {
        let now = self.cluster.now(server);
        self.observer.attempts().any(|attempt| match attempt.state {
            State::Queued { visible_at, .. } => visible_at <= now,
            State::Held { .. }
            | State::AwaitingInput { .. }
            | State::Succeeded { .. }
            | State::Failed { .. }
            | State::Cancelled { .. } => false,
        })
    }

    /// A server does a request, to its end.
    async fn perform(&mut self, letter: Letter) -> Kept {
        let Letter {
            from,
            server,
            request,
        } = letter;
        let Some(api) = self.cluster.api(server) else {
            return Ok(());
        };
        let database = self.cluster.database();
        let answer = match self.mutant {
            None => request.perform(&*api).await,
            Some(mutant) => {
                mutant
                    .perform(&request, &*api, &self.observer, &database)
                    .await
            }
        };
        self.figures.requests += 1;
        self.note(|_| {
            let worker = from.from.worker;
            let claim = request.claim().map_or(String::new(), |(attempt, epoch)| {
                format!(" of {attempt} {epoch}")
            });
            format!(
                "server {server} does {}{claim} for w{worker}: {}",
                request.name(),
                Brief(&answer)
            )
        });
        let cause = cause(&request, &answer);
        let now = self.cluster.now(server);
        self.observer
            .performed(from.from.worker, &request, &answer, now)?;
        self.count(from.from.worker, &answer);
        self.committed(cause, server).await?;
        self.send_answer(from, server, request, answer);
        Ok(())
    }

    fn count(&mut self, worker: usize, answer: &Answer) {
        match answer {
            Ok(Reply::Acquired(assignments)) => {
                self.figures.claims += assignments.len() as u64;
                for assignment in assignments {
                    let id = assignment.attempt.parse().ok();
                    let runs = self
                        .workers
                        .iter()
                        .enumerate()
                        .filter(|(index, _)| *index != worker);
                    let runs = runs.flat_map(|(_, worker)| worker.sandboxes());
                    let twice = runs.filter(|claim| Some(claim.attempt) == id).count();
                    self.figures.twice += twice as u64;
                }
            }
            Ok(_) => {}
            Err(WorkerError::Problem(_)) => self.figures.refused += 1,
            Err(WorkerError::Unreachable(_)) => {}
        }
    }

    /// Looks at what was committed.
    async fn committed(&mut self, cause: Cause, server: usize) -> Kept {
        let mut changed = BTreeSet::new();
        let mut commands = Vec::new();
        for change in self.cluster.changes() {
            match change {
                Change::Attempt(id) => {
                    changed.insert(id);
                }
                // Operators want nothing here, and nobody looks at all tasks.
                Change::Queue(_)
                | Change::Worker(_)
                | Change::Task(_)
                | Change::Job(_)
                | Change::Happened => {}
                Change::Command(attempt, epoch, _) => commands.push(ClaimId { attempt, epoch }),
            }
        }
        let now = self.cluster.now(server);
        // Reading takes time, and of these it is known what they change in the attempt that they name: nothing that counts here.
        if let Cause::Verb(id, "append" | "advance") = cause {
            changed.remove(&id);
        }
        let lost = self
            .observer
            .refresh(&self.cluster, &changed, cause, now)
            .await?;
        for lost in lost {
            self.check_lost(lost)?;
        }
        if let Some(mutant) = self.mutant {
            for id in changed {
                let attempt = self.observer.attempt(id).expect("it was submitted").clone();
                if mutant.spoil(&attempt, &self.cluster.database()).await {
                    self.note(|_| format!("{id} is spoiled"));
                }
            }
        }
        for claim in commands {
            self.command(claim);
        }
        Ok(())
    }

    /// A worker that nothing happened to keeps what it has, also when servers come and go.
    fn check_lost(&mut self, lost: Lost) -> Kept {
        let Lost { claim, worker } = lost;
        self.figures.lost += 1;
        self.note(|simulation| {
            let well_ms = simulation.network.well_for_ms(worker);
            format!(
                "w{worker} lost {} {:?}; it was well for {well_ms} ms",
                claim.attempt, claim.epoch
            )
        });
        let name = self.observer.name(claim.attempt);
        let violation = |promise, detail| {
            Err(Violation {
                promise,
                detail,
                at_ms: self.time.ms(),
            })
        };
        // A short outage is not noticed and is not made good, and after each a worker has to be heard again.
        let most_ms = self.plan.lease_ms + self.plan.lease_ms * 2 / 5 + 2_000;
        let well_ms = self.network.well_for_ms(worker);
        if well_ms >= most_ms && self.workers[worker].has(claim) {
            let detail = format!("w{worker} lost {name}, and was well for {well_ms} ms");
            return violation("a worker that is well keeps its attempts", detail);
        }
        let refused = self.workers[worker].refused_at_ms;
        let is_refused = refused.is_some_and(|at_ms| self.time.ms() - at_ms < 1_000);
        if is_refused && self.workers[worker].sandboxes().contains(&claim) {
            let detail =
                format!("w{worker} is refused, and runs {name} when it is given to others");
            return violation(
                "a worker that is refused stops before its lease is over",
                detail,
            );
        }
        Ok(())
    }

    /// The attempt's worker is told to stop, if the network lets it.
    fn command(&mut self, claim: ClaimId) {
        let Some(worker) = self.observer.holder(claim.attempt) else {
            return;
        };
        let command = AttemptCommand {
            attempt: claim.attempt.to_string(),
            epoch: claim.epoch.get(),
            desired: Wished::Cancel,
            messages: Vec::new(),
        };
        if let Some(delay_ms) = self.network.whim(worker, self.time.ms()) {
            self.schedule(delay_ms, Event::Command(worker, command));
        }
    }

    fn now(&self) -> Timestamp {
        self.cluster.now(0)
    }
}

impl Event {
    /// Whether the end has to wait for it.
    fn is_in_flight(&self) -> bool {
        match self {
            Self::Happens(_) | Self::Arrives(_) | Self::Command(..) => true,
            Self::Calm
            | Self::Answers { .. }
            | Self::Timer(..)
            | Self::Step(_)
            | Self::StartWorker(_)
            | Self::StartServer(_) => false,
        }
    }
}

fn cause(request: &Request, answer: &Answer) -> Cause {
    match (request, answer) {
        (Request::Acquire(_), _) => Cause::Acquire,
        (request, _) => match request.claim().map(|(attempt, _)| attempt.parse()) {
            Some(Ok(attempt)) => Cause::Verb(attempt, request.name()),
            Some(Err(_)) | None => Cause::Other,
        },
    }
}

/// The claims that an answer says something about.
fn told(request: &Request, answer: &Answer) -> Vec<ClaimId> {
    match (request.claim(), answer) {
        (_, Err(WorkerError::Unreachable(_))) => Vec::new(),
        (Some((attempt, epoch)), _) => ClaimId::parse(attempt, epoch).into_iter().collect(),
        (None, Ok(Reply::Heartbeat(answer))) => {
            let leases = answer.leases.iter();
            leases
                .filter_map(|lease| ClaimId::parse(&lease.attempt, lease.epoch))
                .collect()
        }
        (None, _) => Vec::new(),
    }
}
