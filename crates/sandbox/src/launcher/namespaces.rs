//! How many namespaces can be made inside.
//!
//! The system call filter refuses to make any; this refuses it again, for all that are made below the sandbox's own.
//! Without a user namespace there is no right to make another one, so that one number is enough for all.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::{SandboxError, Step};
use crate::plan::{Hold, Plan, SetGroups};

/// Of each kind, where there may be some: the kernel's memory is not without end.
const NESTED: &[u8] = b"64";
const KINDS: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

/// Numbers that are yet to be written. Open from before `/proc/sys` is read-only until the root is built, for the kernel
/// counts a mount that is yet to be attached as a namespace.
pub(super) struct Limits(Vec<(&'static str, OwnedFd, &'static [u8])>);

impl Limits {
    /// Those of this user namespace, in its `/proc`.
    pub(super) fn open(proc: BorrowedFd<'_>, plan: &Plan) -> Result<Self, SandboxError> {
        let kinds: &[&str] = if plan.nested_namespaces {
            &KINDS
        } else {
            &["user"]
        };
        let mut limits = Vec::with_capacity(kinds.len());
        for kind in kinds {
            let path = format!("sys/user/max_{kind}_namespaces");
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            match rustix::fs::openat(proc, path, flags, Mode::empty()) {
                Ok(file) => limits.push((*kind, file, most(kind, plan))),
                // The kernel is older than the kind.
                Err(Errno::NOENT) if *kind == "time" => {}
                Err(e) => return Err(fault(kind, e)),
            }
        }
        Ok(Self(limits))
    }

    pub(super) fn set(self) -> Result<(), SandboxError> {
        for (kind, file, value) in self.0 {
            rustix::io::write(&file, value).map_err(|e| fault(kind, e))?;
        }
        Ok(())
    }
}

/// In a sandbox for a container runtime, which makes `own` user namespaces; nobody else makes any.
pub(super) fn allow_users(proc: BorrowedFd<'_>, own: u32) -> Result<(), SandboxError> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::openat(proc, "sys/user/max_user_namespaces", flags, Mode::empty())
        .and_then(|file| rustix::io::write(file, own.to_string().as_bytes()))
        .map_err(|e| fault("user", e))?;
    Ok(())
}

/// As many as do not undo a limit.
fn most(kind: &str, plan: &Plan) -> &'static [u8] {
    // Whoever has one can mount control groups, and where the command is the worker's user its group is the command's to
    // change: the limits would be its own.
    let own_group = plan.holds.group.is_some() && plan.identity.set_groups == SetGroups::Keep;
    // In one of these memory can lie that whoever watches from outside does not see: file systems, segments.
    let is_watched = matches!(plan.holds.memory, Some(Hold::Watched { .. }));
    match kind {
        _ if !plan.nested_namespaces => b"0",
        "cgroup" if own_group => b"0",
        "mnt" | "ipc" if is_watched => b"0",
        _ => NESTED,
    }
}

fn fault(kind: &str, error: Errno) -> SandboxError {
    let what = format!("the number of {kind} namespaces");
    SandboxError::caused_by(Step::DropPrivileges, what, error)
}
