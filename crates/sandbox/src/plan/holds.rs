//! How each limit is held on this machine.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::PlanError;
use crate::capabilities::{Capabilities, Cgroup};
use crate::spec::Limits;

/// The first process alone has some hundred KiB.
const LEAST_MEMORY_BYTES: u64 = 8 << 20;
/// The kernel's own: a millisecond of each period.
const LEAST_CPU_MILLIS: u64 = 10;
const PERIOD_US: u64 = 100_000;
/// The first process, which is ours and not the command's.
const OWN_PROCESSES: u64 = 1;
const MEMORY_LOOK_MS: u32 = 50;
const DISK_LOOK_MS: u32 = 100;

/// How each limit of a sandbox is held; `None` where nothing was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holds {
    pub memory: Option<Hold>,
    pub processes: Hold,
    pub cpu: Option<Hold>,
    pub disk: Option<Hold>,
    /// What the control groups of these holds are.
    pub group: Option<Group>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    Group(GroupVersion),
    /// By looking at most this long apart, and killing.
    Watched {
        every_ms: u32,
    },
    /// By the kernel's count for a user of the sandbox's user namespace.
    PerUser,
    /// By running on so many processors: a part of one cannot be held.
    Processors {
        count: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupVersion {
    V1,
    V2,
}

/// One control group, in as many hierarchies as it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub version: GroupVersion,
    pub parts: Vec<GroupPart>,
}

/// A directory made in `parent`, and what is written to files in it, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPart {
    pub parent: PathBuf,
    pub settings: Vec<Setting>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    pub file: String,
    pub value: String,
    pub need: Need,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    Required,
    /// Where the kernel has the file: it counts swap, for one, only if it was built and booted to.
    IfThere,
}

impl Holds {
    /// A line for each limit, for people: `memory: control group v1`.
    pub fn lines(&self) -> Vec<String> {
        let Self {
            memory,
            processes,
            cpu,
            disk,
            group: _,
        } = self;
        let each = [
            ("memory", memory.as_ref()),
            ("processes", Some(processes)),
            ("processor time", cpu.as_ref()),
            ("disk", disk.as_ref()),
        ];
        each.into_iter()
            .filter_map(|(what, hold)| Some(format!("{what}: {}", hold?)))
            .collect()
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(GroupVersion::V1) => f.write_str("control group v1"),
            Self::Group(GroupVersion::V2) => f.write_str("control group v2"),
            Self::Watched { every_ms } => write!(f, "watched every {every_ms} ms"),
            Self::PerUser => f.write_str("counted by the kernel per user of the sandbox"),
            Self::Processors { count: 1 } => f.write_str("runs on 1 processor"),
            Self::Processors { count } => write!(f, "runs on {count} processors"),
        }
    }
}

/// Control groups where the worker can make them, for they miss nothing; else by watching.
pub(super) fn holds(limits: &Limits, capabilities: &Capabilities) -> Result<Holds, PlanError> {
    check(limits)?;
    let mut groups = Groups::default();
    let place = |controller| place(&capabilities.cgroup, controller);
    let memory = limits
        .memory_bytes
        .map(|bytes| match place(Controller::Memory) {
            Some((version, parent)) => groups.add(version, parent, memory(version, bytes)),
            None => Hold::Watched {
                every_ms: MEMORY_LOOK_MS,
            },
        });
    let processes = match place(Controller::Processes) {
        Some((version, parent)) => {
            let most = limits.processes.saturating_add(OWN_PROCESSES);
            groups.add(
                version,
                parent,
                vec![required("pids.max", most.to_string())],
            )
        }
        None => Hold::PerUser,
    };
    let cpu = limits
        .cpu_millis
        .map(|millis| match place(Controller::Cpu) {
            Some((version, parent)) => groups.add(version, parent, cpu(version, millis)),
            None => Hold::Processors {
                count: millis.div_ceil(1000),
            },
        });
    let disk =
        (limits.disk_bytes.is_some() || limits.disk_files.is_some()).then_some(Hold::Watched {
            every_ms: DISK_LOOK_MS,
        });
    Ok(Holds {
        memory,
        processes,
        cpu,
        disk,
        group: groups.0,
    })
}

