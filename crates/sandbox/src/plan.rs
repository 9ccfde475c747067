//! How to isolate: a pure function of what is wanted and what the machine can do.

pub(crate) mod check;
mod error;
pub(crate) mod fence;
mod holds;
mod overlay;
pub(crate) mod root;
mod sys;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::capabilities::{Capabilities, KernelVersion, Privilege};
use crate::oci::PlannedRuntime;
use crate::spec::{Forward, Limits, Network, Privileges, Spec, Stdin, User};

pub use error::PlanError;
pub use fence::{Change, Fence, FencedFiles, FencedPath};
pub use holds::{Group, GroupPart, GroupVersion, Hold, Holds, Need, Setting};

/// Ids given to one sandbox of a root worker.
const IDS_PER_SANDBOX: u32 = 65_536;
/// `mount_setattr`, with which a tree is made read-only in one step.
const OLDEST_KERNEL: KernelVersion = KernelVersion {
    major: 5,
    minor: 12,
};

/// Every decision, as data: what the launcher does in the order of the fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub identity: Identity,
    /// Who opens what is mounted from the host.
    pub opener: Opener,
    pub hostname: String,
    pub forwards: Vec<Forward>,
    /// What is at `/` before the steps.
    pub base: RootBase,
    /// How the root is built, in order.
    pub root: Vec<RootStep>,
    /// Directories that are opened for the caller.
    pub handles: Vec<PathBuf>,
    pub privileges: Privileges,
    pub nested_namespaces: bool,
    pub fence: Option<Fence>,
    pub limits: Limits,
    /// How each limit is held.
    pub holds: Holds,
    pub environment: BTreeMap<String, String>,
    pub working_directory: PathBuf,
    pub command: Vec<String>,
    /// A container runtime that runs the command in the root, instead of the first process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<PlannedRuntime>,
    /// Stays with the caller: not sent to the launcher.
    #[serde(skip, default = "no_stdin")]
    pub stdin: Stdin,
}

fn no_stdin() -> Stdin {
    Stdin::Null
}

/// Who is who inside and on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub uid_map: Vec<Extent>,
    pub gid_map: Vec<Extent>,
    pub set_groups: SetGroups,
    /// The first process, inside. Other than the command's where possible, so that the command cannot touch it.
    pub init_uid: u32,
    pub init_gid: u32,
    /// The command, inside.
    pub uid: u32,
    pub gid: u32,
    /// The command, on the host.
    pub host_uid: u32,
    pub host_gid: u32,
}

/// `count` ids from `inside` on are those from `outside` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    pub inside: u32,
    pub outside: u32,
    pub count: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetGroups {
    /// The worker's supplementary groups are given up.
    Clear,
    /// An ordinary user cannot give up groups: the kernel still counts them, though only for what is mounted.
    Keep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opener {
    /// The launcher, with the worker's rights on the host: paths may lie below directories closed to the sandbox's ids.
    Launcher,
    /// The first process, which is the same user on the host.
    Init,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RootBase {
    /// An empty file system in memory.
    Memory,
    Overlay(PlannedOverlay),
}

/// Layers that the [`Opener`] opens and the first process mounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedOverlay {
    /// Uppermost first.
    pub lowers: Vec<PlannedLayer>,
    /// Holds `upper` and `work`.
    pub directory: PathBuf,
    pub upper: String,
    pub work: String,
    /// Of `directory`.
    pub ids: LayerMap,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedLayer {
    pub path: PathBuf,
    pub ids: LayerMap,
}

/// How ids on disk become ids of the host that the sandbox knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerMap {
    /// They are the same.
    Same,
    /// `inside` the layer, `outside` for the host.
    Mapped(Extent),
}

/// One step of building the root. Targets are absolute, inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RootStep {
    Directory {
        target: PathBuf,
        mode: u32,
        owner: Owner,
    },
    /// Missing parents are made for `owner`.
    Attach {
        mount: PlannedMount,
        target: PathBuf,
        owner: Owner,
    },
    /// Hide a file of `/proc` behind `/dev/null`, or a directory behind one that is empty; nothing to do where the kernel
    /// does not have it.
    Mask { target: PathBuf },
    /// Make what is already there read-only.
    ReadOnly { target: PathBuf },
    Symlink {
        points_to: PathBuf,
        target: PathBuf,
        owner: Owner,
    },
    /// Nothing to do where it is there already, as it should be.
    File {
        target: PathBuf,
        contents: String,
        mode: u32,
        owner: Owner,
    },
    /// Name these in `/etc/passwd` and `/etc/group`, beside whoever is named there.
    Users { users: Vec<User> },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedMount {
    Host {
        source: PathBuf,
        access: Access,
    },
    Tmpfs {
        size_bytes: u64,
        mode: u32,
        owner: Owner,
    },
    Proc,
    Devpts,
    /// The sandbox's own control group and those below, to look at.
    Cgroups,
    Overlay(PlannedOverlay),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    ReadOnly,
    Writable(Ownership),
    /// A device node: writable, and opens.
    Device,
}

/// How files that the worker owns appear as owned by the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ownership {
    /// They are the same user on the host.
    Same,
    /// Map the worker's ids to the command's at the mount; where the file system refuses, change the owner of every
    /// file before and back after.
    Idmapped { worker_uid: u32, worker_gid: u32 },
    /// Change the owner of every file before, and back after.
    Changed { worker_uid: u32, worker_gid: u32 },
}

