//! System calls that have no safe wrapper. Each function is one call, or one sequence that must not be split.

mod container;
mod idle;
mod limits;

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::process::Pid;
use tokio::io::unix::AsyncFd;

pub(crate) use container::{
    LoadedProgram, every_signal, fork, loaded_program, new_session, new_user_namespace,
    next_signal, parent_namespace,
};
pub(crate) use idle::IdleProcess;
pub(crate) use limits::{
    ask_for_short_turns, fork_into_group, refuse_huge_pages, share_memory, shared_memory_bytes,
    shared_memory_device, unshare_cgroup_namespace,
};

/// All namespaces of a sandbox.
pub(crate) const SANDBOX_NAMESPACES: u64 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u64;
pub(crate) const CGROUP_NAMESPACE: u64 = libc::CLONE_NEWCGROUP as u64;

/// What a layer's attributes say is not to be believed further than needed: names and contents elsewhere (`redirect_dir`,
/// `metacopy`) are never followed, and there is no index. Inode numbers stay those of the layers. `userxattr` is what an
/// owner of a user namespace may use. With `volatile` the disk is not waited for when files are written or the sandbox ends.
pub(crate) const OVERLAY_OPTIONS: &str =
    "userxattr,redirect_dir=nofollow,metacopy=off,index=off,xino=off,volatile";

/// Which side of a fork this is.
pub(crate) enum Forked {
    Child,
    Parent { child: Pid, pidfd: OwnedFd },
}

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// `clone3` as a fork into new namespaces.
///
/// # Safety
/// The process must have one thread, or the child must call nothing but async-signal-safe functions until it exits.
pub(crate) unsafe fn fork_into(namespaces: u64) -> io::Result<Forked> {
    // SAFETY: the caller keeps to the same rules.
    unsafe { fork_into_group(namespaces, None) }
}

/// `clone3` as a fork, with a pidfd.
///
/// # Safety
/// As for [`fork_into`]; the arguments ask for no shared memory.
unsafe fn clone(mut arguments: libc::clone_args) -> io::Result<Forked> {
    let mut pidfd: RawFd = -1;
    arguments.flags |= libc::CLONE_PIDFD as u64;
    arguments.pidfd = ptr::from_mut(&mut pidfd) as u64;
    arguments.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: the arguments outlive the call; without CLONE_VM the child gets a copy of the stack, as in fork; the caller
    // keeps to the rules of fork in the child.
    let pid = check(unsafe {
        libc::syscall(
            libc::SYS_clone3,
            ptr::from_mut(&mut arguments),
            size_of::<libc::clone_args>(),
        )
    })?;
    match Pid::from_raw(pid as libc::pid_t) {
        None => Ok(Forked::Child),
        // SAFETY: the kernel wrote a new descriptor that nothing else owns.
        Some(child) => Ok(Forked::Parent {
            child,
            pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) },
        }),
    }
}

/// End this process at once: no destructor, no `atexit`, which belong to the process it was forked from.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: ends the process; nothing runs after it.
    unsafe { libc::_exit(code) }
}

/// What `mount_setattr` is to change.
#[derive(Clone, Copy, Default)]
pub(crate) struct MountAttributes<'fd> {
    /// `MOUNT_ATTR_*` to set.
    pub set: u64,
    /// Stop events of mounting from passing between this tree and the one it was cloned from.
    pub private: bool,
    /// User namespace whose id map applies to the mount.
    pub idmap: Option<BorrowedFd<'fd>>,
    /// Also the mounts below.
    pub recursive: bool,
}

/// `mount_setattr` on the mount that `fd` is the root of.
pub(crate) fn set_mount_attributes(
    fd: BorrowedFd<'_>,
    attributes: MountAttributes<'_>,
) -> io::Result<()> {
    let MountAttributes {
        set,
        private,
        idmap,
        recursive,
    } = attributes;
    let argument = libc::mount_attr {
        attr_set: set
            | if idmap.is_some() {
                libc::MOUNT_ATTR_IDMAP
            } else {
                0
            },
        attr_clr: 0,
        propagation: if private { libc::MS_PRIVATE } else { 0 },
        userns_fd: idmap.map_or(0, |fd| fd.as_raw_fd() as u64),
    };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: path and argument outlive the call; the size given is that of the argument.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_raw_fd(),
            c"".as_ptr(),
            flags,
            ptr::from_ref(&argument),
            size_of::<libc::mount_attr>(),
        )
    })?;
    Ok(())
}

/// Ids with which this thread's file accesses are made and its files created, until given back.
pub(crate) fn set_filesystem_ids(uid: u32, gid: u32) {
    // SAFETY: changes only this thread's credentials; the process has one thread. The calls report no error; a wrong id
    // shows as a refused access.
    unsafe {
        libc::setfsgid(gid);
        libc::setfsuid(uid);
    }
}

/// Bring up the loopback interface of this network namespace.
pub(crate) fn bring_up_loopback() -> io::Result<()> {
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        None,
    )?;
    // SAFETY: all zeroes is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads an `ifreq`, which outlives the call.
    check(
        unsafe {
            libc::ioctl(
                socket.as_raw_fd(),
                libc::SIOCSIFFLAGS as _,
                ptr::from_ref(&request),
            )
        }
        .into(),
    )?;
    Ok(())
}

