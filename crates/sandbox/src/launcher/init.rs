//! The first process of the sandbox: builds it, gives up every privilege, starts the command, stays.

use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::process::{DumpableBehavior, Pid, Signal, WaitOptions};
use rustix::thread::{Gid, Uid};

use super::container::{self, Carrier};
use super::groups::Entry;
use super::mounts::Opened;
use super::{NO_DESCRIPTORS, agent, handover, namespaces, privileges, tree};
use crate::control::{self, FromWorker, MAX_DESCRIPTORS, ToLauncher, ToWorker};
use crate::error::{SandboxError, Step};
use crate::plan::{Identity, Plan, SetGroups};
use crate::running::ExitStatus;
use crate::syscalls;

/// Be the first process. `go` is readable when the ids are mapped, and at its end when the launcher is gone.
pub(super) fn run(
    plan: &Plan,
    opened: Opened,
    carrier: Option<Carrier>,
    control: &OwnedFd,
    go: OwnedFd,
    group: Entry,
) -> ! {
    let result = begin(plan, control, &go, group).and_then(|()| match carrier {
        None => set_up(plan, opened, control, &go)
            .and_then(|(command, signals)| supervise(control, &go, &signals, command)),
        Some(carrier) => container::run(plan, opened, carrier, control, &go),
    });
    if let Err(error) = result {
        // If the worker is gone there is nobody to tell.
        let _ = control::send(control, &ToWorker::Failed(error), &NO_DESCRIPTORS);
    }
    // The kernel now ends whatever is left in the sandbox.
    syscalls::exit_now(0)
}

/// All that does not depend on the root, up to the point where the host's file system can be left.
fn begin(plan: &Plan, control: &OwnedFd, go: &OwnedFd, group: Entry) -> Result<(), SandboxError> {
    die_with_launcher()?;
    // Also shows a launcher that ended before the line above.
    match rustix::io::retry_on_intr(|| rustix::io::read(go, &mut [0_u8][..])) {
        Ok(1) => {}
        Ok(_) => return Err(SandboxError::new(Step::BecomeInit, "the launcher is gone")),
        Err(e) => {
            return Err(SandboxError::caused_by(
                Step::BecomeInit,
                "waiting for the launcher",
                e,
            ));
        }
    }
    group.enter()?;
    become_init_user(&plan.identity)?;
    // Changing the user has undone it.
    die_with_launcher()?;
    syscalls::join_new_keyring();
    rustix::system::sethostname(plan.hostname.as_bytes())
        .map_err(|e| SandboxError::caused_by(Step::SetHostname, &plan.hostname, e))?;
    syscalls::bring_up_loopback()
        .map_err(|e| SandboxError::caused_by(Step::SetUpNetwork, "lo", e))?;
    listen(plan, control)?;
    tree::separate()?;
    // The modes of the plan are meant as they are; the command gets the usual mask.
    rustix::process::umask(Mode::empty());
    Ok(())
}

/// What the standard streams become when only the command is to have them.
pub(super) fn open_null() -> Result<OwnedFd, SandboxError> {
    rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| SandboxError::caused_by(Step::OpenSource, "/dev/null", e))
}

/// In this order: first what needs privileges, then without any. Returns the command and where its end shows.
fn set_up(
    plan: &Plan,
    mut opened: Opened,
    control: &OwnedFd,
    go: &OwnedFd,
) -> Result<(Pid, OwnedFd), SandboxError> {
    opened.open_as_init(plan)?;
    let proc = opened.proc(plan)?;
    let memory: Vec<_> = opened.memory_file_systems(plan).collect();
    handover::hand_over(&proc, &memory, go)?;
    let namespaces = namespaces::Limits::open(proc.as_fd(), plan)?;
    let root = opened.mount_overlays(plan)?;
    let null = open_null()?;
    tree::enter(&root)?;
    drop(root);
    tree::build(plan, &mut opened)?;
    namespaces.set()?;
    hand_over_directories(plan, control)?;
    privileges::empty_bounding_set(plan.privileges)?;
    let signals = syscalls::child_signal()
        .map_err(|e| SandboxError::caused_by(Step::BecomeInit, "signals", e))?;
    let starting = agent::start(plan)?;
    privileges::keep_for_init(plan)?;
    syscalls::detach_standard_streams(null.as_fd())
        .map_err(|e| SandboxError::caused_by(Step::BecomeInit, "the standard streams", e))?;
    let command = starting.wait_until_executed()?;
    say_started(control, go)?;
    Ok((command, signals))
}

