//! Building the root: an empty memory file system becomes `/`, then each step of the plan in order.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType};
use rustix::mount::{
    MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount_change, move_mount,
    open_tree, unmount,
};

use super::mounts::{Opened, tmpfs};
use crate::error::{SandboxError, Step};
use crate::plan::{Identity, Owner, Plan, RootStep};
use crate::syscalls::{self, MountAttributes};

/// Any directory that surely exists and is no link; it is covered in the sandbox's own mount namespace only.
const STAGE: &str = "/proc";
/// The root holds directories, links and small files.
const ROOT_SIZE_BYTES: u64 = 64 << 20;

/// Nothing that is mounted from here on shows on the host, or comes from it.
pub(super) fn separate() -> Result<(), SandboxError> {
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(|e| SandboxError::caused_by(Step::ChangeRoot, "separating mounts", e))
}

/// Leave the host's file system for an empty one. Nothing of the host can be reached by path afterwards.
pub(super) fn enter_empty_root(identity: &Identity) -> Result<(), SandboxError> {
    let fault =
        |what: &str, e: rustix::io::Errno| SandboxError::caused_by(Step::ChangeRoot, what, e);
    let root = tmpfs(ROOT_SIZE_BYTES, 0o755, Owner::Init, identity)
        .map_err(|e| fault("making a root", e))?;
    move_mount(
        root.as_fd(),
        "",
        CWD,
        STAGE,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )
    .map_err(|e| fault("mounting a root", e))?;
    rustix::process::chdir(STAGE).map_err(|e| fault("entering the root", e))?;
    // With the same directory twice the old root ends up on top of the new one, and is taken off.
    rustix::process::pivot_root(".", ".").map_err(|e| fault("pivoting", e))?;
    unmount(".", UnmountFlags::DETACH).map_err(|e| fault("leaving the old root", e))?;
    rustix::process::chdir("/").map_err(|e| fault("entering the root", e))
}

/// Carry out every step.
pub(super) fn build(plan: &Plan, opened: &mut Opened) -> Result<(), SandboxError> {
    for (index, step) in plan.root.iter().enumerate() {
        let (target, result) = match step {
            RootStep::Directory {
                target,
                mode,
                owner,
            } => (
                target,
                as_owner(*owner, &plan.identity, || directory(target, *mode)),
            ),
            RootStep::Attach {
                mount: _,
                target,
                owner,
            } => {
                let mount = opened
                    .take(index)
                    .expect("every mount of the plan was opened");
                let result = as_owner(*owner, &plan.identity, || mount_point(&mount, target))
                    .and_then(|()| attach(&mount, target));
                (target, result)
            }
            RootStep::Mask { target } => {
                let null = opened
                    .take(index)
                    .expect("every mask of the plan was opened");
                let result = if target.exists() {
                    attach(&null, target)
                } else {
                    Ok(())
                };
                (target, result)
            }
            RootStep::ReadOnly { target } => (target, read_only(target)),
            RootStep::Symlink {
                points_to,
                target,
                owner,
            } => {
                let make = || parent(target).and_then(|()| symlink(points_to, target));
                (target, as_owner(*owner, &plan.identity, make))
            }
            RootStep::File {
                target,
                contents,
                mode,
                owner,
            } => (
                target,
                as_owner(*owner, &plan.identity, || file(target, contents, *mode)),
            ),
        };
        result.map_err(|e| {
            SandboxError::caused_by(Step::BuildRoot, target.display().to_string(), e)
        })?;
    }
    Ok(())
}

/// Make files as `owner`. What lies in a mapped mount can be made by no other id.
fn as_owner<T>(
    owner: Owner,
    identity: &Identity,
    make: impl FnOnce() -> std::io::Result<T>,
) -> std::io::Result<T> {
    match owner {
        Owner::Init => make(),
        Owner::Command => {
            syscalls::set_filesystem_ids(identity.uid, identity.gid);
            let made = make();
            syscalls::set_filesystem_ids(identity.init_uid, identity.init_gid);
            made
        }
    }
}

fn directory(target: &Path, mode: u32) -> std::io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(target)
}

fn parent(target: &Path) -> std::io::Result<()> {
    target
        .parent()
        .map_or(Ok(()), |parent| directory(parent, 0o755))
}

fn file(target: &Path, contents: &str, mode: u32) -> std::io::Result<()> {
    parent(target)?;
    // Replaced, not followed: in a writable directory a link may already be there.
    match fs::remove_file(target) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        Ok(()) | Err(_) => {}
    }
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(target)?;
    std::io::Write::write_all(&mut file, contents.as_bytes())?;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

/// A directory for a directory, an empty file for anything else.
fn mount_point(mount: &OwnedFd, target: &Path) -> std::io::Result<()> {
    let stat = rustix::fs::statat(mount, "", AtFlags::EMPTY_PATH)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        return directory(target, 0o755);
    }
    parent(target)?;
    match fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(target)
    {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(e),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The last part of the target is not followed if it is a link; parts before it lead nowhere but inside.
fn attach(mount: &OwnedFd, target: &Path) -> std::io::Result<()> {
    Ok(move_mount(
        mount.as_fd(),
        "",
        CWD,
        target,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )?)
}

fn read_only(target: &Path) -> std::io::Result<()> {
    let attributes = MountAttributes {
        set: libc::MOUNT_ATTR_RDONLY,
        ..MountAttributes::default()
    };
    let here = match open_tree(CWD, target, OpenTreeFlags::OPEN_TREE_CLOEXEC) {
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        other => other?,
    };
    match syscalls::set_mount_attributes(here.as_fd(), attributes) {
        // Not the root of a mount: give it one of its own.
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE
                | OpenTreeFlags::OPEN_TREE_CLOEXEC
                | OpenTreeFlags::AT_RECURSIVE;
            let clone = open_tree(CWD, target, flags)?;
            syscalls::set_mount_attributes(
                clone.as_fd(),
                MountAttributes {
                    recursive: true,
                    ..attributes
                },
            )?;
            attach(&clone, target)
        }
        other => other,
    }
}
