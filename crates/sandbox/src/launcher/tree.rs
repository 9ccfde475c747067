//! Building the root: what it begins with becomes `/`, then each step of the plan in order.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{
    MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount_change, move_mount,
    open_tree, unmount,
};

use super::mounts::{self, Opened};
use super::place::{self, Root};
use super::{STAGE, users};
use crate::error::{SandboxError, Step};
use crate::plan::{Plan, RootStep};
use crate::syscalls::{self, MountAttributes};

/// Nothing that is mounted from here on shows on the host, or comes from it.
pub(super) fn separate() -> Result<(), SandboxError> {
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(|e| SandboxError::caused_by(Step::ChangeRoot, "separating mounts", e))
}

/// Leave the host's file system for `root`. Nothing of the host can be reached by path afterwards.
pub(super) fn enter(root: &OwnedFd) -> Result<(), SandboxError> {
    let fault = |what: &str, e: Errno| SandboxError::caused_by(Step::ChangeRoot, what, e);
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

/// Act with the tree at `path` as the root, so that no link in it leads out of it.
pub(super) fn within<T>(
    path: &str,
    act: impl FnOnce() -> Result<T, SandboxError>,
) -> Result<T, SandboxError> {
    let fault = |what: &str, e: Errno| SandboxError::caused_by(Step::ChangeRoot, what, e);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let outside =
        rustix::fs::open("/", flags, Mode::empty()).map_err(|e| fault("keeping the root", e))?;
    rustix::process::chroot(path).map_err(|e| fault("entering a tree", e))?;
    rustix::process::chdir("/").map_err(|e| fault("entering a tree", e))?;
    let done = act();
    rustix::process::fchdir(&outside).map_err(|e| fault("leaving a tree", e))?;
    rustix::process::chroot(".").map_err(|e| fault("leaving a tree", e))?;
    done
}

/// Carry out every step.
pub(super) fn build(plan: &Plan, opened: &mut Opened) -> Result<(), SandboxError> {
    let root = Root {
        identity: &plan.identity,
    };
    let mut cover = opened.take_cover().map(Cover::new);
    for (index, step) in plan.root.iter().enumerate() {
        let (target, result) = carry_out(step, &root, opened.take(index), cover.as_mut());
        result.map_err(|e| {
            SandboxError::caused_by(Step::BuildRoot, target.display().to_string(), e)
        })?;
    }
    Ok(())
}

/// Also gives the path, for the message.
fn carry_out<'a>(
    step: &'a RootStep,
    root: &Root<'_>,
    mount: Option<OwnedFd>,
    cover: Option<&mut Cover>,
) -> (&'a Path, io::Result<()>) {
    let mount = || mount.as_ref().expect("every mount of the plan was opened");
    match step {
        RootStep::Directory {
            target,
            mode,
            owner,
        } => (target, root.directory(target, *mode, *owner).map(drop)),
        RootStep::Attach {
            mount: _,
            target,
            owner,
        } => {
            let place = root.mount_point(mount(), target, *owner);
            (target, place.and_then(|place| attach(mount(), &place)))
        }
        RootStep::Mask { target } => {
            let attached = match place::open(target, OFlags::PATH | OFlags::NOFOLLOW) {
                Err(Errno::NOENT) => Ok(()),
                Ok(place) => cover.expect("what hides files was opened").lay_over(&place),
                Err(error) => Err(error.into()),
            };
            (target, attached)
        }
        RootStep::ReadOnly { target } => (target, read_only(target)),
        RootStep::Symlink {
            points_to,
            target,
            owner,
        } => (target, root.symlink(points_to, target, *owner)),
        RootStep::File {
            target,
            contents,
            mode,
            owner,
        } => (
            target,
            root.file(target, contents.as_bytes(), *mode, *owner),
        ),
        RootStep::Users { users } => (Path::new("/etc/passwd"), users::write(root, users)),
    }
}

/// What hides.
struct Cover {
    /// `/dev/null`, for files.
    null: OwnedFd,
    null_is_used: bool,
    /// For directories; made when there is one.
    empty: Option<OwnedFd>,
}

impl Cover {
    fn new(null: OwnedFd) -> Self {
        Self {
            null,
            null_is_used: false,
            empty: None,
        }
    }

    /// The first time the mount itself, then copies of it: they have its restrictions already.
    fn lay_over(&mut self, place: &OwnedFd) -> io::Result<()> {
        let stat = rustix::fs::fstat(place)?;
        let (mount, is_used) = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => match &self.empty {
                Some(empty) => (empty, true),
                None => (&*self.empty.insert(mounts::empty_directory()?), false),
            },
            _ => (&self.null, std::mem::replace(&mut self.null_is_used, true)),
        };
        if !is_used {
            return attach(mount, place);
        }
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH;
        attach(&open_tree(mount, "", flags)?, place)
    }
}

/// The mount, on top of what is at `place`.
pub(super) fn attach(mount: &OwnedFd, place: &OwnedFd) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(mount, "", place, "", flags)?)
}

/// Set-id bits and devices count for nothing in what is mounted at `/`.
pub(super) fn close_root() -> Result<(), SandboxError> {
    let attributes = MountAttributes {
        set: libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
        ..MountAttributes::default()
    };
    place::open(Path::new("/"), OFlags::PATH)
        .map_err(io::Error::from)
        .and_then(|root| syscalls::set_mount_attributes(root.as_fd(), attributes))
        .map_err(|e| SandboxError::caused_by(Step::BuildRoot, "/", e))
}

pub(super) fn read_only(target: &Path) -> io::Result<()> {
    let attributes = MountAttributes {
        set: libc::MOUNT_ATTR_RDONLY,
        ..MountAttributes::default()
    };
    let here = match place::open(target, OFlags::PATH) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    match syscalls::set_mount_attributes(here.as_fd(), attributes) {
        // Not the root of a mount: give it one of its own.
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE
                | OpenTreeFlags::OPEN_TREE_CLOEXEC
                | OpenTreeFlags::AT_RECURSIVE
                | OpenTreeFlags::AT_EMPTY_PATH;
            let clone = open_tree(&here, "", flags)?;
            syscalls::set_mount_attributes(
                clone.as_fd(),
                MountAttributes {
                    recursive: true,
                    ..attributes
                },
            )?;
            attach(&clone, &here)
        }
        other => other,
    }
}

/// Open the directories that the worker wants to look into. No link on the way: a handle is what it is called, or
/// nothing.
pub(super) fn open_handles(plan: &Plan) -> Result<Vec<OwnedFd>, SandboxError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = |path: &Path| {
        rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)
            .map_err(|e| SandboxError::caused_by(Step::OpenHandle, path.display().to_string(), e))
    };
    plan.handles.iter().map(|path| open(path)).collect()
}
