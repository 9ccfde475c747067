//! From a plan for the first process to a plan for a runtime: a pure function.

use std::ffi::{CString, NulError};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{BUNDLE, LOG, OciRuntime, PROGRAM_OUTSIDE, ROOT, SHARED_MEMORY, STATE, TMP};
use crate::backend::Kernel;
use crate::capabilities::{Capabilities, EtcEntry, Privilege, SystemEntry};
use crate::plan::root::{SHM_SIZE_BYTES, attach, dev, directory, host, room, symlink};
use crate::plan::{
    Access, Extent, Hold, Holds, Identity, Owner, Plan, PlanError, PlannedMount, RootBase,
    RootStep, SetGroups, check, fence, plan,
};
use crate::spec::{Mount, Spec};

/// What a runtime mounts itself.
const OWN_MOUNTS: [&str; 2] = ["/proc", "/dev"];
/// Room for what a runtime keeps in `/run` and `/tmp`: state, logs, and copies of itself (runc's).
const SCRATCH_BYTES: u64 = 64 << 20;
const SEARCH_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Its name for the runtime, which knows no other.
const CONTAINER: &str = "sandbox";
/// Of the first process in the container, where the kernel has more ids than the sandbox.
const NOBODY: u32 = 65_534;
/// A program in the command's root that would be loaded into ours there. Whoever wrote the layers can have put it there.
const PRELOAD: &str = "/etc/ld.so.preload";

/// How the command is run by a container runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedRuntime {
    /// For messages.
    pub name: String,
    pub program: PathBuf,
    /// Before `run`.
    pub arguments: Vec<String>,
    pub kernel: Kernel,
    /// How the root is built in which the runtime runs, in order; the root of the plan comes to stand in it.
    pub root: Vec<RootStep>,
    /// Who is who in the container. Without maps it has the ids of the sandbox.
    pub command: Identity,
}

impl PlannedRuntime {
    /// The plan for the root in which the runtime runs.
    pub(crate) fn around(&self, plan: &Plan) -> Plan {
        let holds = Holds {
            // Not of the runtime's own memory: it is watched from outside with all that is in the sandbox.
            memory: None,
            ..plan.holds.clone()
        };
        Plan {
            holds,
            base: RootBase::Memory,
            root: self.root.clone(),
            runtime: None,
            ..plan.clone()
        }
    }

    /// What is left to do in the container: everything about the command itself.
    pub(crate) fn inside(&self, plan: &Plan) -> Plan {
        let holds = match self.kernel {
            Kernel::Shared => plan.holds.clone(),
            // Its memory and its processors are not the machine's.
            Kernel::UserSpace | Kernel::Own => Holds {
                memory: None,
                cpu: None,
                ..plan.holds.clone()
            },
        };
        let mut limits = plan.limits.clone();
        if matches!(plan.holds.processes, Hold::Group(_)) {
            // The group refuses first, and tells.
            limits.processes = with_runtime(limits.processes, self.kernel);
        }
        Plan {
            holds,
            limits,
            identity: self.command.clone(),
            forwards: Vec::new(),
            base: RootBase::Memory,
            root: Vec::new(),
            handles: Vec::new(),
            runtime: None,
            ..plan.clone()
        }
    }

    /// How many are made below the sandbox's own.
    pub(crate) fn user_namespaces(&self) -> u32 {
        match (self.kernel, self.command.uid_map.is_empty()) {
            (Kernel::Shared, true) => 0,
            // See `launcher::inside`.
            (Kernel::Shared, false) => 1,
            // For the parts of the runtime; the command's are those of its own kernel.
            (Kernel::UserSpace | Kernel::Own, _) => 16,
        }
    }

    /// Makes the container and stays until its end.
    pub(crate) fn run(&self) -> Result<CommandLine, NulError> {
        self.command_line(&["run", "--bundle", BUNDLE, CONTAINER])
    }

    /// Sends a signal to the first process in the container. Not all runtimes pass on what they are sent themselves.
    pub(crate) fn kill(&self, signal: i32) -> Result<CommandLine, NulError> {
        self.command_line(&["kill", CONTAINER, &signal.to_string()])
    }

