//! A process in its sandbox: bytes through the adapter, effects carried out, time limits kept.
//!
//! Agents hang: on bad endpoints, on questions nobody answers, on a child that keeps a pipe open. So every wait here has an
//! end: the total time, the first output, silence, and after a wish to stop a short grace until the sandbox is killed.

mod commands;
mod limits;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use outwork_agents::{
    Adapter, AgentCommand, AgentEvent, Effect, ExitStatus, SessionSpec, SteerId, TurnOutcome,
};
use outwork_api::event::EventBody;
use outwork_api::worker::{AttemptMessage, INTERRUPTED, MessageBody};
use outwork_domain::Failure;
use outwork_sandbox::{Killer, LimitHit, Running};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::ChildStdin;
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::commands::OpenCommands;
use self::limits::LimitsMet;

use super::model::ModelGateway;
use super::network::Egress;
use super::report::Reporter;
use super::step::StepName;
use super::tail::Tail;
use super::{Run, Stopped};
use crate::failure;
use crate::lease::{Inbox, Wish};
use crate::outbox::Source;

const READ_BYTES: usize = 64 * 1024;
/// Messages to an agent that it has not read; it asks for each of them.
const UNREAD_INPUTS: usize = 4096;
/// After an adapter has lost control or the command has ended, for the pipes to run dry.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// Time limits of one process.
pub(super) struct Bounds {
    pub(super) name: StepName,
    pub(super) total: Duration,
    pub(super) first_output: Option<Duration>,
    /// While no command of the agent and no call of the model is open.
    pub(super) silence: Option<Duration>,
}

impl Bounds {
    /// A plain command may be silent for as long as it likes; an agent with a protocol never is for long.
    pub(super) fn agent(run: &Run) -> Self {
        let timing = &run.host.config.timing;
        let speaks = match &run.assignment.agent {
            outwork_api::environment::Agent::Codex {} => true,
            outwork_api::environment::Agent::Command { command: _ }
            | outwork_api::environment::Agent::None {} => false,
        };
        Self {
            name: StepName::Agent,
            total: StepName::Agent.limit(&run.assignment),
            first_output: speaks.then_some(timing.first_output),
            silence: speaks.then_some(timing.silence),
        }
    }
}

/// How a process ended.
pub(super) struct Driven {
    pub(super) outcome: TurnOutcome,
    /// Why the worker stopped it, if it did before the turn was over.
    pub(super) stopped: Option<Stopped>,
    /// The limit that it ended by, if it did.
    pub(super) limit: Option<Failure>,
    /// In words, for people.
    pub(super) exit: String,
    /// Its exit code, if it ended by itself.
    pub(super) code: Option<i32>,
}

/// What a process has beside its sandbox.
#[derive(Clone, Copy, Default)]
pub(super) struct Beside<'a> {
    pub(super) gateway: Option<&'a ModelGateway>,
    pub(super) egress: Option<&'a Egress>,
    /// Keeps the end of what it writes.
    pub(super) tail: Option<&'a Tail>,
    /// Where the agent's session is, as soon as it has one.
    pub(super) session: Option<&'a Mutex<Option<SessionSpec>>>,
}

impl Beside<'_> {
    /// Waits until something happens that the process cannot go on after.
    async fn broke(&self) -> Failure {
        let budget = async {
            match self.gateway {
                Some(gateway) => gateway.over_budget().await,
                None => std::future::pending().await,
            }
        };
        let network = async {
            match self.egress {
                Some(egress) => egress.broke().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            failure = budget => failure,
            failure = network => failure,
        }
    }
}

