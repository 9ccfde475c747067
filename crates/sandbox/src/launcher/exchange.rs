//! One file between the first process and its counterpart in a container.
//!
//! Container runtimes pass no sockets on, or only some do. A file that is mounted is a file with all of them: also where
//! another kernel lies between, what is written there arrives here and is announced (inotify).
//!
//! It holds the plan until that has been read; then what happened, a line each. A command that is root inside could
//! write there as well: nothing that it can say there is more than it can say by ending.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use rustix::fs::inotify;
use serde::{Deserialize, Serialize};

use crate::backend::Kernel;
use crate::control::ToWorker;
use crate::error::{SandboxError, Step};
use crate::oci::{EXCHANGE_INSIDE, EXCHANGE_OUTSIDE};
use crate::plan::Plan;

/// What the end in the container is told.
#[derive(Serialize, Deserialize)]
pub(super) struct Told {
    pub kernel: Kernel,
    pub plan: Plan,
}

/// More than all that is said.
const MAX_BYTES: usize = 64 << 10;

fn fault(what: &str, error: impl Into<io::Error>) -> SandboxError {
    SandboxError::caused_by(Step::StartRuntime, what, error)
}

/// The end outside of the container.
pub(super) struct Outside {
    file: File,
    changes: OwnedFd,
    /// Lines that were given to the caller.
    taken: usize,
}

impl Outside {
    pub(super) fn create(told: &Told) -> Result<Self, SandboxError> {
        let wrong = |e: io::Error| fault(EXCHANGE_OUTSIDE, e);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(EXCHANGE_OUTSIDE)
            .map_err(wrong)?;
        // Without a line's end: it is no message.
        let json = serde_json::to_vec(told).map_err(|e| wrong(e.into()))?;
        file.write_all(&json).map_err(wrong)?;
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let changes = inotify::init(flags).map_err(|e| fault("inotify", e))?;
        inotify::add_watch(&changes, EXCHANGE_OUTSIDE, inotify::WatchFlags::MODIFY)
            .map_err(|e| fault("inotify", e))?;
        Ok(Self {
            file,
            changes,
            taken: 0,
        })
    }

    /// Readable when something may have been said.
    pub(super) fn changes(&self) -> BorrowedFd<'_> {
        self.changes.as_fd()
    }

    /// What was said since the last call. What cannot be understood was not said by us.
    pub(super) fn said(&mut self) -> Result<Vec<ToWorker>, SandboxError> {
        let mut events = [0; 4096];
        while matches!(rustix::io::read(&self.changes, &mut events[..]), Ok(1..)) {}
        let text = self.read().map_err(|e| fault(EXCHANGE_OUTSIDE, e))?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        let lines = text[..whole].split(|byte| *byte == b'\n');
        let new: Vec<&[u8]> = lines
            .filter(|line| !line.is_empty())
            .skip(self.taken)
            .collect();
        self.taken += new.len();
        let messages = new.iter().map(|line| serde_json::from_slice(line));
        Ok(messages.filter_map(Result::ok).collect())
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        let mut text = vec![0; MAX_BYTES];
        let mut length = 0;
        while length < text.len() {
            match self.file.read_at(&mut text[length..], length as u64) {
                Ok(0) => break,
                Ok(more) => length += more,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        text.truncate(length);
        Ok(text)
    }
}

/// The end in the container.
pub(super) struct Inside {
    file: File,
}

impl Inside {
    pub(super) fn open() -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .open(EXCHANGE_INSIDE)?;
        Ok(Self { file })
    }

    pub(super) fn told(&mut self) -> io::Result<Told> {
        let mut json = Vec::new();
        self.file.read_to_end(&mut json)?;
        Ok(serde_json::from_slice(&json)?)
    }

    /// What was told: it holds the command's environment.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        self.file.set_len(0)
    }

    pub(super) fn say(&mut self, message: &ToWorker) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }
}
