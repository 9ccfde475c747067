//! The first process in a container: ours, started by a container runtime. It does what the first process of a sandbox
//! without one does last: gives up every privilege, starts the command, and stays.
//!
//! An ordinary user's sandbox has one id, which runtimes must see as root's. The command sees it as its own, in a user
//! namespace of its own. Where the kernel is the machine's, this process executes itself in there: what the kernel shows
//! of a process that may not be looked into then belongs to a root that is not in the namespace, as without a container.
//! Where the kernel is the runtime's own, this process takes an id that only that kernel has.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, Gid, Uid};
use rustix::io::Errno;
use rustix::mount::MountFlags;
use rustix::process::Pid;

use super::agent::{self, Starting};
use super::exchange::{Inside, Told};
use super::{init, map_lines, privileges, tree};
use crate::backend::Kernel;
use crate::control::ToWorker;
use crate::error::{SandboxError, Step};
use crate::oci::EXCHANGE_INSIDE;
use crate::plan::{Identity, Plan};
use crate::running::ExitStatus;
use crate::syscalls;

/// A variable that is set the second time. The command's are its plan's only.
const AGAIN: &str = "AGAIN";

/// The launcher is nowhere the first process, and nobody else leaves this file.
pub(super) fn is_here() -> bool {
    rustix::process::getpid() == Pid::INIT && Path::new(EXCHANGE_INSIDE).exists()
}

/// What it returns is for the runtime; the worker is told through the file.
pub(super) fn run() -> ExitCode {
    let Ok(mut exchange) = Inside::open() else {
        return ExitCode::FAILURE; // Nobody can be told; the runtime's end says enough.
    };
    let ended = supervise(&mut exchange);
    let (said, code) = match ended {
        Ok(status) => (ToWorker::Exited(status), ExitCode::SUCCESS),
        Err(error) => (ToWorker::Failed(error), ExitCode::FAILURE),
    };
    match exchange.say(&said) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}

fn supervise(exchange: &mut Inside) -> Result<ExitStatus, SandboxError> {
    let told = exchange
        .told()
        .map_err(|e| SandboxError::caused_by(Step::ReceivePlan, "in the container", e))?;
    let prepared = match told.kernel {
        Kernel::Shared if !is_again() => prepare(&told.plan.identity),
        Kernel::UserSpace => close_kernel(),
        Kernel::Shared | Kernel::Own => Ok(()),
    };
    // Before anything is said, for it stands where that will.
    exchange
        .forget()
        .map_err(|e| SandboxError::caused_by(Step::ReceivePlan, "in the container", e))?;
    prepared?;
    let (command, signals) = set_up(&told)?;
    exchange
        .say(&ToWorker::Started)
        .map_err(|e| SandboxError::caused_by(Step::Supervise, "the sandbox", e))?;
    loop {
        let mut fds = [PollFd::new(&signals, PollFlags::IN)];
        match rustix::event::poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(SandboxError::caused_by(Step::Supervise, "waiting", e)),
        }
        while let Some(received) = syscalls::next_signal(signals.as_fd()) {
            // From inside nobody has this process do anything.
            if received.signal != libc::SIGCHLD && received.sender.is_none() {
                syscalls::signal_group(command, received.signal);
            }
        }
        if let Some(status) = init::reap(command) {
            return Ok(status);
        }
    }
}

/// What only the root of the runtime can do. If there are ids to enter it comes back only with an error.
fn prepare(identity: &Identity) -> Result<(), SandboxError> {
    tree::close_root()?;
    if identity.uid_map.is_empty() {
        return Ok(());
    }
    enter_own_ids(identity)?;
    privileges::keep_through_execution()?;
    let Err(error) = execute_again();
    Err(SandboxError::caused_by(Step::BecomeInit, "again", error))
}

