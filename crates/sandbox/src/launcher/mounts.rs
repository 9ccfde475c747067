//! Detached mounts: everything that will be in the root is opened before the root changes, and attached after, so no
//! path of the host is walked from inside and no path inside can lead out.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_string,
    fsmount, fsopen, open_tree,
};

use super::idmap::IdMaps;
use super::overlay::Layers;
use crate::error::{SandboxError, Step};
use crate::ownership::change_owner;
use crate::plan::{
    Access, Extent, Identity, Opener, Owner, Ownership, Plan, PlannedMount, RootBase, RootStep,
};
use crate::syscalls::{self, MountAttributes};

/// The root holds directories, links and small files.
const ROOT_SIZE_BYTES: u64 = 64 << 20;

/// Mounts by the index of their step in the plan, and the one that the root begins with.
#[derive(Default)]
pub(super) struct Opened {
    mounts: BTreeMap<usize, OwnedFd>,
    base: Option<Layers>,
    layers: BTreeMap<usize, Layers>,
    cover: Option<OwnedFd>,
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
                PlannedMount::Host { .. } | PlannedMount::Overlay(_) => continue,
                PlannedMount::Proc => make(c"proc", &[], MountAttrFlags::empty()),
                PlannedMount::Cgroups => cgroups(),
                PlannedMount::Devpts => make(
                    c"devpts",
                    &[("ptmxmode", "0666"), ("mode", "0620")],
                    MountAttrFlags::empty(),
                ),
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

    /// Put the layers together, and what is at `/` before the steps. Leaves things mounted at [`STAGE`], and the
    /// working directory in `/proc`: to be left behind.
    pub(super) fn mount_overlays(&mut self, plan: &Plan) -> Result<OwnedFd, SandboxError> {
        let Self {
            mounts,
            base,
            layers,
            cover: _,
        } = self;
        if base.is_some() || !layers.is_empty() {
            rustix::process::chdir("/proc/self/fd").map_err(|e| {
                SandboxError::caused_by(Step::MountOverlay, "entering /proc/self/fd", e)
            })?;
        }
        for (index, layers) in std::mem::take(layers) {
            mounts.insert(index, layers.mount()?);
        }
        match base.take() {
            Some(base) => base.mount(),
            None => empty_root(&plan.identity),
        }
    }

    /// Those that the command can write, not yet taken.
    pub(super) fn memory_file_systems(&self, plan: &Plan) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.mounts.iter().filter_map(|(index, mount)| {
            let writable = matches!(
                plan.root.get(*index),
                Some(RootStep::Attach {
                    mount: PlannedMount::Tmpfs {
                        owner: Owner::Command,
                        ..
                    },
                    ..
                })
            );
            writable.then(|| mount.as_fd())
        })
    }

    /// The mount for a step; each can be had once.
    pub(super) fn take(&mut self, index: usize) -> Option<OwnedFd> {
        self.mounts.remove(&index)
    }

    /// What files are hidden behind. There is one if the plan hides any.
    pub(super) fn take_cover(&mut self) -> Option<OwnedFd> {
        self.cover.take()
    }

    /// A fresh `/proc`: one that is yet to be attached, or one for this purpose.
    pub(super) fn proc(&self, plan: &Plan) -> Result<OwnedFd, SandboxError> {
        let fault = |e: std::io::Error| SandboxError::caused_by(Step::PrepareMount, "/proc", e);
        let is_proc = |step: &RootStep| {
            matches!(
                step,
                RootStep::Attach {
                    mount: PlannedMount::Proc,
                    target: _,
                    owner: _
                }
            )
        };
        let planned = plan.root.iter().position(is_proc);
        match planned.and_then(|index| self.mounts.get(&index)) {
            Some(proc) => proc.try_clone().map_err(fault),
            None => make(c"proc", &[], MountAttrFlags::empty()).map_err(|e| fault(e.into())),
        }
    }

    fn open_sources(&mut self, plan: &Plan) -> Result<Vec<PathBuf>, SandboxError> {
        let mut changed = Vec::new();
        let mut maps = IdMaps::default();
        match &plan.base {
            RootBase::Memory => {}
            RootBase::Overlay(overlay) => self.base = Some(Layers::open(overlay, &mut maps)?),
        }
        for (index, step) in plan.root.iter().enumerate() {
            let (source, access) = match step {
                RootStep::Attach {
                    mount: PlannedMount::Host { source, access },
                    target: _,
                    owner: _,
                } => (source.as_path(), *access),
                RootStep::Attach {
                    mount: PlannedMount::Overlay(overlay),
                    target: _,
                    owner: _,
                } => {
                    self.layers.insert(index, Layers::open(overlay, &mut maps)?);
                    continue;
                }
                RootStep::Mask { target: _ } if self.cover.is_none() => {
                    let null = Path::new("/dev/null");
                    let mount = clone_tree(null)?;
                    restrict(&mount, null, Access::Device)?;
                    self.cover = Some(mount);
                    continue;
                }
                RootStep::Attach { .. }
                | RootStep::Directory { .. }
                | RootStep::Mask { .. }
                | RootStep::ReadOnly { .. }
                | RootStep::Symlink { .. }
                | RootStep::File { .. }
                | RootStep::Users { .. } => continue,
            };
            let mount = clone_tree(source)?;
            restrict(&mount, source, access)?;
            if let Access::Writable(ownership) = access
                && map_owner(&mount, source, ownership, &plan.identity, &mut maps)?
                    == Mapped::ByChange
            {
                changed.push(source.to_owned());
            }
            self.mounts.insert(index, mount);
        }
        Ok(changed)
    }
}

