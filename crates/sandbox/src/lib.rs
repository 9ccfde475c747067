//! What to isolate, as data; then how.
//!
//! A [`Spec`] says what a process may see and use. [`probe`] says what this machine can do. [`plan`] is a pure
//! function of the two: it decides how, or says why not. [`Sandbox::spawn`] carries a [`Plan`] out.
//!
//! ```text
//! Spec ──┐
//!        ├─ plan() ─→ Plan ─→ Sandbox::spawn ─→ Running { stdin, stdout, stderr, wait, kill, signal }
//! probe ─┘                        │
//!                                 └─ launcher (one thread, no async) ─ clone ─→ pid 1 ─ fork ─→ command
//! ```
//!
//! The caller's program re-executes itself with the argument [`LAUNCHER_ARGUMENT`] and calls [`launcher_main`] before
//! it starts any thread. The launcher gets the plan in a sealed-off file, makes the namespaces, writes the id maps and
//! waits; its child builds the root file system, drops every privilege, starts the command and stays as pid 1. Each of
//! the three ends when the one before it ends, and when pid 1 ends the kernel ends everything in the sandbox.
//!
//! The root can be the host's system, read-only, or an [`Overlay`]: layers that are only read, shared by any number of
//! sandboxes, below a directory that takes what this one writes. That directory can be a layer of the next. Root inside
//! may be given [`Privileges`] over files of its own, so that it can install things. What a sandbox leaves is looked at
//! through [`Running::take_handles`].
//!
//! A [`Backend`] says what stands between the command and the machine: the kernel's namespaces alone, or a container
//! runtime that the first process runs in their place, see `oci`.
//!
//! This crate knows nothing of tasks. It is the only one that may hold `unsafe`; what it protects against, and what it
//! does not yet, is in `docs/sandbox.md`.
#![allow(unsafe_code)] // Namespaces, clone3, mount_setattr and seccomp have no safe wrappers; all such calls are in `syscalls`.

mod backend;
mod capabilities;
mod cgroup;
mod control;
mod error;
mod forward;
mod launcher;
mod leftover;
mod limit_hit;
mod oci;
mod ownership;
mod plan;
mod running;
mod seccomp;
mod spec;
mod syscalls;

pub use backend::{Backend, Kernel, UnknownBackend, Unusable};
pub use capabilities::{
    Capabilities, Cgroup, EtcEntry, IdRange, KernelVersion, OverlaySupport, Privilege, SysFile,
    SystemEntry, UserNamespaces, probe,
};
pub use cgroup::sweep as sweep_groups;
pub use error::{OsError, SandboxError, Step};
pub use launcher::{LAUNCHER_ARGUMENT, launcher_main};
pub use leftover::PidNamespace;
pub use limit_hit::{Consequence, LimitHit, LimitKind};
pub use oci::{OciRuntime, PlannedRuntime, UnknownRuntime};
pub use ownership::{OwnershipError, change_owner, stored_owner};
pub use plan::{
    Access, Change, Extent, Fence, FencedFiles, FencedPath, Group, GroupPart, GroupVersion, Hold,
    Holds, Identity, Need, Opener, Owner, Ownership, Plan, PlanError, PlannedMount, RootStep,
    SetGroups, Setting, plan,
};
pub use running::{ExitStatus, Killer, Launchers, Running, Sandbox};
pub use spec::{
    Forward, LayerIds, Limits, Lower, Mount, Network, Overlay, Privileges, Spec, Stdin, SystemRoot,
    User,
};

/// Names of the extended attributes that overlays keep in their upper directories begin with this, for a root worker as
/// for an ordinary user: every overlay is mounted by the sandbox's own first process. `user.overlay.opaque` = `y` on a
/// directory hides what is below it; a file is hidden by a character device 0:0, which anybody may make.
pub const OVERLAY_XATTR_PREFIX: &str = "user.overlay.";