/// gVisor lets everybody look into a process that may not be looked into, does not hide what it is told to, and has a device
/// that nobody asked for.
fn close_kernel() -> Result<(), SandboxError> {
    let wrong = |what: &str, e: Errno| SandboxError::caused_by(Step::BuildRoot, what, e);
    let closed = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let own = "/proc/1";
    rustix::mount::mount("tmpfs", own, "tmpfs", closed, c"size=4096,mode=555")
        .map_err(|e| wrong(own, e))?;
    for (from, target) in [
        ("/dev/null", "/proc/sysrq-trigger"),
        ("/proc/sys", "/proc/sys"),
    ] {
        rustix::mount::mount_bind(from, target)
            .and_then(|()| rustix::mount::mount_remount(target, closed | MountFlags::BIND, c""))
            .map_err(|e| wrong(target, e))?;
    }
    let device = "/dev/fuse";
    match rustix::fs::unlink(device) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(e) => Err(wrong(device, e)),
    }
}

fn is_again() -> bool {
    std::env::var_os(AGAIN).is_some()
}

/// By the whole command line, which can begin with the linker; the program's own arguments do not.
fn execute_again() -> io::Result<Infallible> {
    let line = fs::read("/proc/self/cmdline")?;
    let mut arguments = line
        .split(|byte| *byte == 0)
        .filter(|argument| !argument.is_empty())
        .map(OsStr::from_bytes);
    let program = arguments.next().ok_or(io::ErrorKind::NotFound)?;
    let mut command = Command::new(program);
    Err(command.args(arguments).env(AGAIN, "").exec())
}

fn set_up(Told { kernel, plan }: &Told) -> Result<(Pid, OwnedFd), SandboxError> {
    let null = init::open_null()?;
    let signals = syscalls::every_signal()
        .map_err(|e| SandboxError::caused_by(Step::BecomeInit, "signals", e))?;
    let identity = &plan.identity;
    let starting = if *kernel == Kernel::Shared || identity.uid_map.is_empty() {
        give_standard_streams(identity);
        init::become_init_user(identity)?;
        privileges::empty_bounding_set(plan.privileges)?;
        agent::start(plan)?
    } else {
        start_in_own_ids(plan)?
    };
    privileges::keep_for_init(plan)?;
    syscalls::detach_standard_streams(null.as_fd())
        .map_err(|e| SandboxError::caused_by(Step::BecomeInit, "the standard streams", e))?;
    Ok((starting.wait_until_executed()?, signals))
}

/// Only the command enters its namespace, so that this process can be somebody else.
fn start_in_own_ids(plan: &Plan) -> Result<Starting, SandboxError> {
    let identity = &plan.identity;
    let (uid, gid) = (identity.init_uid, identity.init_gid);
    // In memory of that kernel, where what is read-only has no devices that open.
    std::os::unix::fs::chown("/dev", Some(uid), Some(gid))
        .map_err(|e| SandboxError::caused_by(Step::BuildRoot, "/dev", e))?;
    privileges::empty_bounding_set(plan.privileges)?;
    let starting = agent::start_after(plan, || {
        enter_own_ids(identity)?;
        // Has all of them again.
        privileges::empty_bounding_set(plan.privileges)
    })?;
    privileges::become_other(Uid::from_raw(uid), Gid::from_raw(gid))?;
    Ok(starting)
}

/// Runtimes have given them to the user that they started, which is root. As [`super::give_standard_streams`]: without
/// that programs can use them, but not open them again. Not all kernels let it be done, nor need it.
fn give_standard_streams(identity: &Identity) {
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    for stream in [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()] {
        let is_pipe = rustix::fs::fstat(stream)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
        if is_pipe {
            let _ = rustix::fs::fchown(stream, Some(uid), Some(gid));
        }
    }
}

fn enter_own_ids(identity: &Identity) -> Result<(), SandboxError> {
    syscalls::new_user_namespace()
        .map_err(|e| SandboxError::caused_by(Step::CreateNamespaces, "user", e))?;
    for (name, map) in [
        ("uid_map", &identity.uid_map),
        ("gid_map", &identity.gid_map),
    ] {
        fs::write(format!("/proc/self/{name}"), map_lines(map))
            .map_err(|e| SandboxError::caused_by(Step::MapIds, name, e))?;
    }
    Ok(())
}
