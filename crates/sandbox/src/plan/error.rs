//! Why there is no plan.

use std::path::PathBuf;

use crate::capabilities::KernelVersion;

/// A wish that cannot be carried out here, or makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("the command is empty: name a program")]
    EmptyCommand,
    #[error("{what} holds a NUL byte")]
    NulByte { what: &'static str },
    #[error("{0:?} is not a name of an environment variable")]
    EnvironmentName(String),
    #[error("{path:?} must be an absolute path without `..` ({what})")]
    Path { what: &'static str, path: PathBuf },
    #[error("nothing can be mounted on the root itself")]
    TargetIsRoot,
    #[error("the host name {0:?} must have 1 to 64 letters, digits, dots or dashes")]
    Hostname(String),
    #[error(
        "the user name {0:?} must have 1 to 32 small letters, digits, `_` or `-`, and not begin with a digit or `-`"
    )]
    UserName(String),
    #[error("the ids {uid}:{gid} inside must be below 65536")]
    InsideIds { uid: u32, gid: u32 },
    #[error("only uid 0 inside can have privileges over files: uid is {0}")]
    Privileges(u32),
    #[error("uid_base {0} must be between 65536 and 4294836224: the ids below belong to the host")]
    UidBase(u32),
    #[error(
        "store_uid_base {0} must be between 65536 and 4294836224: the ids below belong to the host"
    )]
    StoreUidBase(u32),
    #[error(
        "the ids of the store, 65536 from {store} on, must not be a sandbox's own, 65536 from {sandbox} on"
    )]
    StoreIsSandbox { store: u32, sandbox: u32 },
    #[error("the ids {first}..{} do not exist here: choose uid_base and store_uid_base inside the container's own range, or run the worker as an ordinary user", first + count)]
    IdsMissing { first: u32, count: u32 },
    #[error("port {0} is zero or named twice among the forwards")]
    ForwardPort(u16),
    #[error("{what} is {wanted}, which nothing can run with: give at least {least}")]
    LimitTooSmall {
        what: &'static str,
        wanted: u64,
        least: u64,
    },
    #[error("Linux {major}.{minor} is too old: 5.12 is needed", major = .0.major, minor = .0.minor)]
    Kernel(KernelVersion),
    #[error(
        "user namespaces are refused here (errno {errno}): allow them with `sysctl kernel.unprivileged_userns_clone=1` or \
         `sysctl kernel.apparmor_restrict_unprivileged_userns=0`; in a container allow unshare in its seccomp profile"
    )]
    UserNamespaces { errno: i32 },
    #[error(
        "a fresh /proc is refused here (errno {errno}): in a container run with `--security-opt unmask=ALL` (docker: \
         `systempaths=unconfined`)"
    )]
    Proc { errno: i32 },
    #[error("an overlay at {target:?} needs 1 to 500 layers below, not {count}")]
    Lowers { target: PathBuf, count: usize },
    #[error(
        "{upper:?} and {work:?} must be two directories in one, with names of letters, digits, `.`, `_` and `-`"
    )]
    UpperAndWork { upper: PathBuf, work: PathBuf },
    #[error(
        "overlays cannot be mounted here (errno {errno}): load the module `overlay` (`modprobe overlay`); in a container allow \
         mounts in its seccomp and AppArmor profiles"
    )]
    Overlay { errno: i32 },
    #[error(
        "a worker that is root needs Linux 5.19 or newer to put layers with mapped ids together, and the right to map ids at \
         mounts: run the worker as an ordinary user, or on a newer kernel"
    )]
    OverlayIdMaps,
    #[error(
        "a container runtime does not let programs make namespaces of their own: leave nested_namespaces off, or use the \
         backend namespaces"
    )]
    RuntimeNesting,
    #[error(
        "a container runtime makes its own {0:?}: the sandbox must ask for it, with nothing mounted below"
    )]
    RuntimeMount(PathBuf),
    #[error("the worker's own directory {0:?} would be the whole root of the host")]
    SourceIsRoot(PathBuf),
}
