//! The command: the last steps before it runs.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::pipe::PipeFlags;
use rustix::process::{DumpableBehavior, Pid, Resource, Rlimit};
use rustix::thread::{Gid, Uid};

use super::{fence, privileges, without_groups};
use crate::error::{SandboxError, Step};
use crate::plan::{Hold, Plan};
use crate::seccomp;
use crate::spec::Limits;
use crate::syscalls;

/// Limits that are the same for all. Memory that cannot be paged out, queues and signals are the kernel's own memory;
/// nobody gets ahead of the host's programs. A core size of one byte, not zero: a `core_pattern` that names a program on
/// the host is run at zero, as the host's root and fed with what the sandbox had in memory, but not at one.
const FIXED_LIMITS: [(Resource, u64); 6] = [
    (Resource::Core, 1),
    (Resource::Memlock, 8 << 20),
    (Resource::Msgqueue, 800 << 10),
    (Resource::Nice, 0),
    (Resource::Rtprio, 0),
    (Resource::Sigpending, 4096),
];

const SEARCH_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A child that has not yet become the command.
pub(super) struct Starting {
    child: Pid,
    /// Ends when the command is executed; else holds why not.
    failure: OwnedFd,
}

impl Starting {
    pub(super) fn wait_until_executed(self) -> Result<Pid, SandboxError> {
        let mut report = Vec::new();
        File::from(self.failure)
            .read_to_end(&mut report)
            .map_err(|e| SandboxError::caused_by(Step::Execute, "waiting for it", e))?;
        if report.is_empty() {
            return Ok(self.child);
        }
        Err(serde_json::from_slice(&report)
            .unwrap_or_else(|e| SandboxError::new(Step::Execute, e.to_string())))
    }
}

/// Fork; the child goes on to execute the command.
pub(super) fn start(plan: &Plan) -> Result<Starting, SandboxError> {
    start_after(plan, || Ok(()))
}

/// Fork; the child does this first.
pub(super) fn start_after(
    plan: &Plan,
    first: impl FnOnce() -> Result<(), SandboxError>,
) -> Result<Starting, SandboxError> {
    start_with(|| match first() {
        Ok(()) => become_command(plan),
        Err(error) => error,
    })
}

/// Fork; the child becomes another program, or gives back why not.
pub(super) fn start_with(
    become_program: impl FnOnce() -> SandboxError,
) -> Result<Starting, SandboxError> {
    let fault = |e: std::io::Error| SandboxError::caused_by(Step::Execute, "starting a process", e);
    let (failure, report) =
        rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|e| fault(e.into()))?;
    // SAFETY: this process has one thread.
    match unsafe { syscalls::fork() }.map_err(fault)? {
        Some(child) => Ok(Starting { child, failure }),
        None => {
            drop(failure);
            let error = become_program();
            let _ = File::from(report).write_all(&serde_json::to_vec(&error).unwrap_or_default());
            syscalls::exit_now(127)
        }
    }
}

/// Returns only if the command could not be executed.
fn become_command(plan: &Plan) -> SandboxError {
    match prepare(plan) {
        Ok((arguments, environment)) => execute(plan, &arguments, &environment),
        Err(error) => error,
    }
}