/// Drives `running` until it has ended and nothing of it is left. What people say meanwhile is read from `inbox`.
pub(super) async fn drive(
    run: &Run,
    mut running: Running,
    adapter: &mut dyn Adapter,
    bounds: &Bounds,
    beside: Beside<'_>,
    inbox: &mut Option<Inbox>,
) -> Result<Driven, Failure> {
    if let Err(error) = run.directory.note_namespace(running.pid_namespace()) {
        tracing::warn!(claim = %run.claim, %error, "a sandbox could not be noted");
    }
    let mut stdout = running.stdout.take();
    let mut stderr = running.stderr.take();
    let stdin = running.stdin.take().map(writer);
    let mut hits = running.take_limit_hits();
    let mut driver = Driver::new(run, adapter, bounds, beside, running.killer(), stdin);
    let effects = driver.adapter.start();
    driver.carry_out(effects);
    driver.note_session();

    let mut stop = run.stop.clone();
    let mut seen = Wish::Run;
    let mut exit = None;
    let broke = beside.broke();
    tokio::pin!(broke);
    let (mut out_buffer, mut err_buffer) = (vec![0; READ_BYTES], vec![0; READ_BYTES]);
    while exit.is_none() || stdout.is_some() || stderr.is_some() {
        tokio::select! {
            read = read(&mut stdout, &mut out_buffer), if stdout.is_some() => match read {
                Some(length) => driver.on_stdout(&out_buffer[..length]),
                None => stdout = None,
            },
            read = read(&mut stderr, &mut err_buffer), if stderr.is_some() => match read {
                Some(length) => driver.on_stderr(&err_buffer[..length]),
                None => stderr = None,
            },
            ended = running.wait(), if exit.is_none() => {
                exit = Some(ended);
                driver.drain_until = Some(Instant::now() + DRAIN_WITHIN);
            }
            wish = stop.above(seen) => {
                seen = wish;
                driver.on_wish(wish);
            }
            message = next(inbox), if inbox.is_some() => match message {
                Some(message) => driver.on_message(message),
                None => *inbox = None,
            },
            hit = next(&mut hits), if hits.is_some() => match hit {
                Some(hit) => driver.on_limit(hit),
                None => hits = None,
            },
            failure = &mut broke, if driver.stopped.is_none() => {
                driver.stop(Stopped::Failed(failure));
            }
            () = tokio::time::sleep_until(driver.next_deadline()) => {
                if driver.on_time() {
                    // Somebody else holds the pipes; what they say does not count.
                    break;
                }
            }
        }
        if run.outbox.is_broken() {
            driver.stop(Stopped::Failed(failure::disk_full()));
        }
    }
    let exit = match exit {
        Some(exit) => exit,
        None => running.kill().await,
    };
    // Those that came with its end.
    while let Some(hit) = hits.as_mut().and_then(|hits| hits.try_recv().ok()) {
        driver.on_limit(hit);
    }
    while let Some(message) = inbox.as_mut().and_then(|inbox| inbox.try_recv().ok()) {
        driver.on_message(message);
    }
    let limit = running.limit_hit();
    driver.finish(exit, limit)
}

/// Of a channel that may have ended.
trait Receive {
    type Item;

    async fn receive(&mut self) -> Option<Self::Item>;
}

impl<T> Receive for mpsc::Receiver<T> {
    type Item = T;

    async fn receive(&mut self) -> Option<T> {
        self.recv().await
    }
}

impl<T> Receive for mpsc::UnboundedReceiver<T> {
    type Item = T;

    async fn receive(&mut self) -> Option<T> {
        self.recv().await
    }
}

async fn next<R: Receive>(from: &mut Option<R>) -> Option<R::Item> {
    from.as_mut()?.receive().await
}

/// `None` at the end.
async fn read(from: &mut Option<impl AsyncRead + Unpin>, buffer: &mut [u8]) -> Option<usize> {
    let from = from.as_mut()?;
    from.read(buffer).await.ok().filter(|length| *length > 0)
}

/// Writes beside the reading: an agent that does not read must not stop us from reading.
fn writer(mut stdin: ChildStdin) -> mpsc::Sender<Vec<u8>> {
    let (sender, mut receiver) = mpsc::channel::<Vec<u8>>(UNREAD_INPUTS);
    tokio::spawn(async move {
        while let Some(bytes) = receiver.recv().await {
            // The agent ended or closed its input; its exit tells more.
            if stdin.write_all(&bytes).await.is_err() {
                break;
            }
        }
    });
    sender
}

struct Driver<'a> {
    run: &'a Run,
    adapter: &'a mut dyn Adapter,
    bounds: &'a Bounds,
    beside: Beside<'a>,
    reporter: Reporter,
    killer: Killer,
    stdin: Option<mpsc::Sender<Vec<u8>>>,
    total_at: Instant,
    heard: bool,
    last_heard_at: Instant,
    commands: OpenCommands,
    limits: LimitsMet,
    stopped: Option<Stopped>,
    kill_at: Option<Instant>,
    drain_until: Option<Instant>,
    outcome: Option<TurnOutcome>,
}

