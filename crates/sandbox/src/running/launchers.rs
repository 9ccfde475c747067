//! Processes of the launcher that have no plan yet.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

use tokio::io::unix::AsyncFd;
use tokio::process::{Child, Command};

use super::{Running, carry_out};
use crate::control;
use crate::error::{SandboxError, Step};
use crate::launcher::LAUNCHER_ARGUMENT;
use crate::plan::Plan;
use crate::syscalls;

/// Launchers of one program, the next of which has started already when it is needed: to load a large program takes
/// longer than half of what a sandbox then needs. Dropping this ends the one that waits.
#[derive(Debug)]
pub struct Launchers {
    program: PathBuf,
    next: Mutex<Option<Waiting>>,
}

impl Launchers {
    /// Of `program`, as for [`crate::Sandbox::spawn`]. Starts nothing.
    pub fn new(program: PathBuf) -> Self {
        let next = Mutex::default();
        Self { program, next }
    }

    /// Start the next one, if none waits. To be called in a runtime. What keeps it from starting keeps the sandbox from
    /// starting that needs it, and is said there.
    pub fn prepare(&self) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if next.is_none() {
            *next = Waiting::start(&self.program).ok();
        }
    }

    /// [`crate::Sandbox::spawn`] with the one that waits, and then prepare the next.
    ///
    /// # Errors
    /// As there.
    pub async fn spawn(&self, plan: Plan) -> Result<Running, SandboxError> {
        let launcher = match self.take() {
            Some(launcher) => launcher,
            None => Waiting::start(&self.program)?,
        };
        let running = carry_out(plan, launcher).await?;
        self.prepare();
        Ok(running)
    }

    fn take(&self) -> Option<Waiting> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waiting = next.take()?;
        let waits = matches!(waiting.child.try_wait(), Ok(None));
        waits.then_some(waiting)
    }
}

/// One process, which waits for its plan. It ends when this is dropped: its socket does.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) child: Child,
    pub(super) control: AsyncFd<OwnedFd>,
}

impl Waiting {
    /// The socket is its standard input: whatever else would have to run between fork and exec, and then the whole memory
    /// map of the worker would have to be copied first.
    pub(super) fn start(program: &Path) -> Result<Self, SandboxError> {
        let failed =
            |detail: &str, e: io::Error| SandboxError::caused_by(Step::StartLauncher, detail, e);
        let (ours, theirs) = control::pair().map_err(|e| failed("a socket", e.into()))?;
        rustix::io::ioctl_fionbio(&ours, true).map_err(|e| failed("a socket", e.into()))?;
        let mut command = Command::new(program);
        command
            .arg(LAUNCHER_ARGUMENT)
            .env_clear()
            .current_dir("/")
            .stdin(theirs)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // Our copy of the launcher's end goes with `command`, so that the end of the launcher shows.
        let child = command.spawn();
        let child = child.map_err(|e| failed(&program.display().to_string(), e))?;
        let control = syscalls::watch_readable(ours).map_err(|e| failed("a socket", e))?;
        Ok(Self { child, control })
    }
}
