//! The first process in a container: ours, started by a container runtime. It does what the first process of a sandbox
//! without one does last: gives up every privilege, starts the command, and stays.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, Gid, Uid};
use rustix::process::Pid;

use super::exchange::Inside;
use super::{agent, init, map_lines, privileges};
use crate::control::ToWorker;
use crate::error::{SandboxError, Step};
use crate::oci::EXCHANGE_INSIDE;
use crate::plan::{Identity, Plan};
use crate::running::ExitStatus;
use crate::syscalls;

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
    let plan = exchange
        .take_plan()
        .map_err(|e| SandboxError::caused_by(Step::ReceivePlan, "in the container", e))?;
    let (command, signals) = set_up(&plan)?;
    exchange
        .say(&ToWorker::Started)
        .map_err(|e| SandboxError::caused_by(Step::Supervise, "the sandbox", e))?;
    loop {
        let mut fds = [PollFd::new(&signals, PollFlags::IN)];
        match rustix::event::poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
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

fn set_up(plan: &Plan) -> Result<(Pid, OwnedFd), SandboxError> {
    enter_own_ids(&plan.identity)?;
    give_standard_streams(&plan.identity);
    init::become_init_user(&plan.identity)?;
    privileges::empty_bounding_set(plan.privileges)?;
    let null = init::open_null()?;
    let signals = syscalls::every_signal()
        .map_err(|e| SandboxError::caused_by(Step::BecomeInit, "signals", e))?;
    let starting = agent::start(plan)?;
    privileges::keep_for_init(plan)?;
    syscalls::detach_standard_streams(null.as_fd())
        .map_err(|e| SandboxError::caused_by(Step::BecomeInit, "the standard streams", e))?;
    Ok((starting.wait_until_executed()?, signals))
}

/// Runtimes have given them to the user that they started, which is root. As [`super::give_standard_streams`]: without
/// that programs can use them, but not open them again. Not all kernels let it be done, nor need it.
fn give_standard_streams(identity: &Identity) {
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    for stream in [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()] {
        let is_pipe = rustix::fs::fstat(stream)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
        if is_pipe {
            let _ = rustix::fs::fchown(stream, Some(uid), Some(gid));
        }
    }
}

/// An ordinary user's sandbox has one id, which runtimes must see as root's. The command sees it as its own.
fn enter_own_ids(identity: &Identity) -> Result<(), SandboxError> {
    if identity.uid_map.is_empty() {
        return Ok(());
    }
    syscalls::new_user_namespace()
        .map_err(|e| SandboxError::caused_by(Step::CreateNamespaces, "user", e))?;
    for (name, map) in [
        ("uid_map", &identity.uid_map),
        ("gid_map", &identity.gid_map),
    ] {
        // By the one way that is not read-only, see `PROC_INIT_READ_ONLY`.
        fs::write(format!("/proc/thread-self/{name}"), map_lines(map))
            .map_err(|e| SandboxError::caused_by(Step::MapIds, name, e))?;
    }
    Ok(())
}