impl<'a> Driver<'a> {
    fn new(
        run: &'a Run,
        adapter: &'a mut dyn Adapter,
        bounds: &'a Bounds,
        beside: Beside<'a>,
        killer: Killer,
        stdin: Option<mpsc::Sender<Vec<u8>>>,
    ) -> Self {
        let now = Instant::now();
        Self {
            run,
            adapter,
            bounds,
            beside,
            reporter: Reporter::new(&run.cwd, run.session_before.is_some()),
            killer,
            stdin,
            total_at: now + bounds.total,
            heard: false,
            last_heard_at: now,
            commands: OpenCommands::default(),
            limits: LimitsMet::default(),
            stopped: None,
            kill_at: None,
            drain_until: None,
            outcome: None,
        }
    }

    fn on_stdout(&mut self, bytes: &[u8]) {
        self.heard = true;
        self.last_heard_at = Instant::now();
        let effects = self.adapter.on_stdout(bytes);
        self.carry_out(effects);
    }

    fn on_stderr(&mut self, bytes: &[u8]) {
        let effects = self.adapter.on_stderr(bytes);
        self.carry_out(effects);
    }

    fn on_wish(&mut self, wish: Wish) {
        match wish {
            Wish::Run => {}
            Wish::Cancel => self.stop(Stopped::Cancelled),
            // With a session another worker goes on where it stops now.
            Wish::Release if self.adapter.session_files().is_some() => {
                self.stop(Stopped::Released);
            }
            Wish::Release | Wish::Abandon => {
                self.stopped = Some(wish.into());
                self.killer.kill();
            }
        }
    }

    fn on_message(&mut self, message: AttemptMessage) {
        let AttemptMessage { number, body } = message;
        match body {
            MessageBody::Steer { text } => {
                let steer = SteerId(number.into());
                let effects = self.adapter.command(AgentCommand::Steer { steer, text });
                self.carry_out(effects);
            }
            MessageBody::Interrupt {} => self.stop(Stopped::Asks {
                question: INTERRUPTED.to_owned(),
            }),
            // Of a later version, which does not rely on it.
            MessageBody::Unknown => {}
        }
    }

    fn note_session(&self) {
        if let Some(session) = self.beside.session {
            let mut noted = session.lock().unwrap_or_else(PoisonError::into_inner);
            *noted = self.adapter.session_files();
        }
    }

    /// When to look at the clock next.
    fn next_deadline(&self) -> Instant {
        let mut deadlines = vec![];
        if self.stopped.is_none() && self.outcome.is_none() {
            deadlines.push(self.total_at);
            deadlines.extend(self.quiet_limit().map(|limit| self.last_heard_at + limit));
        }
        deadlines.extend(self.kill_at);
        deadlines.extend(self.drain_until);
        // With nothing to wait for, once a minute does no harm.
        deadlines
            .into_iter()
            .min()
            .unwrap_or_else(|| Instant::now() + Duration::from_secs(60))
    }

    fn quiet_limit(&self) -> Option<Duration> {
        if self.heard {
            self.bounds.silence
        } else {
            self.bounds.first_output
        }
    }

