//! Detached mounts: everything that will be in the root is opened before the root changes, and attached after, so no
//! path of the host is walked from inside and no path inside can lead out.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_string,
    fsmount, fsopen, open_tree,
};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Signal, WaitOptions};

use super::map_ids;
use crate::error::{SandboxError, Step};
use crate::ownership::change_owner;
use crate::plan::{
    Access, Extent, Identity, Opener, Owner, Ownership, Plan, PlannedMount, RootStep, SetGroups,
};
use crate::syscalls::{self, Forked, MountAttributes, USER_NAMESPACE};

/// Mounts by the index of their step in the plan.
#[derive(Default)]
pub(super) struct Opened {
    mounts: BTreeMap<usize, OwnedFd>,
}

impl Opened {
    /// Open what only the worker's rights can open. Returns sources whose owner was changed.
    pub(super) fn open_as_launcher(&mut self, plan: &Plan) -> Result<Vec<PathBuf>, SandboxError> {
        match plan.opener {
            Opener::Launcher => self.open_sources(plan),
            Opener::Init => Ok(Vec::new()),
        }
    }

    /// Open the rest, in the sandbox's own namespaces.
    pub(super) fn open_as_init(&mut self, plan: &Plan) -> Result<(), SandboxError> {
        if plan.opener == Opener::Init {
            self.open_sources(plan)?;
        }
        for (index, step) in plan.root.iter().enumerate() {
            let RootStep::Attach {
                mount,
                target,
                owner: _,
            } = step
            else {
                continue;
            };
            let mount = match mount {
                PlannedMount::Host { .. } => continue,
                PlannedMount::Proc => make(c"proc", &[]),
                PlannedMount::Devpts => make(c"devpts", &[("ptmxmode", "0666"), ("mode", "0620")]),
                PlannedMount::Tmpfs {
                    size_bytes,
                    mode,
                    owner,
                } => tmpfs(*size_bytes, *mode, *owner, &plan.identity),
            };
            let mount = mount.map_err(|e| {
                SandboxError::caused_by(Step::PrepareMount, target.display().to_string(), e)
            })?;
            self.mounts.insert(index, mount);
        }
        Ok(())
    }

    /// The mount for a step; each can be had once.
    pub(super) fn take(&mut self, index: usize) -> Option<OwnedFd> {
        self.mounts.remove(&index)
    }

    fn open_sources(&mut self, plan: &Plan) -> Result<Vec<PathBuf>, SandboxError> {
        let mut changed = Vec::new();
        let mut map = None;
        for (index, step) in plan.root.iter().enumerate() {
            let (source, access) = match step {
                RootStep::Attach {
                    mount: PlannedMount::Host { source, access },
                    target: _,
                    owner: _,
                } => (source.as_path(), *access),
                RootStep::Mask { target: _ } => (Path::new("/dev/null"), Access::Device),
                RootStep::Attach { .. }
                | RootStep::Directory { .. }
                | RootStep::ReadOnly { .. }
                | RootStep::Symlink { .. }
                | RootStep::File { .. } => continue,
            };
            let mount = clone_tree(source)?;
            restrict(&mount, source, access)?;
            if let Access::Writable(ownership) = access
                && map_owner(&mount, source, ownership, &plan.identity, &mut map)?
                    == Mapped::ByChange
            {
                changed.push(source.to_owned());
            }
            self.mounts.insert(index, mount);
        }
        Ok(changed)
    }
}

fn clone_tree(source: &Path) -> Result<OwnedFd, SandboxError> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    open_tree(CWD, source, flags)
        .map_err(|e| SandboxError::caused_by(Step::OpenSource, source.display().to_string(), e))
}

/// No set-uid program gains anything and no device opens, and nothing mounted inside shows outside.
fn restrict(mount: &OwnedFd, source: &Path, access: Access) -> Result<(), SandboxError> {
    let set = match access {
        Access::ReadOnly => {
            libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_RDONLY
        }
        Access::Writable(_) => libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
        Access::Device => libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC,
    };
    let attributes = MountAttributes {
        set,
        private: true,
        idmap: None,
        recursive: true,
    };
    syscalls::set_mount_attributes(mount.as_fd(), attributes)
        .map_err(|e| SandboxError::caused_by(Step::PrepareMount, source.display().to_string(), e))
}

#[derive(PartialEq, Eq)]
enum Mapped {
    ByMount,
    ByChange,
}

fn map_owner(
    mount: &OwnedFd,
    source: &Path,
    ownership: Ownership,
    identity: &Identity,
    map: &mut Option<OwnedFd>,
) -> Result<Mapped, SandboxError> {
    let worker = match ownership {
        Ownership::Same => return Ok(Mapped::ByMount),
        Ownership::Changed {
            worker_uid,
            worker_gid,
        } => (worker_uid, worker_gid),
        Ownership::Idmapped {
            worker_uid,
            worker_gid,
        } => {
            let namespace = match map {
                Some(namespace) => namespace,
                None => map.insert(owner_map(worker_uid, worker_gid, identity)?),
            };
            let attributes = MountAttributes {
                set: 0,
                private: false,
                idmap: Some(namespace.as_fd()),
                recursive: true,
            };
            match syscalls::set_mount_attributes(mount.as_fd(), attributes) {
                Ok(()) => return Ok(Mapped::ByMount),
                // The file system cannot.
                Err(e) if matches!(e.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => {
                    (worker_uid, worker_gid)
                }
                Err(e) => {
                    return Err(SandboxError::caused_by(
                        Step::MapOwner,
                        source.display().to_string(),
                        e,
                    ));
                }
            }
        }
    };
    change_owner(source, worker, (identity.host_uid, identity.host_gid)).map_err(|e| {
        SandboxError::caused_by(Step::ChangeOwner, e.path.display().to_string(), e.cause)
    })?;
    Ok(Mapped::ByChange)
}

/// A user namespace that is only a map: ids on disk are the worker's, ids seen are the command's. Made with a child that
/// waits to be mapped and ends.
fn owner_map(
    worker_uid: u32,
    worker_gid: u32,
    identity: &Identity,
) -> Result<OwnedFd, SandboxError> {
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
            let one = |inside, outside| {
                vec![Extent {
                    inside,
                    outside,
                    count: 1,
                }]
            };
            let only_map = Identity {
                uid_map: one(worker_uid, identity.host_uid),
                gid_map: one(worker_gid, identity.host_gid),
                set_groups: SetGroups::Clear,
                ..identity.clone()
            };
            let namespace =
                map_ids(child, &only_map).and_then(|()| user_namespace(child).map_err(fault));
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

/// A new file system, detached.
fn make(kind: &std::ffi::CStr, options: &[(&str, &str)]) -> rustix::io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        fsconfig_set_string(context.as_fd(), *key, *value)?;
    }
    fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// Unlike the others it may hold programs: agents and builds run what they unpack in `/tmp`.
pub(super) fn tmpfs(
    size_bytes: u64,
    mode: u32,
    owner: Owner,
    identity: &Identity,
) -> rustix::io::Result<OwnedFd> {
    let (uid, gid) = match owner {
        Owner::Init => (identity.init_uid, identity.init_gid),
        Owner::Command => (identity.uid, identity.gid),
    };
    let context = fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let options = [
        ("size", size_bytes.to_string()),
        ("mode", format!("{mode:o}")),
        ("uid", uid.to_string()),
        ("gid", gid.to_string()),
    ];
    for (key, value) in options {
        fsconfig_set_string(context.as_fd(), key, value.as_str())?;
    }
    fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}
