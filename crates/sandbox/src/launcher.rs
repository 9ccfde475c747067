//! The launcher: the caller's program, run again with one argument. It has one thread and the worker's rights, makes the
//! namespaces around its only child, and waits for it.

mod agent;
mod container;
mod exchange;
mod fence;
mod groups;
mod handover;
mod idmap;
mod init;
mod inside;
mod mounts;
mod namespaces;
mod overlay;
mod place;
mod privileges;
mod program;
mod tree;
mod users;
mod watch;
mod without_groups;

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::process::ExitCode;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, WaitOptions};

use crate::control::{self, FromWorker, ToWorker};
use crate::error::{SandboxError, Step};
use crate::leftover::PidNamespace;
use crate::plan::{Extent, Identity, Plan, SetGroups};
use crate::syscalls::{self, CGROUP_NAMESPACE, Forked, SANDBOX_NAMESPACES};
use groups::Groups;
use watch::{Begun, Watch};

/// The only argument with which the caller's program must call [`launcher_main`], before it starts a thread.
pub const LAUNCHER_ARGUMENT: &str = "sandbox-init";

/// Where the socket to the worker is, once the standard streams are the command's.
const CONTROL_FD: RawFd = 3;

/// Of 1000: as if each process had half of the machine's memory on top of its own.
const OOM_SCORE_ADJUSTMENT: &str = "500";

/// As for the host's services that must not wait.
const AHEAD: i32 = -10;

/// Any directory that surely exists and is no link; it is covered in the sandbox's own mount namespace only.
const STAGE: &str = "/proc";

const NO_DESCRIPTORS: [OwnedFd; 0] = [];

/// Be the launcher. Must be called first thing in `main`, in a process started by [`crate::Sandbox::spawn`], or by a
/// container runtime that it has started.
pub fn launcher_main() -> ExitCode {
    if inside::is_here() {
        return inside::run();
    }
    let Ok(control) = syscalls::take_control(CONTROL_FD) else {
        eprintln!("{LAUNCHER_ARGUMENT} is started by the worker, not by hand");
        return ExitCode::from(2);
    };
    match launch(&control) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If the worker is gone there is nobody to tell.
            let _ = control::send(&control, &ToWorker::Failed(error), &NO_DESCRIPTORS);
            ExitCode::FAILURE
        }
    }
}

fn launch(control: &OwnedFd) -> Result<(), SandboxError> {
    // SAFETY: this process has just started and has opened nothing; what is there was left open by the worker's program.
    unsafe { syscalls::close_from(CONTROL_FD + 1) }
        .map_err(|e| SandboxError::caused_by(Step::ReceivePlan, "closing", e))?;
    // A session of its own: signals from the worker's terminal are for the worker, which decides what they mean.
    // It fails only if it is one already.
    let _ = rustix::process::setsid();
    let plan = receive_plan(control)?;
    be_killed_first();
    be_on_record(&plan.identity);
    give_standard_streams(&plan.identity)?;
    let mut opened = mounts::Opened::default();
    let changed = opened.open_as_launcher(&plan)?;
    let carrier = container::Carrier::open_as_launcher(&plan)?;
    let (groups, entry) = Groups::make(plan.holds.group.as_ref())?;
    // The child waits for a word here before it does anything; if the launcher dies first it sees the end instead.
    let (init, launcher) = control::pair()
        .map_err(|e| SandboxError::caused_by(Step::CreateNamespaces, "a socket", e))?;
    // The control group's namespace is made when the child is in its group: it shows what is below from then on.
    let namespaces = SANDBOX_NAMESPACES & !CGROUP_NAMESPACE;
    // SAFETY: this process has one thread.
    let forked =
        unsafe { syscalls::fork_into_group(namespaces, entry.directory()) }.map_err(|e| {
            SandboxError::caused_by(
                Step::CreateNamespaces,
                "user, mount, pid, net, ipc, uts, cgroup",
                e,
            )
        })?;
    match forked {
        Forked::Child => {
            drop(init);
            init::run(&plan, opened, carrier, control, launcher, entry)
        }
        Forked::Parent { child, pidfd } => {
            drop((opened, carrier, launcher, entry));
            be_ahead();
            let begun = Begun::now();
            let started = start(control, &plan.identity, child, &pidfd, &init, changed);
            // The child works on meanwhile.
            let watch = started
                .and_then(|()| Watch::new(&plan, &groups, child, begun))
                .inspect_err(|_| {
                    let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
                    let _ = rustix::io::retry_on_intr(|| {
                        rustix::process::waitpid(Some(child), WaitOptions::empty())
                    });
                })?;
            watch.until_the_end(control, &init, &pidfd, child)
        }
    }
}

/// When the machine is out of memory the kernel is to end the sandbox, not the worker or what else runs here. What starts
/// from here on inherits it; a worker without `CAP_SYS_RESOURCE` cannot keep the command from taking it back. If it is
/// refused, the kernel's own choice stays.
fn be_killed_first() {
    let _ = fs::write("/proc/self/oom_score_adj", OOM_SCORE_ADJUSTMENT);
}