/// A root in memory, detached.
pub(super) fn empty_root(identity: &Identity) -> Result<OwnedFd, SandboxError> {
    tmpfs(ROOT_SIZE_BYTES, 0o755, Owner::Init, identity)
        .map_err(|e| SandboxError::caused_by(Step::ChangeRoot, "making a root", e))
}

/// Read-only, detached.
pub(super) fn empty_directory() -> rustix::io::Result<OwnedFd> {
    let attributes = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_RDONLY;
    make(c"tmpfs", &[("size", "4096"), ("mode", "555")], attributes)
}

/// A file of the host's as a mount of its own that nobody inside can write.
pub(super) fn read_only_file(source: &Path) -> Result<OwnedFd, SandboxError> {
    let mount = clone_tree(source)?;
    restrict(&mount, source, Access::ReadOnly)?;
    Ok(mount)
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
    maps: &mut IdMaps,
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
            let one = |inside, outside| Extent {
                inside,
                outside,
                count: 1,
            };
            // Ids on disk are the worker's, ids seen are the command's.
            let namespace = maps.get(
                one(worker_uid, identity.host_uid),
                one(worker_gid, identity.host_gid),
            )?;
            let attributes = MountAttributes {
                set: 0,
                private: false,
                idmap: Some(namespace),
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

/// A new file system that has no programs, detached.
fn make(
    kind: &std::ffi::CStr,
    options: &[(&str, &str)],
    further: MountAttrFlags,
) -> rustix::io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        fsconfig_set_string(context.as_fd(), *key, *value)?;
    }
    fsconfig_create(context.as_fd())?;
    let usual = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(
        context.as_fd(),
        FsMountFlags::FSMOUNT_CLOEXEC,
        usual | further,
    )
}

fn cgroups() -> rustix::io::Result<OwnedFd> {
    let attributes = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_RDONLY;
    make(c"cgroup2", &[], attributes)
}

/// Unlike the others it may hold programs: agents and builds run what they unpack in `/tmp`.
fn tmpfs(
    size_bytes: u64,
    mode: u32,
    owner: Owner,
    identity: &Identity,
) -> rustix::io::Result<OwnedFd> {
    let (uid, gid) = match owner {
        // Beside nothing: a new file system.
        Owner::Init | Owner::Beside => (identity.init_uid, identity.init_gid),
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
