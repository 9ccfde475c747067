//! Trying, in namespaces that are thrown away, what cannot be known by looking.

use std::ffi::{CStr, CString};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, Mode};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    fsconfig_create, fsmount, fsopen, mount, mount_change, move_mount,
};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, WaitOptions};

use super::{KernelVersion, OverlaySupport, Privilege, UserNamespaces};
use crate::syscalls::{self, Forked, MountAttributes, OVERLAY_OPTIONS, SANDBOX_NAMESPACES};

/// Put layers with mapped ids together.
const OVERLAY_ID_MAPS: KernelVersion = KernelVersion {
    major: 5,
    minor: 19,
};

/// It was not got as far as that.
const UNTRIED: Errno = Errno::NOSYS;

/// What the child is to mount layers from.
const OWN: u8 = b'o';
const MAPPED: u8 = b'm';

/// Can a sandbox's namespaces be made, a `/proc` in them, and an overlay? Safe to call in a process with many threads.
pub(super) fn namespaces(
    kernel: KernelVersion,
    privilege: Privilege,
) -> (UserNamespaces, OverlaySupport) {
    let refused = |errno: Errno| OverlaySupport::Refused {
        errno: errno.raw_os_error(),
    };
    let (found, mapped) = match attempt(privilege) {
        Ok(found) => found,
        Err(error) => {
            let errno = error.raw_os_error().unwrap_or(libc::EPERM);
            return (UserNamespaces::Refused { errno }, refused(UNTRIED));
        }
    };
    let Found { proc, overlay } = found;
    let namespaces = match proc {
        Ok(()) => UserNamespaces::Available,
        Err(errno) => UserNamespaces::WithoutProc {
            errno: errno.raw_os_error(),
        },
    };
    let overlay = match (overlay, privilege, mapped) {
        (Err(errno), _, _) => refused(errno),
        (Ok(()), Privilege::User { .. }, _) | (Ok(()), Privilege::Root { .. }, Mapped::Yes) => {
            OverlaySupport::Available
        }
        // Memory file systems learned it later than those that layers are kept on.
        (Ok(()), Privilege::Root { .. }, Mapped::NotMemory) if kernel >= OVERLAY_ID_MAPS => {
            OverlaySupport::Available
        }
        (Ok(()), Privilege::Root { .. }, Mapped::NotMemory | Mapped::No) => {
            OverlaySupport::WithoutIdMaps
        }
    };
    (namespaces, overlay)
}

struct Found {
    proc: Result<(), Errno>,
    overlay: Result<(), Errno>,
}

/// Whether the layers had their ids mapped.
enum Mapped {
    Yes,
    NotMemory,
    No,
}

fn attempt(privilege: Privilege) -> std::io::Result<(Found, Mapped)> {
    // Everything that takes memory, before the fork.
    let options = format!("{OVERLAY_OPTIONS},lowerdir=lower,upperdir=upper,workdir=work");
    let options = CString::new(options).expect("the options hold no NUL");
    let memory = match privilege {
        Privilege::Root { .. } => Some(new(c"tmpfs")?),
        Privilege::User { .. } => None,
    };
    let (go, told) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let (answer, said) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    // SAFETY: the child makes raw system calls through rustix, with strings that are there already, and exits: it
    // allocates nothing.
    match unsafe { syscalls::fork_into(SANDBOX_NAMESPACES) }? {
        Forked::Child => {
            drop((told, answer));
            let proc = new(c"proc").map(drop);
            let overlay = layers(&go, memory, &options);
            let code = |result: Result<(), Errno>| match result {
                Ok(()) => 0,
                // Those that the kernel gives are smaller.
                Err(errno) => u8::try_from(errno.raw_os_error()).unwrap_or(u8::MAX),
            };
            let _ = rustix::io::write(&said, &[code(proc), code(overlay)]);
            syscalls::exit_now(0)
        }
        Forked::Parent { child, pidfd: _ } => {
            drop((go, said));
            let mapped = map(child, privilege, memory.as_ref());
            let word = match mapped {
                Ok(Mapped::Yes) => Some(MAPPED),
                Ok(Mapped::NotMemory | Mapped::No) => Some(OWN),
                // The child sees the end of the pipe.
                Err(_) => None,
            };
            // A child that is gone shows in what it did not answer.
            if let Some(word) = word {
                let _ = rustix::io::write(&told, &[word]);
            }
            drop(told);
            let mut codes = [u8::try_from(UNTRIED.raw_os_error()).unwrap_or(u8::MAX); 2];
            let _ = rustix::io::retry_on_intr(|| rustix::io::read(&answer, &mut codes[..]));
            let _ = rustix::io::retry_on_intr(|| {
                rustix::process::waitpid(Some(child), WaitOptions::empty())
            });
            let [proc, overlay] = codes.map(|code| match code {
                0 => Ok(()),
                errno => Err(Errno::from_raw_os_error(i32::from(errno))),
            });
            Ok((Found { proc, overlay }, mapped.unwrap_or(Mapped::No)))
        }
    }
}

/// The child's ids, and those of the memory that it is to use.
fn map(child: Pid, privilege: Privilege, memory: Option<&OwnedFd>) -> std::io::Result<Mapped> {
    let (Privilege::Root { uid, gid } | Privilege::User { uid, gid }) = privilege;
    let file = |name: &str| format!("/proc/{}/{name}", child.as_raw_nonzero());
    fs::write(file("setgroups"), "deny")?;
    fs::write(file("uid_map"), format!("0 {uid} 1\n"))?;
    fs::write(file("gid_map"), format!("0 {gid} 1\n"))?;
    let Some(memory) = memory else {
        return Ok(Mapped::No);
    };
    let namespace = fs::File::open(file("ns/user"))?;
    let attributes = MountAttributes {
        idmap: Some(namespace.as_fd()),
        ..MountAttributes::default()
    };
    match syscalls::set_mount_attributes(memory.as_fd(), attributes) {
        Ok(()) => Ok(Mapped::Yes),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => {
            Ok(Mapped::NotMemory)
        }
        Err(_) => Ok(Mapped::No),
    }
}

/// In the child.
fn layers(go: &OwnedFd, mapped: Option<OwnedFd>, options: &CStr) -> Result<(), Errno> {
    const PLACE: &CStr = c"/proc";
    let mut word = [0];
    if rustix::io::retry_on_intr(|| rustix::io::read(go, &mut word[..]))? == 0 {
        return Err(UNTRIED);
    }
    mount_change(
        c"/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )?;
    let memory = match mapped.filter(|_| word == [MAPPED]) {
        Some(mapped) => mapped,
        None => new(c"tmpfs")?,
    };
    move_mount(
        &memory,
        c"",
        CWD,
        PLACE,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )?;
    rustix::process::chdir(PLACE)?;
    for name in [c"lower", c"upper", c"work"] {
        rustix::fs::mkdir(name, Mode::RWXU)?;
    }
    mount(c"overlay", PLACE, c"overlay", MountFlags::NODEV, options)
}

/// A new file system, detached.
fn new(kind: &CStr) -> rustix::io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    fsmount(
        &context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::empty(),
    )
}