    fn command_line(&self, verb: &[&str]) -> Result<CommandLine, NulError> {
        let program = CString::new(self.program.as_os_str().as_encoded_bytes())?;
        let given = self.arguments.iter().map(String::as_str);
        let arguments = ["--root", STATE, "--log", LOG]
            .into_iter()
            .chain(given)
            .chain(verb.iter().copied())
            .map(CString::new);
        let arguments = std::iter::once(Ok(program.clone()))
            .chain(arguments)
            .collect::<Result<_, _>>()?;
        Ok(CommandLine {
            program,
            arguments,
            environment: vec![CString::new(SEARCH_PATH)?],
        })
    }
}

/// How a runtime is called.
pub(crate) struct CommandLine {
    pub(crate) program: CString,
    pub(crate) arguments: Vec<CString>,
    pub(crate) environment: Vec<CString>,
}

/// The plan for `spec` under `runtime`.
pub(crate) fn contained(
    spec: &Spec,
    capabilities: &Capabilities,
    runtime: &OciRuntime,
) -> Result<Plan, PlanError> {
    runtime_is_plain(runtime)?;
    if spec.nested_namespaces {
        return Err(PlanError::RuntimeNesting);
    }
    let mut capabilities = capabilities.clone();
    // Others make files as root and give them away after, where a mount with room for one owner has no place for root.
    capabilities.idmapped_mounts &= runtime.kernel == Kernel::Shared;
    let mut wish = with_places_for_own_mounts(spec)?;
    wish.limits.processes = with_runtime(spec.limits.processes, runtime.kernel);
    let mut plan = plan(&wish, &capabilities)?;
    plan.limits = spec.limits.clone();
    plan.fence = match runtime.kernel {
        // Of what the spec has, not of the places.
        Kernel::Shared => fence::planned(spec, &capabilities),
        // The command's kernel is another one.
        Kernel::UserSpace | Kernel::Own => None,
    };
    plan.root.push(RootStep::Mask {
        target: PRELOAD.into(),
    });
    let command = as_root(&mut plan.identity, capabilities.privilege, runtime.kernel);
    plan.runtime = Some(PlannedRuntime {
        name: runtime.name.clone(),
        program: runtime.program.clone(),
        arguments: runtime.arguments.clone(),
        kernel: runtime.kernel,
        root: root(spec, runtime, &capabilities),
        command,
    });
    Ok(plan)
}

/// How many processes and threads of the machine are needed for so many of the command's: a runtime has some itself, and
/// a kernel in user space has at least one for each.
fn with_runtime(processes: u64, kernel: Kernel) -> u64 {
    match kernel {
        Kernel::Shared => processes.saturating_add(32),
        Kernel::UserSpace | Kernel::Own => processes.saturating_mul(2).saturating_add(128),
    }
}

fn runtime_is_plain(runtime: &OciRuntime) -> Result<(), PlanError> {
    check::path("a container runtime", &runtime.program)?;
    for device in &runtime.devices {
        check::path("a device of a container runtime", device)?;
    }
    if runtime.arguments.iter().any(|text| text.contains('\0')) {
        return Err(PlanError::NulByte {
            what: "an argument of the container runtime",
        });
    }
    Ok(())
}

/// Mount points for what the runtime mounts. Also where a hostile image has links in their place: a mount replaces them.
fn with_places_for_own_mounts(spec: &Spec) -> Result<Spec, PlanError> {
    let mut spec = spec.clone();
    for own in OWN_MOUNTS.map(Path::new) {
        let (mut found, mut below) = (false, false);
        for mount in &mut spec.mounts {
            if matches!(mount, Mount::Proc | Mount::Dev) && mount.target() == own {
                found = true;
                *mount = Mount::Tmpfs {
                    target: own.to_owned(),
                    size_bytes: 4096,
                    mode: 0o555,
                };
            } else {
                below |= mount.target().starts_with(own);
            }
        }
        if below || !found {
            return Err(PlanError::RuntimeMount(own.to_owned()));
        }
    }
    Ok(spec)
}

