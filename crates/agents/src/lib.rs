//! Adapters between Outwork and coding agents.
//!
//! An adapter is a pure state machine: the bytes that an agent's process wrote go in, [`Effect`]s come out. It starts no
//! process, reads no file and knows no clock, so every behaviour can be tested on the recorded output of a real agent.
//! The host (the worker) owns the process inside the sandbox, carries out the effects, and bounds everything in time:
//! agents hang on bad endpoints, an adapter cannot notice.
//!
//! One turn is one process:
//!
//! 1. [`Agent::prepare`] turns a [`LaunchContext`] into a [`Launch`] (argv, environment, files for the home) and an
//!    [`Adapter`].
//! 2. The host writes the files, starts the process, carries out [`Adapter::start`] and feeds standard output, standard
//!    error and the exit into the adapter.
//! 3. The adapter reports [`AgentEvent`]s and exactly one [`Effect::TurnFinished`].
//! 4. The host sends [`AgentCommand::Shutdown`], waits for the exit (with its own limit), and stores the files named by
//!    [`Adapter::session_files`]. The next turn, on any worker, puts them back through [`LaunchContext::session`].
//!
//! What an agent says is not trusted: it runs in the sandbox together with the code it was asked to change. Paths it
//! names are checked, texts are bounded, and nothing here decides whether the work is good (git and the verification
//! command do).

mod adapter;
mod agent;
mod event;
mod launch;
mod path;
mod session;
mod text;

pub mod codex;
pub mod command;

#[cfg(any(test, fuzzing))]
pub mod fuzzed;

pub use adapter::{
    Adapter, AgentCommand, Capabilities, Effect, ExitStatus, FailureClass, SteerId, TurnOutcome,
};
pub use agent::{Agent, AgentKind, PrepareError, Prepared, UnknownAgent};
pub use event::{
    AgentEvent, ChangeKind, CommandResult, Decision, DecisionSubject, FileChange, ItemId,
    OutputPlace, OutputStream, PatchResult, PlanStep, PlanStepState, Question, TokenCount,
};
pub use launch::{HomeFile, Launch, LaunchContext, Model};
pub use path::{AbsolutePath, HomePath, PathError};
pub use session::{SessionEntry, SessionFile, SessionSpec, StoredSession};
pub use text::EVENT_TEXT_MAX_BYTES;
