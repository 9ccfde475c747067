//! What can go wrong between a plan and a running command, and what to do about it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A sandbox that could not be made, or was lost. Crosses the process boundary from the launcher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("sandbox: {step}: {detail}{}", .hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default())]
pub struct SandboxError {
    /// What was being done.
    pub step: Step,
    /// On what: a path, an id, a program.
    pub detail: String,
    /// What the operator can change.
    pub hint: Option<String>,
    #[source]
    pub cause: Option<OsError>,
}

impl SandboxError {
    pub(crate) fn new(step: Step, detail: impl Into<String>) -> Self {
        Self {
            step,
            detail: detail.into(),
            hint: None,
            cause: None,
        }
    }

    pub(crate) fn caused_by(
        step: Step,
        detail: impl Into<String>,
        error: impl Into<std::io::Error>,
    ) -> Self {
        let cause = error.into().raw_os_error().map(OsError);
        let hint = cause
            .and_then(|OsError(errno)| hint(step, errno))
            .map(str::to_owned);
        Self {
            step,
            detail: detail.into(),
            hint,
            cause,
        }
    }

    /// The operating system's error number, if one was the cause.
    pub fn errno(&self) -> Option<i32> {
        self.cause.map(|OsError(errno)| errno)
    }
}

/// An error number of the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OsError(pub i32);

impl fmt::Display for OsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::io::Error::from_raw_os_error(self.0).fmt(f)
    }
}

impl std::error::Error for OsError {}

/// One step on the way, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    StartLauncher,
    ReceivePlan,
    OpenSource,
    MapOwner,
    ChangeOwner,
    MakeGroup,
    CreateNamespaces,
    JoinGroup,
    MapIds,
    BecomeInit,
    SetHostname,
    SetUpNetwork,
    Listen,
    PrepareMount,
    MountOverlay,
    ChangeRoot,
    BuildRoot,
    OpenHandle,
    DropPrivileges,
    SetLimits,
    Fence,
    FilterSyscalls,
    ChangeDirectory,
    StartRuntime,
    Execute,
    Supervise,
    Observe,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StartLauncher => "cannot start the launcher",
            Self::ReceivePlan => "the launcher cannot read the plan",
            Self::OpenSource => "cannot open what is to be mounted",
            Self::MapOwner => "cannot map the owner of a mount",
            Self::ChangeOwner => "cannot change the owner of a mounted directory",
            Self::MakeGroup => "cannot make a control group",
            Self::CreateNamespaces => "cannot create namespaces",
            Self::JoinGroup => "cannot join a control group",
            Self::MapIds => "cannot map user and group ids",
            Self::BecomeInit => "cannot become the first process",
            Self::SetHostname => "cannot set the host name",
            Self::SetUpNetwork => "cannot set up loopback",
            Self::Listen => "cannot listen inside",
            Self::PrepareMount => "cannot prepare a mount",
            Self::MountOverlay => "cannot mount an overlay",
            Self::ChangeRoot => "cannot change the root",
            Self::BuildRoot => "cannot build the root",
            Self::OpenHandle => "cannot open for the worker",
            Self::DropPrivileges => "cannot drop privileges",
            Self::SetLimits => "cannot set a limit",
            Self::Fence => "cannot fence the command in (Landlock)",
            Self::FilterSyscalls => "cannot install the system call filter",
            Self::ChangeDirectory => "cannot enter the working directory",
            Self::StartRuntime => "the container runtime cannot start the command",
            Self::Execute => "cannot execute",
            Self::Supervise => "lost the sandbox",
            Self::Observe => "cannot observe the sandbox",
        })
    }
}

fn hint(step: Step, errno: i32) -> Option<&'static str> {
    match (step, errno) {
        (Step::CreateNamespaces, libc::EPERM | libc::EACCES) => Some(
            "user namespaces are refused: allow them with `sysctl kernel.unprivileged_userns_clone=1` and, on Ubuntu, \
             `sysctl kernel.apparmor_restrict_unprivileged_userns=0`; in a container allow unshare in its seccomp profile",
        ),
        (Step::MakeGroup, libc::EACCES | libc::EPERM | libc::EROFS | libc::ENOENT) => {
            Some("the worker's control group was changed since it started: start the worker again")
        }
        (Step::MakeGroup, libc::EINVAL | libc::EBUSY) => {
            Some("the kernel refuses this value as a limit: choose another")
        }
        (Step::CreateNamespaces, libc::ENOSPC) => Some("raise `sysctl user.max_user_namespaces`"),
        (Step::CreateNamespaces, libc::EAGAIN) => {
            Some("too many processes: raise the worker's limit of processes")
        }
        (Step::MapIds, libc::EPERM) => {
            Some("in a container the worker must own the range of ids, or run as an ordinary user")
        }
        (Step::OpenSource, libc::ENOENT) => Some("it does not exist on the host"),
        (Step::OpenSource, libc::EACCES) => Some("the worker may not read it"),
        (Step::PrepareMount, libc::EPERM) => Some(
            "a fresh /proc is refused where parts of the outer one are hidden: in a container run with \
             `--security-opt unmask=ALL` (docker: `systempaths=unconfined`)",
        ),
        (Step::MapOwner, libc::EINVAL | libc::EOPNOTSUPP) => Some(
            "its file system cannot map ids: keep the worker's data on ext4, xfs or btrfs, or run the worker as an ordinary user",
        ),
        (Step::MapOwner, libc::EPERM) => Some(
            "the worker may not map ids on this file system: in a container run the worker as an ordinary user",
        ),
        (Step::MountOverlay, libc::EINVAL) => Some(
            "the file system of the upper directory must keep extended attributes and be no overlay itself: in a container put \
             the worker's data on a volume; and no layer may have mounts in it",
        ),
        (Step::MountOverlay, libc::EROFS | libc::EACCES | libc::EOVERFLOW) => {
            Some("the upper and work directories must belong to root inside, as kept on disk")
        }
        (Step::MountOverlay, libc::ENODEV) => Some("load the module: `modprobe overlay`"),
        (Step::BuildRoot | Step::OpenHandle, libc::ELOOP) => Some("a symbolic link is in the way"),
        (Step::Execute | Step::ChangeDirectory, libc::ENOENT) => {
            Some("it does not exist inside the sandbox")
        }
        (Step::Execute, libc::EACCES) => Some("it is not executable for the user inside"),
        (Step::Execute, libc::ENOEXEC) => {
            Some("it is neither a program nor a script with a #! line")
        }
        (Step::StartLauncher, libc::ENOENT) => Some("the launcher's program does not exist"),
        (Step::Listen, libc::EADDRINUSE) => Some("two forwards name the same port"),
        _ => None,
    }
}
