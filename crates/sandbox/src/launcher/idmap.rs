//! User namespaces that are only maps: mounts are given them, so that ids on disk show as others.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Signal, WaitOptions};

use super::map_ids;
use crate::error::{SandboxError, Step};
use crate::plan::{Extent, SetGroups};
use crate::syscalls::{self, Forked, USER_NAMESPACE};

/// The maps made so far: each costs a process that starts and ends.
#[derive(Default)]
pub(super) struct IdMaps {
    made: Vec<((Extent, Extent), OwnedFd)>,
}

impl IdMaps {
    /// A namespace in which the ids of a file, `inside` of these extents, become the ones `outside`.
    pub(super) fn get(
        &mut self,
        uids: Extent,
        gids: Extent,
    ) -> Result<BorrowedFd<'_>, SandboxError> {
        let wanted = (uids, gids);
        let index = match self.made.iter().position(|(made, _)| *made == wanted) {
            Some(index) => index,
            None => {
                self.made.push((wanted, make(uids, gids)?));
                self.made.len() - 1
            }
        };
        Ok(self.made[index].1.as_fd())
    }
}

/// Made with a child that waits to be mapped and ends.
fn make(uids: Extent, gids: Extent) -> Result<OwnedFd, SandboxError> {
    let fault =
        |e: std::io::Error| SandboxError::caused_by(Step::MapOwner, "an id map for mounts", e);
    let (wait, hold) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|e| fault(e.into()))?;
    // SAFETY: this process has one thread.
    match unsafe { syscalls::fork_into(USER_NAMESPACE) }.map_err(fault)? {
        Forked::Child => {
            drop(hold);
            let _ = std::fs::File::from(wait).read(&mut [0]);
            syscalls::exit_now(0)
        }
        Forked::Parent { child, pidfd } => {
            let namespace = map_ids(child, SetGroups::Clear, &[uids], &[gids])
                .and_then(|()| user_namespace(child).map_err(fault));
            let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
            rustix::io::retry_on_intr(|| {
                rustix::process::waitpid(Some(child), WaitOptions::empty())
            })
            .map_err(|e| fault(e.into()))?;
            namespace
        }
    }
}

fn user_namespace(pid: Pid) -> std::io::Result<OwnedFd> {
    Ok(std::fs::File::open(format!("/proc/{}/ns/user", pid.as_raw_nonzero()))?.into())
}
