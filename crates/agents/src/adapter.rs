//! The contract between an agent's adapter and the host that owns its process.

use crate::event::AgentEvent;
use crate::session::SessionSpec;

/// Drives one turn of one agent process.
///
/// Promises every adapter keeps:
/// * exactly one [`Effect::TurnFinished`], at the latest from [`Adapter::on_exit`];
/// * no [`Effect::Event`] after it;
/// * the events do not depend on how the output was cut into reads (output texts may be cut differently, their
///   concatenation is the same).
pub trait Adapter: Send {
    /// What the agent can do, so that surfaces hide what it cannot.
    fn capabilities(&self) -> Capabilities;

    /// Called once, when the process runs and its standard input can be written.
    fn start(&mut self) -> Vec<Effect>;

    /// Bytes from the process' standard output, in any portions.
    fn on_stdout(&mut self, bytes: &[u8]) -> Vec<Effect>;

    /// Bytes from the process' standard error, in any portions.
    fn on_stderr(&mut self, bytes: &[u8]) -> Vec<Effect>;

    /// The process is gone and both its outputs were read to their ends.
    fn on_exit(&mut self, status: ExitStatus) -> Vec<Effect>;

    fn command(&mut self, command: AgentCommand) -> Vec<Effect>;

    /// Which files make up the session; `None` while (or if) there is none. To be read after the process is gone.
    fn session_files(&self) -> Option<SessionSpec>;
}

/// What the host shall do, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A broken pipe is not an error of the turn: a program need not read its input, and its exit tells the rest.
    WriteStdin(Vec<u8>),
    CloseStdin,
    Event(AgentEvent),
    /// The answer to [`AgentCommand::Steer`]. A refused text was not seen by the agent: keep it for a follow-up turn.
    SteerAnswered {
        steer: SteerId,
        accepted: bool,
    },
    TurnFinished(TurnOutcome),
    /// End the whole process tree now; the adapter can no longer make sense of it, or nothing gentler exists.
    Kill,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentCommand {
    /// Stop working. The turn ends as [`TurnOutcome::Interrupted`]; if that takes longer than the host's grace period
    /// (real agents need milliseconds), kill the process tree.
    Interrupt,
    /// A message for the running turn; answered by [`Effect::SteerAnswered`].
    Steer { steer: SteerId, text: String },
    /// The turn is over (or nobody wants it any more): end the process in an orderly way.
    Shutdown,
}

/// The host's number for one steering message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SteerId(pub u64);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TurnOutcome {
    /// The agent says that it is done. Whether the work is good is for git and the verification to tell.
    Completed {
        last_message: Option<String>,
    },
    Interrupted,
    /// The agent wants to know something and does nothing until it does. The answer is the prompt of the next process.
    Asked {
        /// For people: bounded.
        question: String,
    },
    Failed {
        class: FailureClass,
        /// For people: one or a few sentences, bounded.
        message: String,
    },
}

/// Why a turn failed, as far as someone can act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// The model endpoint refused the key (401, 403).
    ModelUnauthorized,
    /// No connection, or the answer broke off or stalled, after all retries.
    ModelUnreachable,
    ModelNotFound,
    /// The endpoint called the request wrong (400): usually a model or gateway that lacks a feature.
    ModelBadRequest,
    /// The endpoint's own fault (5xx, overloaded).
    ModelServerError,
    RateLimited,
    QuotaExceeded,
    ContextTooLong,
    /// The endpoint or agent refused the content.
    PolicyRefused,
    /// The stored session could not be continued.
    SessionLost,
    /// The agent's process ended before the turn did.
    AgentCrashed,
    /// The agent said something its adapter does not understand and cannot ignore.
    ProtocolError,
    /// The `command` agent's program failed.
    CommandFailed {
        exit_code: Option<i32>,
    },
    SandboxError,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    Code(i32),
    Signal(i32),
}

impl std::fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Takes [`AgentCommand::Steer`] during a turn.
    pub steer: bool,
    /// Ends a turn on request and leaves a session that can be continued.
    pub interrupt: bool,
    /// Continues a stored session in another process, on another machine.
    pub resume: bool,
    /// Can ask a person and wait for the answer.
    pub questions: bool,
    /// Reports messages and output while they are produced.
    pub streaming: bool,
}
