//! A process in its sandbox: bytes through the adapter, effects carried out, time limits kept.
//!
//! Agents hang: on bad endpoints, on questions nobody answers, on a child that keeps a pipe open. So every wait here has an
//! end: the total time, the first output, silence, and after a wish to stop a short grace until the sandbox is killed.

use std::collections::HashSet;
use std::time::Duration;

use outwork_agents::{Adapter, AgentCommand, AgentEvent, Effect, ExitStatus, ItemId, TurnOutcome};
use outwork_api::event::EventBody;
use outwork_domain::Failure;
use outwork_sandbox::{Killer, Running};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::ChildStdin;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::model::ModelGateway;
use super::report::Reporter;
use super::step::StepName;
use super::tail::Tail;
use super::{Run, Stopped};
use crate::failure;
use crate::lease::Wish;
use crate::outbox::Source;

const READ_BYTES: usize = 64 * 1024;
/// Messages to an agent that it has not read; it asks for each of them.
const UNREAD_INPUTS: usize = 4096;
/// Commands of an agent that are remembered as running.
const OPEN_COMMANDS: usize = 1000;
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
            outwork_api::environment::Agent::Command { command: _ } => false,
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
    /// In words, for people.
    pub(super) exit: String,
}

/// Drives `running` until it has ended and nothing of it is left.
pub(super) async fn drive(
    run: &Run,
    mut running: Running,
    adapter: &mut dyn Adapter,
    bounds: &Bounds,
    gateway: Option<&ModelGateway>,
    tail: Option<&Tail>,
) -> Result<Driven, Failure> {
    if let Err(error) = run.directory.note_namespace(running.pid_namespace()) {
        tracing::warn!(claim = %run.claim, %error, "a sandbox could not be noted");
    }
    let mut stdout = running.stdout.take();
    let mut stderr = running.stderr.take();
    let stdin = running.stdin.take().map(writer);
    let mut driver = Driver::new(run, adapter, bounds, gateway, tail, running.killer(), stdin);
    let effects = driver.adapter.start();
    driver.carry_out(effects);

    let mut stop = run.stop.clone();
    let mut seen = Wish::Run;
    let mut exit = None;
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
    driver.finish(exit)
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
    gateway: Option<&'a ModelGateway>,
    tail: Option<&'a Tail>,
    reporter: Reporter,
    killer: Killer,
    stdin: Option<mpsc::Sender<Vec<u8>>>,
    total_at: Instant,
    heard: bool,
    last_heard_at: Instant,
    open_commands: HashSet<ItemId>,
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
        gateway: Option<&'a ModelGateway>,
        tail: Option<&'a Tail>,
        killer: Killer,
        stdin: Option<mpsc::Sender<Vec<u8>>>,
    ) -> Self {
        let now = Instant::now();
        Self {
            run,
            adapter,
            bounds,
            gateway,
            tail,
            reporter: Reporter::new(&run.cwd, run.session_before.is_some()),
            killer,
            stdin,
            total_at: now + bounds.total,
            heard: false,
            last_heard_at: now,
            open_commands: HashSet::new(),
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
            Wish::Release | Wish::Abandon => {
                self.stopped = Some(wish.into());
                self.killer.kill();
            }
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
            let waits = !self.open_commands.is_empty()
                || self.gateway.is_some_and(ModelGateway::has_open_calls);
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
        self.stopped = Some(why);
        self.kill_at = Some(Instant::now() + self.run.host.config.timing.interrupt_grace);
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
                // Nothing steers yet.
                Effect::SteerAnswered { .. } => {}
                Effect::TurnFinished(outcome) => {
                    self.outcome = Some(outcome);
                    self.kill_at =
                        Some(Instant::now() + self.run.host.config.timing.interrupt_grace);
                    let effects = self.adapter.command(AgentCommand::Shutdown);
                    self.carry_out(effects);
                }
                Effect::Kill => self.killer.kill(),
            }
        }
    }

    fn report(&mut self, event: AgentEvent) {
        match &event {
            AgentEvent::CommandStarted { item, .. } | AgentEvent::ToolStarted { item, .. } => {
                if self.open_commands.len() < OPEN_COMMANDS {
                    self.open_commands.insert(item.clone());
                }
            }
            AgentEvent::CommandFinished { item, .. } | AgentEvent::ToolFinished { item, .. } => {
                self.open_commands.remove(item);
            }
            AgentEvent::Output { stream, text } => {
                if let Some(tail) = self.tail {
                    tail.push(*stream, text);
                }
            }
            AgentEvent::SessionStarted { .. }
            | AgentEvent::MessageDelta { .. }
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

    fn finish(
        mut self,
        exit: Result<outwork_sandbox::ExitStatus, outwork_sandbox::SandboxError>,
    ) -> Result<Driven, Failure> {
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
        Ok(Driven {
            outcome,
            stopped: self.stopped,
            exit: status.to_string(),
        })
    }
}