/// Whoever watches is to look in time, however much runs inside. Refused to an ordinary user.
fn be_ahead() {
    let _ = rustix::process::setpriority_process(None, AHEAD);
    // Where the kernel weighs sessions first, and processes within them.
    let _ = fs::write("/proc/self/autogroup", AHEAD.to_string());
}

/// In the host's audit log the sandbox is the command's user. Whoever comes first names it, and nobody can change it
/// after; who started the worker from a login has been named, and a kernel without audit has nothing to name.
fn be_on_record(identity: &Identity) {
    let _ = fs::write("/proc/self/loginuid", identity.host_uid.to_string());
}

fn receive_plan(control: &OwnedFd) -> Result<Plan, SandboxError> {
    let fault = |detail: &str| SandboxError::new(Step::ReceivePlan, detail);
    let received = control::receive::<FromWorker>(control)
        .map_err(|e| SandboxError::caused_by(Step::ReceivePlan, "from the worker", e))?;
    let Some((FromWorker::Plan, descriptors)) = received else {
        return Err(fault("the worker sent no plan"));
    };
    let Ok([file, stdin]) = <[OwnedFd; 2]>::try_from(descriptors) else {
        return Err(fault("the plan came without its files"));
    };
    // Until now it was the socket, of which the command must have no copy.
    syscalls::replace_standard_input(stdin.as_fd())
        .map_err(|e| SandboxError::caused_by(Step::ReceivePlan, "standard input", e))?;
    let mut json = Vec::new();
    File::from(file)
        .read_to_end(&mut json)
        .map_err(|e| SandboxError::caused_by(Step::ReceivePlan, "reading it", e))?;
    serde_json::from_slice(&json).map_err(|e| {
        SandboxError::new(
            Step::ReceivePlan,
            format!("worker and launcher are of different versions: {e}"),
        )
    })
}

/// Programs open `/dev/stdout` and `/dev/stderr` again, which for a pipe asks for the permission of its owner.
fn give_standard_streams(identity: &Identity) -> Result<(), SandboxError> {
    let Identity {
        host_uid,
        host_gid,
        set_groups,
        ..
    } = identity;
    if *set_groups == SetGroups::Keep {
        return Ok(()); // The same user on the host.
    }
    let (uid, gid) = (
        rustix::fs::Uid::from_raw(*host_uid),
        rustix::fs::Gid::from_raw(*host_gid),
    );
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    for stream in [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()] {
        let is_pipe = rustix::fs::fstat(stream).is_ok_and(|stat| {
            rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Fifo
        });
        if is_pipe {
            rustix::fs::fchown(stream, Some(uid), Some(gid)).map_err(|e| {
                SandboxError::caused_by(Step::MapOwner, "of the standard streams", e)
            })?;
        }
    }
    Ok(())
}

/// What only the parent can do for the child, then let it go.
fn start(
    control: &OwnedFd,
    identity: &Identity,
    child: Pid,
    pidfd: &OwnedFd,
    init: &OwnedFd,
    changed: Vec<PathBuf>,
) -> Result<(), SandboxError> {
    map_ids(
        child,
        identity.set_groups,
        &identity.uid_map,
        &identity.gid_map,
    )?;
    let init_pid = child.as_raw_nonzero().get();
    let namespace = PidNamespace::of(init_pid).ok_or_else(|| {
        SandboxError::new(Step::Observe, "the first process is gone before it began")
    })?;
    let created = ToWorker::Created {
        pid_namespace: namespace.0,
        init_pid,
        changed,
    };
    control::send(control, &created, &[pidfd])
        .map_err(|e| SandboxError::caused_by(Step::Observe, "the worker", e))?;
    rustix::io::write(init, b"g")
        .map_err(|e| SandboxError::caused_by(Step::CreateNamespaces, "the first process", e))?;
    // Only the child may hold the standard streams now: the worker must see their end when the sandbox ends.
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| SandboxError::caused_by(Step::OpenSource, "/dev/null", e))?;
    syscalls::detach_standard_streams(null.as_fd())
        .map_err(|e| SandboxError::caused_by(Step::OpenSource, "/dev/null", e))?;
    Ok(())
}

/// Write the id maps of a process in a new user namespace.
fn map_ids(
    child: Pid,
    set_groups: SetGroups,
    uid_map: &[Extent],
    gid_map: &[Extent],
) -> Result<(), SandboxError> {
    let write = |name: &str, contents: String| {
        let path = format!("/proc/{}/{name}", child.as_raw_nonzero());
        fs::write(&path, &contents).map_err(|e| {
            SandboxError::caused_by(Step::MapIds, format!("{name} {:?}", contents.trim_end()), e)
        })
    };
    if set_groups == SetGroups::Keep {
        // The kernel lets an ordinary user map its group only if groups cannot be given up inside.
        write("setgroups", "deny".to_owned())?;
    }
    write("uid_map", map_lines(uid_map))?;
    write("gid_map", map_lines(gid_map))
}

fn map_lines(map: &[Extent]) -> String {
    map.iter()
        .map(
            |Extent {
                 inside,
                 outside,
                 count,
             }| format!("{inside} {outside} {count}\n"),
        )
        .collect()
}
