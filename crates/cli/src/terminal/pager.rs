//! A pager between the results and the terminal, as git has one.
//!
//! It is started at the first line of the result, so that a command that fails, or asks, is as it is without. While it has
//! the terminal, notes and errors wait. It is waited for, whatever becomes of the command: a shell that comes back while
//! the pager runs shares the terminal with it.

use std::io::{self, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::config::Variables;

/// What git's pager gets: colours, and nothing of it when the result fits the screen.
const LESS: &str = "FRX";

/// Which pager, and how far it is.
pub(crate) enum Pager {
    /// None is wanted, or it could not be started.
    No,
    Named {
        program: String,
        /// Whether `less` is to be told how to page.
        less: bool,
        /// Whether it is to be told that this is UTF-8.
        text: bool,
    },
    Running {
        child: Child,
        stdin: Option<ChildStdin>,
    },
}

impl Pager {
    /// `OUTWORK_PAGER`, `PAGER`, else `less`. One that is empty, or `cat`, is none; a terminal that can only print has none.
    pub fn choose(variables: &Variables) -> Self {
        let named = ["OUTWORK_PAGER", "PAGER"]
            .into_iter()
            .find_map(|name| variables.text(name));
        let program = named.unwrap_or_else(|| "less".to_owned());
        let is_dumb = variables.text("TERM").as_deref() == Some("dumb");
        match program.trim() {
            "" | "cat" => Self::No,
            _ if is_dumb => Self::No,
            program => Self::Named {
                program: program.to_owned(),
                less: variables.text("LESS").is_none(),
                text: variables.text("LESSCHARSET").is_none(),
            },
        }
    }

    /// Where the result goes, if not to the terminal itself.
    pub fn open(&mut self) -> Option<&mut ChildStdin> {
        if let Self::Named {
            program,
            less,
            text,
        } = self
        {
            *self = match start(program, *less, *text) {
                Ok(mut child) => Self::Running {
                    stdin: child.stdin.take(),
                    child,
                },
                Err(_) => Self::No,
            };
        }
        match self {
            Self::Running { stdin, .. } => stdin.as_mut(),
            Self::No | Self::Named { .. } => None,
        }
    }

    /// Whether the terminal is its.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. })
    }

    /// Tells it that nothing more comes, and waits until the person has read.
    pub fn close(&mut self) {
        let Self::Running { child, stdin } = self else {
            return;
        };
        drop(stdin.take());
        // How it ends says nothing about the command.
        let _ = child.wait();
        *self = Self::No;
    }
}

/// As git does it: the variable may hold arguments, so a shell splits it. A shell is always there, so that it is asked
/// first whether the program is: else the result would be lost.
fn start(program: &str, less: bool, text: bool) -> io::Result<Child> {
    let is_there = Command::new("sh")
        .args(["-c", "command -v \"$1\" > /dev/null", "sh"])
        .arg(program.split_whitespace().next().unwrap_or_default())
        .status()?;
    if !is_there.success() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let mut command = Command::new("sh");
    command.args(["-c", program]).stdin(Stdio::piped());
    if less {
        command.env("LESS", LESS);
    }
    if text {
        command.env("LESSCHARSET", "utf-8");
    }
    command.spawn()
}

/// What is held back while a pager has the terminal.
#[derive(Default)]
pub(crate) struct Held(Vec<u8>);

impl Held {
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub fn release(&mut self, to: &mut dyn Write) {
        // Nothing can be done when standard error is closed.
        let _ = to.write_all(&std::mem::take(&mut self.0));
        let _ = to.flush();
    }
}
