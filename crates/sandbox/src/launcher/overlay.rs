//! Putting layers together.
//!
//! Whoever may open the layers, on the host, clones each as a detached mount and maps its ids; the first process mounts
//! the overlay, with the rights it has in the sandbox's own user namespace and no others. So a fault in the file system
//! that lets somebody act with the mounter's rights gives nothing but the sandbox's own, and layers of a root worker
//! and of an ordinary user have the same form on disk.
//!
//! The kernel takes layers by path only, and only such as are mounted in the caller's mount namespace. So the clones
//! are mounted one on top of the other at a place that is left behind with the host's root, and named by their
//! descriptors, relative to `/proc/self/fd`: short whatever the paths are, and good for layers that lie below
//! directories closed to the sandbox.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatVfsMountFlags};
use rustix::mount::{MountFlags, MoveMountFlags, OpenTreeFlags, mount, move_mount, open_tree};

use super::STAGE;
use super::idmap::IdMaps;
use crate::error::{SandboxError, Step};
use crate::plan::{LayerMap, PlannedLayer, PlannedOverlay};
use crate::syscalls::{self, MountAttributes, OVERLAY_OPTIONS};

/// Layers, opened and not yet put together.
pub(super) struct Layers {
    lowers: Vec<OwnedFd>,
    /// The mount in which both of the next are: the kernel wants them in one.
    directory: OwnedFd,
    upper: OwnedFd,
    work: OwnedFd,
    /// For messages.
    name: String,
}

impl Layers {
    /// With the rights of whoever opens what is mounted from the host.
    pub(super) fn open(overlay: &PlannedOverlay, maps: &mut IdMaps) -> Result<Self, SandboxError> {
        let PlannedOverlay {
            lowers,
            directory,
            upper,
            work,
            ids,
        } = overlay;
        let mut opened = Vec::with_capacity(lowers.len());
        for PlannedLayer { path, ids } in lowers {
            let layer = clone(path)?;
            isolate(&layer, path, *ids, maps)?;
            opened.push(layer);
        }
        let mount = clone(directory)?;
        let inner = |name: &str| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(&mount, name, flags, Mode::empty()).map_err(|e| {
                let path = directory.join(name);
                SandboxError::caused_by(Step::OpenSource, path.display().to_string(), e)
            })
        };
        // Before the ids are mapped: afterwards nobody, not even root, may pass a directory that belongs to an id
        // without a place in the map, as the one above these does.
        let (upper, work) = (inner(upper)?, inner(work)?);
        isolate(&mount, directory, *ids, maps)?;
        Ok(Self {
            lowers: opened,
            directory: mount,
            upper,
            work,
            name: directory.display().to_string(),
        })
    }

    /// As one file system, detached. The working directory must be `/proc/self/fd`.
    pub(super) fn mount(&self) -> Result<OwnedFd, SandboxError> {
        let fault = |e: std::io::Error| SandboxError::caused_by(Step::MountOverlay, &self.name, e);
        for layer in self.lowers.iter().chain([&self.directory]) {
            let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
            move_mount(layer, "", CWD, STAGE, flags).map_err(|e| fault(e.into()))?;
        }
        self.forget_volatile().map_err(|e| fault(e.into()))?;
        let numbers: Vec<String> = self.lowers.iter().map(number).collect();
        let options = format!(
            "{OVERLAY_OPTIONS},lowerdir={},upperdir={},workdir={}",
            numbers.join(":"),
            number(&self.upper),
            number(&self.work)
        );
        let options = CString::new(options).expect("numbers hold no NUL");
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount("overlay", STAGE, "overlay", flags, &*options).map_err(|e| fault(e.into()))?;
        let clone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let overlay = open_tree(CWD, STAGE, clone).map_err(|e| fault(e.into()))?;
        // That is what the kernel makes of a work directory that it cannot use.
        let stat = rustix::fs::fstatvfs(&overlay).map_err(|e| fault(e.into()))?;
        if stat.f_flag.contains(StatVfsMountFlags::RDONLY) {
            return Err(fault(rustix::io::Errno::ROFS.into()));
        }
        Ok(overlay)
    }

    /// A mount that did not wait for the disk leaves a mark in its work directory, so that nobody trusts the upper
    /// directory after a crash without having thought about it. Our callers have: they keep what they have
    /// synchronised, and remove the rest.
    fn forget_volatile(&self) -> rustix::io::Result<()> {
        let marks = [
            (c"work/incompat/volatile/dirty", AtFlags::empty()),
            (c"work/incompat/volatile", AtFlags::REMOVEDIR),
            (c"work/incompat", AtFlags::REMOVEDIR),
        ];
        for (mark, flags) in marks {
            match rustix::fs::unlinkat(&self.work, mark, flags) {
                Ok(()) => {}
                // The usual case: a new work directory.
                Err(rustix::io::Errno::NOENT) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn number(layer: &OwnedFd) -> String {
    layer.as_raw_fd().to_string()
}

/// Without what is mounted below, which the overlay would not show.
fn clone(path: &Path) -> Result<OwnedFd, SandboxError> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(CWD, path, flags)
        .map_err(|e| SandboxError::caused_by(Step::OpenSource, path.display().to_string(), e))
}

/// Nothing mounted on it shows outside, and its ids are mapped.
fn isolate(
    layer: &OwnedFd,
    path: &Path,
    ids: LayerMap,
    maps: &mut IdMaps,
) -> Result<(), SandboxError> {
    let idmap = match ids {
        LayerMap::Same => None,
        LayerMap::Mapped(extent) => Some(maps.get(extent, extent)?),
    };
    let attributes = MountAttributes {
        set: 0,
        private: true,
        idmap,
        recursive: false,
    };
    syscalls::set_mount_attributes(layer.as_fd(), attributes)
        .map_err(|e| SandboxError::caused_by(Step::MapOwner, path.display().to_string(), e))
}