fn check(limits: &Limits) -> Result<(), PlanError> {
    let Limits {
        open_files,
        processes,
        file_size_bytes: _,
        memory_bytes,
        cpu_millis,
        disk_bytes,
        disk_files,
    } = limits;
    let wishes = [
        ("open_files", Some(*open_files), 3),
        ("processes", Some(*processes), 1),
        ("memory_bytes", *memory_bytes, LEAST_MEMORY_BYTES),
        ("cpu_millis", cpu_millis.map(u64::from), LEAST_CPU_MILLIS),
        ("disk_bytes", *disk_bytes, 4096),
        ("disk_files", *disk_files, 1),
    ];
    for (what, wanted, least) in wishes {
        if let Some(wanted) = wanted.filter(|wanted| *wanted < least) {
            return Err(PlanError::LimitTooSmall {
                what,
                wanted,
                least,
            });
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Controller {
    Memory,
    Processes,
    Cpu,
}

/// Where a group with this controller can be made.
fn place(cgroup: &Cgroup, controller: Controller) -> Option<(GroupVersion, &Path)> {
    match cgroup {
        Cgroup::None => None,
        Cgroup::V1 {
            memory,
            processes,
            cpu,
        } => {
            let directory = match controller {
                Controller::Memory => memory,
                Controller::Processes => processes,
                Controller::Cpu => cpu,
            };
            Some((GroupVersion::V1, directory.as_deref()?))
        }
        Cgroup::V2 {
            parent,
            memory,
            processes,
            cpu,
        } => {
            let there = match controller {
                Controller::Memory => memory,
                Controller::Processes => processes,
                Controller::Cpu => cpu,
            };
            there.then_some((GroupVersion::V2, parent.as_path()))
        }
    }
}

fn required(file: &str, value: String) -> Setting {
    Setting {
        file: file.to_owned(),
        value,
        need: Need::Required,
    }
}

fn if_there(file: &str, value: String) -> Setting {
    Setting {
        need: Need::IfThere,
        ..required(file, value)
    }
}

/// No swap: it would make the machine slow long before the limit is felt.
fn memory(version: GroupVersion, bytes: u64) -> Vec<Setting> {
    match version {
        GroupVersion::V2 => vec![
            required("memory.max", bytes.to_string()),
            if_there("memory.swap.max", "0".to_owned()),
        ],
        GroupVersion::V1 => vec![
            required("memory.limit_in_bytes", bytes.to_string()),
            if_there("memory.memsw.limit_in_bytes", bytes.to_string()),
        ],
    }
}

fn cpu(version: GroupVersion, millis: u32) -> Vec<Setting> {
    let quota_us = u64::from(millis) * PERIOD_US / 1000;
    match version {
        GroupVersion::V2 => vec![required("cpu.max", format!("{quota_us} {PERIOD_US}"))],
        GroupVersion::V1 => vec![
            required("cpu.cfs_period_us", PERIOD_US.to_string()),
            required("cpu.cfs_quota_us", quota_us.to_string()),
        ],
    }
}

#[derive(Default)]
struct Groups(Option<Group>);

impl Groups {
    /// Controllers can share a hierarchy.
    fn add(&mut self, version: GroupVersion, parent: &Path, settings: Vec<Setting>) -> Hold {
        let group = self.0.get_or_insert(Group {
            version,
            parts: Vec::new(),
        });
        match group.parts.iter_mut().find(|part| part.parent == parent) {
            Some(part) => part.settings.extend(settings),
            None => group.parts.push(GroupPart {
                parent: parent.to_owned(),
                settings,
            }),
        }
        Hold::Group(version)
    }
}
