//! User namespaces that are only maps: mounts are given them, so that ids on disk show as others.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::Pid;

use super::map_ids;
use crate::error::{SandboxError, Step};
use crate::plan::{Extent, SetGroups};
use crate::syscalls::IdleProcess;

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
    let fault = |e: io::Error| SandboxError::caused_by(Step::MapOwner, "an id map for mounts", e);
    let child = IdleProcess::in_new_user_namespace().map_err(fault)?;
    map_ids(child.pid(), SetGroups::Clear, &[uids], &[gids])?;
    user_namespace(child.pid()).map_err(fault)
}

fn user_namespace(pid: Pid) -> io::Result<OwnedFd> {
    Ok(std::fs::File::open(format!("/proc/{}/ns/user", pid.as_raw_nonzero()))?.into())
}