    /// Acts on the deadlines that have passed; true if the pipes are to be left.
    fn on_time(&mut self) -> bool {
        let now = Instant::now();
        if self.drain_until.is_some_and(|at| at <= now) {
            return true;
        }
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill_at = None;
            self.killer.kill();
        }
        if self.stopped.is_some() || self.outcome.is_some() {
            return false;
        }
        if self.total_at <= now {
            self.stop(Stopped::Failed(failure::timed_out(
                self.bounds.name.sentence(),
                self.bounds.total,
            )));
        } else if let Some(limit) = self
            .quiet_limit()
            .filter(|limit| self.last_heard_at + *limit <= now)
        {
            let waits = !self.commands.are_none()
                || self
                    .beside
                    .gateway
                    .is_some_and(ModelGateway::has_open_calls);
            if self.heard && waits {
                self.last_heard_at = now;
            } else {
                self.stop(Stopped::Failed(failure::silent(limit)));
            }
        }
        false
    }

    /// Asks the agent to stop, and kills it if that takes too long. Only the first reason counts.
    fn stop(&mut self, why: Stopped) {
        if self.stopped.is_some() || self.outcome.is_some() {
            return;
        }
        let timing = &self.run.host.config.timing;
        let grace = match &why {
            // It goes on later: what it remembers has to be whole.
            Stopped::Asks { .. } | Stopped::Released => timing.end_grace,
            Stopped::Failed(_) | Stopped::Cancelled | Stopped::Abandoned => timing.stop_grace,
        };
        self.stopped = Some(why);
        self.kill_at = Some(Instant::now() + grace);
        let effects = self.adapter.command(AgentCommand::Interrupt);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::WriteStdin(bytes) => {
                    let sent = self.stdin.as_ref().map(|stdin| stdin.try_send(bytes));
                    if let Some(Err(mpsc::error::TrySendError::Full(_))) = sent {
                        tracing::warn!(claim = %self.run.claim, "an agent asks and does not read the answers; killed");
                        self.killer.kill();
                    }
                    // Closed: the agent closed its input.
                }
                Effect::CloseStdin => self.stdin = None,
                Effect::Event(event) => self.report(event),
                Effect::SteerAnswered { steer, accepted } => {
                    let number = u32::try_from(steer.0).expect("it was one");
                    let body = EventBody::SteerTaken { number, accepted };
                    self.run.outbox.event(Source::Worker, body);
                }
                Effect::TurnFinished(outcome) => {
                    self.outcome = Some(outcome);
                    self.end_by(self.run.host.config.timing.end_grace);
                    let effects = self.adapter.command(AgentCommand::Shutdown);
                    self.carry_out(effects);
                }
                Effect::Kill => self.killer.kill(),
            }
        }
    }

    fn report(&mut self, event: AgentEvent) {
        match &event {
            AgentEvent::CommandStarted { item, command, .. } => self.commands.open(item, command),
            AgentEvent::ToolStarted { item, name } => self.commands.open(item, name),
            AgentEvent::CommandFinished { item, .. } | AgentEvent::ToolFinished { item, .. } => {
                self.commands.close(item);
            }
            AgentEvent::Output { stream, text } => {
                if let Some(tail) = self.beside.tail {
                    tail.push(*stream, text);
                }
            }
            AgentEvent::SessionStarted { .. } => self.note_session(),
            AgentEvent::MessageDelta { .. }
            | AgentEvent::Message { .. }
            | AgentEvent::ReasoningDelta { .. }
            | AgentEvent::Reasoning { .. }
            | AgentEvent::CommandOutput { .. }
            | AgentEvent::FilesChanged { .. }
            | AgentEvent::Plan { .. }
            | AgentEvent::Tokens { .. }
            | AgentEvent::ContextCompacted
            | AgentEvent::DecisionTaken { .. }
            | AgentEvent::Warning { .. }
            | AgentEvent::Retrying { .. }
            | AgentEvent::Error { .. } => {}
        }
        for body in self.reporter.bodies(event) {
            self.run.outbox.event(Source::Inside, body);
        }
    }

    /// The sandbox came up against a limit; it may go on.
    fn on_limit(&mut self, hit: LimitHit) {
        if let Some(body) = self.limits.meet(hit, self.commands.newest()) {
            self.run.outbox.event(Source::Worker, body);
        }
    }

    /// Only ever sooner: what was stopped is not given more time because its turn came to an end by that.
    fn end_by(&mut self, grace: Duration) {
        let at = Instant::now() + grace;
        self.kill_at = Some(self.kill_at.map_or(at, |known| known.min(at)));
    }

    fn finish(
        mut self,
        exit: Result<outwork_sandbox::ExitStatus, outwork_sandbox::SandboxError>,
        hit: Option<LimitHit>,
    ) -> Result<Driven, Failure> {
        let running = self.commands.newest();
        let exit = exit.map_err(|error| failure::sandbox(&error))?;
        let status = match exit {
            outwork_sandbox::ExitStatus::Code(code) => ExitStatus::Code(code),
            outwork_sandbox::ExitStatus::Signal(signal) => ExitStatus::Signal(signal),
        };
        let effects = self.adapter.on_exit(status);
        self.carry_out(effects);
        let outcome = self.outcome.take().unwrap_or_else(|| {
            let message = "The agent's adapter did not say how the turn ended.";
            self.run.outbox.event(
                Source::Worker,
                EventBody::Warning {
                    message: message.to_owned(),
                },
            );
            TurnOutcome::Interrupted
        });
        let limit = self.limits.ended_by(hit, &outcome, running);
        Ok(Driven {
            outcome,
            stopped: self.stopped,
            limit,
            exit: status.to_string(),
            code: match status {
                ExitStatus::Code(code) => Some(code),
                ExitStatus::Signal(_) => None,
            },
        })
    }
}