fn prepare(plan: &Plan) -> Result<(Vec<CString>, Vec<CString>), SandboxError> {
    let fault =
        |what: &str, e: rustix::io::Errno| SandboxError::caused_by(Step::DropPrivileges, what, e);
    // A session and process group of its own: no terminal, and signals to the group reach all of it.
    syscalls::new_session()
        .map_err(|e| SandboxError::caused_by(Step::DropPrivileges, "a new session", e))?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    limit(plan)?;
    without_groups::put_up(plan)?;
    let fence = plan.fence.as_ref().map(fence::prepare).transpose()?;
    privileges::pass_on(plan.privileges)?;
    let (uid, gid) = (
        Uid::from_raw(plan.identity.uid),
        Gid::from_raw(plan.identity.gid),
    );
    rustix::thread::set_thread_res_gid(gid, gid, gid)
        .map_err(|e| fault("changing the group", e))?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(|e| fault("changing the user", e))?;
    privileges::keep_for_command(plan.privileges)?;
    // Programs may look at themselves and their children, as usual.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)
        .map_err(|e| fault("showing", e))?;
    rustix::process::chdir(&plan.working_directory).map_err(|e| {
        SandboxError::caused_by(
            Step::ChangeDirectory,
            plan.working_directory.display().to_string(),
            e,
        )
    })?;
    let arguments = strings(plan.command.iter().cloned())?;
    let environment = strings(
        plan.environment
            .iter()
            .map(|(name, value)| format!("{name}={value}")),
    )?;
    syscalls::close_on_exec_from(3)
        .map_err(|e| SandboxError::caused_by(Step::DropPrivileges, "descriptors", e))?;
    syscalls::default_signals();
    // Last: from here on these also hold for us.
    if let Some(fence) = fence {
        fence::close(fence)?;
    }
    without_groups::close(plan)?;
    syscalls::install_filter(&seccomp::filter(plan.nested_namespaces))
        .map_err(|e| SandboxError::caused_by(Step::FilterSyscalls, "seccomp", e))?;
    Ok((arguments, environment))
}

fn strings(texts: impl Iterator<Item = String>) -> Result<Vec<CString>, SandboxError> {
    texts
        .map(CString::new)
        .collect::<Result<_, _>>()
        .map_err(|e| SandboxError::new(Step::Execute, e.to_string()))
}

fn limit(plan: &Plan) -> Result<(), SandboxError> {
    let Limits {
        open_files,
        processes,
        file_size_bytes,
        disk_bytes,
        // Of all processes together.
        memory_bytes: _,
        cpu_millis: _,
        disk_files: _,
    } = &plan.limits;
    let processes = match plan.holds.processes {
        // A control group refuses first, and tells.
        Hold::Group(_) => processes.saturating_add(8),
        Hold::PerUser | Hold::Watched { .. } | Hold::Processors { .. } => *processes,
    };
    let file_size_bytes = file_size_bytes.iter().chain(disk_bytes).min().copied();
    let wanted = [
        (Resource::Nofile, Some(*open_files)),
        (Resource::Nproc, Some(processes)),
        (Resource::Fsize, file_size_bytes),
    ];
    let fixed = FIXED_LIMITS.map(|(resource, value)| (resource, Some(value)));
    for (resource, wanted) in wanted.into_iter().chain(fixed) {
        let Some(wanted) = wanted else { continue };
        let ceiling = rustix::process::getrlimit(resource)
            .maximum
            .unwrap_or(u64::MAX);
        let value = Some(wanted.min(ceiling));
        let set = rustix::process::setrlimit(
            resource,
            Rlimit {
                current: value,
                maximum: value,
            },
        );
        match set {
            Ok(()) => {}
            // Linux lets everybody lower every limit. A container runtime's own kernel refuses those that it does not have.
            Err(rustix::io::Errno::PERM) if is_fixed(resource) => {}
            Err(e) => {
                let what = format!("{resource:?} {wanted}");
                return Err(SandboxError::caused_by(Step::SetLimits, what, e));
            }
        }
    }
    Ok(())
}

fn is_fixed(resource: Resource) -> bool {
    FIXED_LIMITS.iter().any(|(fixed, _)| *fixed == resource)
}

/// As `execvpe`: the search path is the command's own.
fn execute(plan: &Plan, arguments: &[CString], environment: &[CString]) -> SandboxError {
    let program = &plan.command[0];
    let candidates: Vec<PathBuf> = if program.contains('/') {
        vec![PathBuf::from(program)]
    } else {
        let path = plan
            .environment
            .get("PATH")
            .map_or(SEARCH_PATH, String::as_str);
        path.split(':')
            .filter(|dir| !dir.is_empty())
            .map(|dir| Path::new(dir).join(program))
            .collect()
    };
    let mut cause = std::io::Error::from_raw_os_error(libc::ENOENT);
    for candidate in candidates {
        let Ok(path) = CString::new(candidate.into_os_string().into_encoded_bytes()) else {
            continue;
        };
        let error = syscalls::execute(&path, arguments, environment);
        // A file that is there but cannot be run says more than one that is not there.
        if !matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) {
            cause = error;
        }
    }
    SandboxError::caused_by(Step::Execute, program, cause)
}
