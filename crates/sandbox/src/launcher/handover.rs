//! What the first process opens for the launcher, which watches from outside.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};

use super::mounts::{self, Opened};
use crate::control::{self, MAX_DESCRIPTORS, ToLauncher};
use crate::error::{SandboxError, Step};
use crate::plan::Plan;

/// Not the `/proc` that the command sees: parts of that are hidden.
pub(super) fn hand_over(
    plan: &Plan,
    opened: &Opened,
    launcher: &OwnedFd,
) -> Result<(), SandboxError> {
    let proc = mounts::make(c"proc", &[])
        .map_err(|e| SandboxError::caused_by(Step::Observe, "a /proc for watching", e))?;
    send(launcher, ToLauncher::Processes, &[proc.as_fd()])?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    // A kernel without it has nothing to count.
    if let Ok(list) = rustix::fs::openat(&proc, "sysvipc/shm", flags, Mode::empty()) {
        send(launcher, ToLauncher::SharedMemory, &[list.as_fd()])?;
    }
    let memory: Vec<_> = opened.memory_file_systems(plan).collect();
    for part in memory.chunks(MAX_DESCRIPTORS) {
        send(launcher, ToLauncher::MemoryFileSystems, part)?;
    }
    Ok(())
}

fn send(
    launcher: &OwnedFd,
    message: ToLauncher,
    files: &[BorrowedFd<'_>],
) -> Result<(), SandboxError> {
    control::send(launcher, &message, files)
        .map_err(|e| SandboxError::caused_by(Step::Observe, "handing over", e))
}