/// Leave the worker's session keyring. Absent in some kernels, which is as good.
pub(crate) fn join_new_keyring() {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: takes no memory but a null name.
    unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            KEYCTL_JOIN_SESSION_KEYRING,
            ptr::null::<libc::c_char>(),
        )
    };
}

/// Block SIGCHLD and get a descriptor that is readable when a child ends.
pub(crate) fn child_signal() -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised by sigemptyset before use.
    let set = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGCHLD);
        set
    };
    block(&set)
}

fn block(set: &libc::sigset_t) -> io::Result<OwnedFd> {
    // SAFETY: the set outlives both calls; a new descriptor is returned that nothing else owns.
    unsafe {
        check(libc::sigprocmask(libc::SIG_BLOCK, set, ptr::null_mut()).into())?;
        let fd = check(libc::signalfd(-1, set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK).into())?;
        Ok(OwnedFd::from_raw_fd(fd as RawFd))
    }
}

/// The signal state a program expects at its start: nothing blocked, and SIGPIPE, which Rust ignores, ends it.
pub(crate) fn default_signals() {
    // SAFETY: the set is initialised before use; SIG_DFL is a valid disposition for SIGPIPE.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &set, ptr::null_mut());
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}

/// Mark every descriptor from `first` on to be closed by `execve`.
pub(crate) fn close_on_exec_from(first: RawFd) -> io::Result<()> {
    // SAFETY: only sets a flag; no descriptor is closed under its owner.
    let marked = check(unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    });
    match marked {
        Ok(_) => Ok(()),
        // A kernel of a container runtime's that lacks the call or the flag.
        Err(e) if matches!(e.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)) => {
            container::close_on_exec_one_by_one(first)
        }
        Err(error) => Err(error),
    }
}

/// Close every descriptor from `first` on.
///
/// # Safety
/// No owner of a closed descriptor may use or drop it afterwards.
pub(crate) unsafe fn close_from(first: RawFd) -> io::Result<()> {
    // SAFETY: the caller promises that nobody uses them.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) })?;
    Ok(())
}

/// Make `/dev/null` the descriptors 0, 1 and 2.
pub(crate) fn detach_standard_streams(null: BorrowedFd<'_>) -> io::Result<()> {
    for target in 0..3 {
        // SAFETY: the standard descriptors are owned by nobody in Rust; dup2 replaces them atomically.
        check(unsafe { libc::dup2(null.as_raw_fd(), target) }.into())?;
    }
    Ok(())
}

/// Make `input` the descriptor 0.
pub(crate) fn replace_standard_input(input: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: as above.
    check(unsafe { libc::dup2(input.as_raw_fd(), 0) }.into())?;
    Ok(())
}

/// Replace this process. Returns only the error.
pub(crate) fn execute(program: &CStr, arguments: &[CString], environment: &[CString]) -> io::Error {
    let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings
            .iter()
            .map(|string| string.as_ptr())
            .chain([ptr::null()])
            .collect()
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both arrays end with null and, like their strings, outlive the call.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Install a filter of system calls; `no_new_privs` must be set.
pub(crate) fn install_filter(filter: &[libc::sock_filter]) -> io::Result<()> {
    let length =
        u16::try_from(filter.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let program = libc::sock_fprog {
        len: length,
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: program and filter outlive the call; the kernel copies them and does not write.
    check(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            ptr::from_ref(&program),
        )
    })?;
    Ok(())
}

/// Version of the kernel's Landlock interface, if it has one and it is not switched off.
pub(crate) fn landlock_version() -> Option<u32> {
    const LANDLOCK_CREATE_RULESET_VERSION: libc::c_long = 1;
    // SAFETY: takes no memory: with this flag the kernel only answers.
    let version = check(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            ptr::null::<libc::c_void>(),
            0,
            LANDLOCK_CREATE_RULESET_VERSION,
        )
    });
    version.ok().and_then(|version| u32::try_from(version).ok())
}

/// Send any signal number to a process group.
pub(crate) fn signal_group(leader: Pid, signal: i32) {
    // SAFETY: takes no memory; a wrong number or a group that is gone is an error that changes nothing.
    unsafe { libc::kill(-leader.as_raw_nonzero().get(), signal) };
}

/// Make the socket that this process was given as its standard input the descriptor `target`. Its standard input stays
/// the same until something else takes its place.
///
/// To be called once, in a process that has just started.
pub(crate) fn take_control(target: RawFd) -> io::Result<OwnedFd> {
    let given = io::stdin();
    if rustix::net::sockopt::socket_type(&given)? != rustix::net::SocketType::SEQPACKET {
        return Err(io::ErrorKind::NotFound.into());
    }
    // SAFETY: only copies a descriptor. What is at the target was left open by whoever started this process, which has no
    // owner of it.
    unsafe {
        check(libc::dup3(given.as_raw_fd(), target, libc::O_CLOEXEC).into())?;
        Ok(OwnedFd::from_raw_fd(target))
    }
}

/// Wait for a descriptor to be readable. Must be called within a runtime.
pub(crate) fn watch_readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open and stays the same until dropped, and the result owns it.
    Ok(unsafe { AsyncFd::register_with_interest(fd, tokio::io::Interest::READABLE) }?)
}
