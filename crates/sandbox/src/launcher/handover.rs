//! What the first process opens for the launcher, which watches from outside.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};

use crate::control::{self, MAX_DESCRIPTORS, ToLauncher};
use crate::error::{SandboxError, Step};

/// The launcher's path into `/proc` is the mount's own root, whatever is mounted over files in it.
pub(super) fn hand_over(
    proc: &OwnedFd,
    memory: &[BorrowedFd<'_>],
    launcher: &OwnedFd,
) -> Result<(), SandboxError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    // A kernel without it has nothing to count.
    let segments = rustix::fs::openat(proc, "sysvipc/shm", flags, Mode::empty()).ok();
    let mut files = vec![proc.as_fd()];
    files.extend(segments.as_ref().map(AsFd::as_fd));
    files.extend_from_slice(memory);
    let mut message = ToLauncher::Inside {
        has_segments: segments.is_some(),
    };
    for part in files.chunks(MAX_DESCRIPTORS) {
        control::send(launcher, &message, part)
            .map_err(|e| SandboxError::caused_by(Step::Observe, "handing over", e))?;
        message = ToLauncher::MemoryFileSystems;
    }
    Ok(())
}