pub(super) fn say_started(control: &OwnedFd, launcher: &OwnedFd) -> Result<(), SandboxError> {
    control::send(launcher, &ToLauncher::Started, &NO_DESCRIPTORS)
        .map_err(|e| SandboxError::caused_by(Step::Supervise, "the launcher", e))?;
    control::send(control, &ToWorker::Started, &NO_DESCRIPTORS)
        .map_err(|e| SandboxError::caused_by(Step::Supervise, "the worker", e))
}

/// The launcher has one thread, so its end is the end of the process.
fn die_with_launcher() -> Result<(), SandboxError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|e| SandboxError::caused_by(Step::BecomeInit, "ending with the launcher", e))
}

pub(super) fn become_init_user(identity: &Identity) -> Result<(), SandboxError> {
    let fault =
        |what: &str, e: rustix::io::Errno| SandboxError::caused_by(Step::BecomeInit, what, e);
    let (uid, gid) = (
        Uid::from_raw(identity.init_uid),
        Gid::from_raw(identity.init_gid),
    );
    if identity.set_groups == SetGroups::Clear {
        rustix::thread::set_thread_groups(&[]).map_err(|e| fault("giving up groups", e))?;
    }
    rustix::thread::set_thread_res_gid(gid, gid, gid)
        .map_err(|e| fault("changing the group", e))?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(|e| fault("changing the user", e))?;
    // Nobody inside, whatever its id, may look into or trace this process.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|e| fault("hiding", e))
}

/// The listeners belong to this network namespace wherever they are held: the worker accepts and dials, and no code of
/// ours handles the command's bytes in here.
fn listen(plan: &Plan, control: &OwnedFd) -> Result<(), SandboxError> {
    let ports = plan.forwards.iter().map(|forward| forward.listen_port);
    let listeners: Vec<TcpListener> = ports
        .map(|port| {
            TcpListener::bind(("127.0.0.1", port))
                .map_err(|e| SandboxError::caused_by(Step::Listen, format!("127.0.0.1:{port}"), e))
        })
        .collect::<Result<_, _>>()?;
    for part in listeners.chunks(MAX_DESCRIPTORS) {
        control::send(control, &ToWorker::Listening, part)
            .map_err(|e| SandboxError::caused_by(Step::Listen, "handing over", e))?;
    }
    Ok(())
}

/// The worker's own, to look into the root by: also after the end, when nobody inside can change it any more.
pub(super) fn hand_over_directories(plan: &Plan, control: &OwnedFd) -> Result<(), SandboxError> {
    let handles = tree::open_handles(plan)?;
    for part in handles.chunks(MAX_DESCRIPTORS) {
        control::send(control, &ToWorker::Handles, part)
            .map_err(|e| SandboxError::caused_by(Step::OpenHandle, "handing over", e))?;
    }
    Ok(())
}

/// Reap, pass signals on, until the command ends or somebody above is gone.
fn supervise(
    control: &OwnedFd,
    launcher: &OwnedFd,
    signals: &OwnedFd,
    command: Pid,
) -> Result<(), SandboxError> {
    loop {
        let mut fds = [
            PollFd::new(signals, PollFlags::IN),
            PollFd::new(control, PollFlags::IN),
            PollFd::new(launcher, PollFlags::empty()),
        ];
        match rustix::event::poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(SandboxError::caused_by(Step::Supervise, "waiting", e)),
        }
        let [child_ended, from_worker, launcher_gone] = fds.map(|fd| !fd.revents().is_empty());
        if child_ended {
            // One signal can stand for many children; the count of reads does not matter.
            let _ = rustix::io::read(signals, &mut [0_u8; 1024][..]);
            if let Some(status) = reap(command) {
                // A worker that is gone needs no answer.
                let _ = control::send(control, &ToWorker::Exited(status), &NO_DESCRIPTORS);
                return Ok(());
            }
        }
        if launcher_gone {
            return Ok(());
        }
        if from_worker {
            match control::receive::<FromWorker>(control) {
                Ok(Some((FromWorker::Signal(signal), _))) => {
                    syscalls::signal_group(command, signal)
                }
                Ok(Some((FromWorker::Plan, _))) => {}
                Ok(None) | Err(_) => return Ok(()),
            }
        }
    }
}

/// Collect every child that has ended; the command's status if it is among them.
pub(super) fn reap(command: Pid) -> Option<ExitStatus> {
    let mut ended = None;
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        if pid == command {
            ended = status
                .exit_status()
                .map(ExitStatus::Code)
                .or_else(|| status.terminating_signal().map(ExitStatus::Signal));
        }
    }
    ended
}