/// Whose a directory or file is that the launcher makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    Init,
    Command,
    /// Whoever owns the directory in which it is made.
    Beside,
}

/// Decide how to carry out `spec` on a machine with `capabilities`.
///
/// Pure: it looks at nothing but its arguments, so a plan does not say that the sources exist.
///
/// # Errors
/// What is wrong with the wish, or what the machine lacks.
pub fn plan(spec: &Spec, capabilities: &Capabilities) -> Result<Plan, PlanError> {
    check::machine(capabilities)?;
    check::spec(spec)?;
    overlay::check(spec, capabilities)?;
    let identity = identity(spec, capabilities)?;
    let (opener, ownership) = match capabilities.privilege {
        Privilege::User { .. } => (Opener::Init, Ownership::Same),
        Privilege::Root {
            uid: worker_uid,
            gid: worker_gid,
        } if capabilities.idmapped_mounts => (
            Opener::Launcher,
            Ownership::Idmapped {
                worker_uid,
                worker_gid,
            },
        ),
        Privilege::Root {
            uid: worker_uid,
            gid: worker_gid,
        } => (
            Opener::Launcher,
            Ownership::Changed {
                worker_uid,
                worker_gid,
            },
        ),
    };
    let forwards = match &spec.network {
        Network::None => Vec::new(),
        Network::Forwards(forwards) => forwards.clone(),
    };
    Ok(Plan {
        identity,
        opener,
        hostname: spec.hostname.clone(),
        forwards,
        base: root::base(spec, capabilities),
        root: root::steps(spec, capabilities, ownership),
        handles: spec.handles.clone(),
        privileges: spec.privileges,
        nested_namespaces: spec.nested_namespaces,
        fence: fence::planned(spec, capabilities),
        limits: spec.limits.clone(),
        holds: holds::holds(&spec.limits, capabilities)?,
        environment: spec.environment.clone(),
        working_directory: spec.working_directory.clone(),
        command: spec.command.clone(),
        runtime: None,
        stdin: spec.stdin.clone(),
    })
}

/// Root never maps itself: whoever is host root opens `/proc/sys/kernel/core_pattern` for writing, whatever its id
/// inside.
fn identity(spec: &Spec, capabilities: &Capabilities) -> Result<Identity, PlanError> {
    let (uid, gid) = (spec.user.uid, spec.user.gid);
    match capabilities.privilege {
        Privilege::Root { .. } => {
            let first = spec.uid_base;
            check::ids_exist(first, capabilities)?;
            let map = vec![Extent {
                inside: 0,
                outside: first,
                count: IDS_PER_SANDBOX,
            }];
            Ok(Identity {
                uid_map: map.clone(),
                gid_map: map,
                set_groups: SetGroups::Clear,
                init_uid: 0,
                init_gid: 0,
                uid,
                gid,
                host_uid: first + uid,
                host_gid: first + gid,
            })
        }
        Privilege::User {
            uid: host_uid,
            gid: host_gid,
        } => Ok(Identity {
            uid_map: vec![Extent {
                inside: uid,
                outside: host_uid,
                count: 1,
            }],
            gid_map: vec![Extent {
                inside: gid,
                outside: host_gid,
                count: 1,
            }],
            set_groups: SetGroups::Keep,
            init_uid: uid,
            init_gid: gid,
            uid,
            gid,
            host_uid,
            host_gid,
        }),
    }
}
