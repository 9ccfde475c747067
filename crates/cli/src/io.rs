//! What a command gets from the process: streams, variables, clock, randomness.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::PathBuf;

use futures_util::future::{BoxFuture, LocalBoxFuture};
use futures_util::stream::BoxStream;
use outwork_api::client::Client;
use outwork_domain::Timestamp;
use serde::Serialize;

use crate::error::CliError;

/// The outside world. Built once by the composition root; a test builds its own.
///
/// Reading standard input happens on a blocking thread: the root must end the process with
/// `std::process::exit` (or shut the runtime down in the background) to not wait for it.
pub struct Io {
    /// Standard input.
    pub stdin: Box<dyn Read + Send>,
    /// Standard output: results.
    pub stdout: Box<dyn Write + Send>,
    /// Standard error: logs, notes, errors.
    pub stderr: Box<dyn Write + Send>,
    /// Whether standard input is a terminal.
    pub stdin_is_terminal: bool,
    /// Whether standard output is a terminal.
    pub stdout_is_terminal: bool,
    /// Whether standard output is the process's own terminal, so that a pager can take its place.
    pub can_page: bool,
    /// Whether standard error is a terminal.
    pub stderr_is_terminal: bool,
    /// The terminal's width in columns, if known.
    pub width: Option<u16>,
    /// All environment variables.
    pub variables: BTreeMap<OsString, OsString>,
    /// The current folder.
    pub current_dir: PathBuf,
    /// This program.
    pub program: PathBuf,
    /// The clock.
    pub now: fn() -> Timestamp,
    /// 128 random bits, other ones each time.
    pub random: fn() -> u128,
    /// An item whenever the user presses Ctrl-C. The first ends the command, which may have to take
    /// something back; the second ends that.
    pub interrupts: BoxStream<'static, ()>,
    /// Lets the terminal show nothing of what is typed, until the returned value is dropped.
    pub hide_typing: fn() -> Box<dyn std::any::Any + Send>,
    /// Takes the terminal over for the picker.
    pub open_screen: fn() -> std::io::Result<outwork_tui::Screen>,
    /// The whole command line, for completions.
    pub root_command: fn() -> clap::Command,
    /// What `doctor` looks at besides its own; awaited by it alone.
    pub checks: BoxFuture<'static, Vec<Check>>,
    /// A control plane and a worker for this command alone; awaited by `run` alone.
    pub local: LocalBoxFuture<'static, Result<Local, CliError>>,
}

/// A control plane and a worker that run for one command.
pub struct Local {
    /// Who may do everything there.
    pub client: Client,
    /// The names of the agents that are installed here.
    pub agents: Vec<String>,
    /// Where they are looked for.
    pub agents_dir: PathBuf,
    /// Cancels what has not ended, and stops both. Without it both end with the process.
    pub stop: BoxFuture<'static, Result<(), CliError>>,
}

/// One thing that `outwork doctor` looked at.
pub struct Check {
    /// What, in a word or two.
    pub name: String,
    /// How it stands.
    pub result: CheckResult,
}

/// How a checked thing stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckResult {
    /// Good or bad.
    pub status: CheckStatus,
    /// What was found.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Good or bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// Good.
    Ok,
    /// Works, with less.
    Warning,
    /// Does not work.
    Failed,
}

impl CheckResult {
    /// Good.
    pub fn ok(detail: impl Into<String>) -> Self {
        Self {
            status: CheckStatus::Ok,
            detail: detail.into(),
            hint: None,
        }
    }

    /// Works, with less.
    pub fn warning(detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            status: CheckStatus::Warning,
            detail: detail.into(),
            hint: Some(hint.into()),
        }
    }

    /// Does not work.
    pub fn failed(detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            status: CheckStatus::Failed,
            detail: detail.into(),
            hint: Some(hint.into()),
        }
    }
}