/// Runtimes expect to be root. The only id of an ordinary user's sandbox becomes root's; the container's own first
/// process gives it back its name, for the command. Returns who is who in the container.
fn as_root(identity: &mut Identity, privilege: Privilege, kernel: Kernel) -> Identity {
    let command = identity.clone();
    match privilege {
        Privilege::Root { uid: _, gid: _ } => Identity {
            uid_map: Vec::new(),
            gid_map: Vec::new(),
            ..command
        },
        Privilege::User { uid: _, gid: _ } => {
            for extent in identity.uid_map.iter_mut().chain(&mut identity.gid_map) {
                extent.inside = 0;
            }
            let ids = [
                &mut identity.init_uid,
                &mut identity.init_gid,
                &mut identity.uid,
                &mut identity.gid,
            ];
            ids.into_iter().for_each(|id| *id = 0);
            let one = |inside| {
                vec![Extent {
                    inside,
                    outside: 0,
                    count: 1,
                }]
            };
            let (init_uid, init_gid) = match kernel {
                // The machine's has no other for it.
                Kernel::Shared => (command.init_uid, command.init_gid),
                Kernel::UserSpace | Kernel::Own => (NOBODY, NOBODY),
            };
            Identity {
                uid_map: one(command.uid),
                gid_map: one(command.gid),
                set_groups: SetGroups::Keep,
                init_uid,
                init_gid,
                ..command
            }
        }
    }
}

/// A root for the runtime: programs and libraries of the host, its own `/proc` in full (a container's can only be mounted
/// where nothing of it is hidden), the devices that containers get, and memory.
fn root(spec: &Spec, runtime: &OciRuntime, capabilities: &Capabilities) -> Vec<RootStep> {
    let mut steps: Vec<RootStep> = capabilities
        .system
        .iter()
        .map(|entry| match entry {
            SystemEntry::Directory { path } => {
                attach(host(path, Access::ReadOnly), path, Owner::Init)
            }
            SystemEntry::Symlink { path, points_to } => symlink(points_to, path),
        })
        .collect();
    let linker_files = capabilities.etc.iter().filter(|EtcEntry { path }| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("ld.so"))
    });
    steps.extend(
        linker_files
            .map(|EtcEntry { path }| attach(host(path, Access::ReadOnly), path, Owner::Init)),
    );
    steps.push(attach(PlannedMount::Proc, "/proc", Owner::Init));
    dev(&mut steps, spec);
    let devices = runtime.devices.iter();
    let devices = devices.map(|device| attach(host(device, Access::Device), device, Owner::Init));
    // Before the last step, which makes `/dev` read-only.
    let at = steps.len() - 1;
    steps.splice(at..at, devices);
    for target in ["/run", "/tmp"] {
        let scratch = PlannedMount::Tmpfs {
            size_bytes: SCRATCH_BYTES,
            mode: 0o755,
            owner: Owner::Init,
        };
        steps.push(attach(scratch, target, Owner::Init));
    }
    let in_system = capabilities.system.iter().any(|entry| match entry {
        SystemEntry::Directory { path } | SystemEntry::Symlink { path, points_to: _ } => {
            runtime.program.starts_with(path)
        }
    });
    if !in_system {
        let program = &runtime.program;
        steps.push(attach(
            host(program, Access::ReadOnly),
            program,
            Owner::Init,
        ));
    }
    // Runtimes look at it, also when they are told to leave control groups alone.
    steps.push(attach(PlannedMount::Cgroups, "/sys/fs/cgroup", Owner::Init));
    let shared = PlannedMount::Tmpfs {
        size_bytes: room(SHM_SIZE_BYTES, spec),
        mode: 0o1777,
        owner: Owner::Command,
    };
    steps.push(attach(shared, SHARED_MEMORY, Owner::Init));
    steps.extend([PROGRAM_OUTSIDE, ROOT, TMP].map(directory));
    steps
}
