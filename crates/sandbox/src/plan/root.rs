//! The file system inside, step by step.

use std::path::{Path, PathBuf};

use super::{Access, Owner, Ownership, PlannedMount, RootBase, RootStep, overlay, sys};
use crate::capabilities::{Capabilities, EtcEntry, SystemEntry};
use crate::spec::{Mount, Spec, SystemRoot, User};

const DEVICES: [&str; 6] = ["full", "null", "random", "tty", "urandom", "zero"];
/// Switches of the host's kernel. They are writable only for the host's root, which nobody inside is; this is the
/// second lock.
pub(crate) const PROC_READ_ONLY: [&str; 3] = ["fs", "irq", "sys"];
/// What tells about the host, its devices, or its kernel's memory and timing.
pub(crate) const PROC_MASKED: [&str; 30] = [
    "acpi",
    "asound",
    "buddyinfo",
    "bus",
    "cmdline",
    "config.gz",
    "interrupts",
    "iomem",
    "ioports",
    "kallsyms",
    "kcore",
    "key-users",
    "keys",
    "kmsg",
    "kpagecgroup",
    "kpagecount",
    "kpageflags",
    "latency_stats",
    "modules",
    "mtrr",
    "pagetypeinfo",
    "sched_debug",
    "scsi",
    "slabinfo",
    "softirqs",
    "sysrq-trigger",
    "timer_list",
    "timer_stats",
    "vmallocinfo",
    "zoneinfo",
];
pub(crate) const SHM_SIZE_BYTES: u64 = 1 << 30;

/// What the steps are made from.
struct Wish<'a> {
    spec: &'a Spec,
    capabilities: &'a Capabilities,
    ownership: Ownership,
}

pub(super) fn base(spec: &Spec, capabilities: &Capabilities) -> RootBase {
    match &spec.system {
        SystemRoot::HostReadOnly | SystemRoot::Empty => RootBase::Memory,
        SystemRoot::Overlay(root) => RootBase::Overlay(overlay::planned(root, spec, capabilities)),
    }
}

pub(super) fn steps(
    spec: &Spec,
    capabilities: &Capabilities,
    ownership: Ownership,
) -> Vec<RootStep> {
    let wish = Wish {
        spec,
        capabilities,
        ownership,
    };
    let mut steps = Vec::new();
    let root_owner = match &spec.system {
        SystemRoot::Empty => Owner::Init,
        SystemRoot::HostReadOnly => {
            host_system(&mut steps, spec, capabilities);
            Owner::Init
        }
        SystemRoot::Overlay(_) => {
            layered_system(&mut steps, spec);
            Owner::Beside
        }
    };
    // Whose is what is made below these targets; the last one that a path is below counts.
    let mut places = vec![(Path::new("/"), root_owner)];
    for mount in &spec.mounts {
        let target = mount.target();
        let mut above = places.iter().rev();
        let owner = above
            .find(|(place, _)| target.starts_with(place))
            .map_or(root_owner, |(_, owner)| *owner);
        add_mount(&mut steps, mount, owner, &wish);
        match mount {
            Mount::Bind { .. } | Mount::Tmpfs { .. } => places.push((target, Owner::Command)),
            Mount::Overlay { .. } => places.push((target, Owner::Beside)),
            Mount::ReadOnlyBind { .. }
            | Mount::ReadOnlyTmpfs { .. }
            | Mount::Proc
            | Mount::Sys
            | Mount::Dev => {
                places.push((target, Owner::Init));
            }
            Mount::Symlink { .. } | Mount::File { .. } => {}
        }
    }
    for mount in &spec.mounts {
        if let Mount::ReadOnlyTmpfs { target, .. } = mount {
            steps.push(RootStep::ReadOnly {
                target: target.clone(),
            });
        }
    }
    match &spec.system {
        // An ordinary user owns its own root: without this the command could write beside the mounts.
        SystemRoot::HostReadOnly | SystemRoot::Empty => steps.push(RootStep::ReadOnly {
            target: PathBuf::from("/"),
        }),
        SystemRoot::Overlay(_) => {}
    }
    steps
}

/// `owner` gets the directories above the target, and what is made there.
fn add_mount(steps: &mut Vec<RootStep>, mount: &Mount, owner: Owner, wish: &Wish<'_>) {
    steps.push(match mount {
        Mount::Proc => return proc(steps),
        Mount::Sys => return sys::steps(steps, wish.capabilities),
        Mount::Dev => return dev(steps, wish.spec),
        Mount::ReadOnlyBind { source, target } => {
            attach(host(source, Access::ReadOnly), target, owner)
        }
        Mount::Bind { source, target } => attach(
            host(source, Access::Writable(wish.ownership)),
            target,
            owner,
        ),
        Mount::Overlay {
            overlay: layers,
            target,
        } => {
            let planned = overlay::planned(layers, wish.spec, wish.capabilities);
            attach(PlannedMount::Overlay(planned), target, owner)
        }
        Mount::Tmpfs {
            target,
            size_bytes,
            mode,
        } => {
            let tmpfs = PlannedMount::Tmpfs {
                size_bytes: room(*size_bytes, wish.spec),
                mode: *mode,
                owner: Owner::Command,
            };
            attach(tmpfs, target, owner)
        }
        Mount::ReadOnlyTmpfs { target, size_bytes } => {
            let tmpfs = PlannedMount::Tmpfs {
                size_bytes: room(*size_bytes, wish.spec),
                mode: 0o755,
                owner: Owner::Init,
            };
            attach(tmpfs, target, owner)
        }
        Mount::Symlink { points_to, target } => RootStep::Symlink {
            points_to: points_to.clone(),
            target: target.clone(),
            owner,
        },
        Mount::File {
            target,
            contents,
            mode,
        } => RootStep::File {
            target: target.clone(),
            contents: contents.clone(),
            mode: *mode,
            owner,
        },
    });
}

/// Of a memory file system: a full one is to be an error that a program can handle, not the end of the sandbox.
pub(crate) fn room(size_bytes: u64, spec: &Spec) -> u64 {
    match spec.limits.memory_bytes {
        Some(memory_bytes) => size_bytes.min(memory_bytes / 2),
        None => size_bytes,
    }
}

pub(crate) fn host(source: &Path, access: Access) -> PlannedMount {
    PlannedMount::Host {
        source: source.to_owned(),
        access,
    }
}

pub(crate) fn attach(mount: PlannedMount, target: impl Into<PathBuf>, owner: Owner) -> RootStep {
    RootStep::Attach {
        mount,
        target: target.into(),
        owner,
    }
}

pub(crate) fn directory(target: &str) -> RootStep {
    RootStep::Directory {
        target: PathBuf::from(target),
        mode: 0o755,
        owner: Owner::Init,
    }
}

pub(crate) fn symlink(points_to: impl Into<PathBuf>, target: impl Into<PathBuf>) -> RootStep {
    RootStep::Symlink {
        points_to: points_to.into(),
        target: target.into(),
        owner: Owner::Init,
    }
}

pub(super) fn file(target: impl Into<PathBuf>, contents: String, mode: u32) -> RootStep {
    RootStep::File {
        target: target.into(),
        contents,
        mode,
        owner: Owner::Init,
    }
}

/// The system of the host without what is only the host's own.
fn host_system(steps: &mut Vec<RootStep>, spec: &Spec, capabilities: &Capabilities) {
    for entry in &capabilities.system {
        steps.push(match entry {
            SystemEntry::Directory { path } => {
                attach(host(path, Access::ReadOnly), path, Owner::Init)
            }
            SystemEntry::Symlink { path, points_to } => symlink(points_to, path),
        });
    }
    steps.push(directory("/etc"));
    for EtcEntry { path } in &capabilities.etc {
        steps.push(attach(host(path, Access::ReadOnly), path, Owner::Init));
    }
    let (passwd, group) = user_files(spec);
    steps.extend([
        file("/etc/passwd", passwd, 0o644),
        file("/etc/group", group, 0o644),
    ]);
    name_files(steps, spec);
    steps.extend([
        file(
            "/etc/nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n".to_owned(),
            0o644,
        ),
        symlink("/proc/self/mounts", "/etc/mtab"),
        directory("/run"),
        directory("/var"),
        symlink("/run", "/var/run"),
        symlink("/tmp", "/var/tmp"),
    ]);
}

/// A root worker's own ids have no name inside, so that files of the host show as nobody's.
fn user_files(spec: &Spec) -> (String, String) {
    let users: Vec<&User> = [&spec.user]
        .into_iter()
        .chain(&spec.further_users)
        .collect();
    let (mut passwd, mut group) = (String::new(), String::new());
    if users.iter().all(|user| user.uid != 0) {
        passwd.push_str("root:x:0:0:root:/root:/bin/sh\n");
    }
    if users.iter().all(|user| user.gid != 0) {
        group.push_str("root:x:0:\n");
    }
    for user in users {
        passwd.push_str(&user.passwd_line());
        group.push_str(&user.group_line());
    }
    passwd.push_str("nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
    group.push_str("nogroup:x:65534:\n");
    (passwd, group)
}

/// For setup's root alone to write: an ordinary worker's command is their owner.
fn name_files(steps: &mut Vec<RootStep>, spec: &Spec) {
    let hostname = &spec.hostname;
    steps.extend([
        file("/etc/hostname", format!("{hostname}\n"), 0o444),
        file(
            "/etc/hosts",
            format!("127.0.0.1 localhost {hostname}\n::1 localhost\n"),
            0o444,
        ),
        file("/etc/resolv.conf", String::new(), 0o444),
    ]);
}

/// What of a system of its own is written anew: into the upper layer, not mounted over, so that package managers can
/// replace these files as they are used to. The next sandbox above that layer finds them as they should be.
fn layered_system(steps: &mut Vec<RootStep>, spec: &Spec) {
    name_files(steps, spec);
    let users = [&spec.user].into_iter().chain(&spec.further_users);
    steps.push(RootStep::Users {
        users: users.cloned().collect(),
    });
}

fn proc(steps: &mut Vec<RootStep>) {
    let proc = Path::new("/proc");
    steps.push(attach(PlannedMount::Proc, proc, Owner::Init));
    steps.extend(PROC_READ_ONLY.iter().map(|name| RootStep::ReadOnly {
        target: proc.join(name),
    }));
    steps.extend(PROC_MASKED.iter().map(|name| RootStep::Mask {
        target: proc.join(name),
    }));
}

pub(crate) fn dev(steps: &mut Vec<RootStep>, spec: &Spec) {
    let dev = Path::new("/dev");
    steps.push(attach(
        PlannedMount::Tmpfs {
            size_bytes: 64 << 10,
            mode: 0o755,
            owner: Owner::Init,
        },
        dev,
        Owner::Init,
    ));
    for name in DEVICES {
        let path = dev.join(name);
        steps.push(attach(host(&path, Access::Device), &path, Owner::Init));
    }
    steps.push(attach(PlannedMount::Devpts, dev.join("pts"), Owner::Init));
    let shm = PlannedMount::Tmpfs {
        size_bytes: room(SHM_SIZE_BYTES, spec),
        mode: 0o1777,
        owner: Owner::Command,
    };
    steps.push(attach(shm, dev.join("shm"), Owner::Init));
    steps.extend([
        symlink("pts/ptmx", "/dev/ptmx"),
        symlink("/proc/self/fd", "/dev/fd"),
        symlink("/proc/self/fd/0", "/dev/stdin"),
        symlink("/proc/self/fd/1", "/dev/stdout"),
        symlink("/proc/self/fd/2", "/dev/stderr"),
    ]);
    if spec.nested_namespaces {
        // The kernel gives a fresh `/proc` only to whoever has one with nothing hidden. It shows the sandbox's processes
        // like the other, and its switches are the host root's; it stands in a directory that is closed.
        let closed = PathBuf::from("/dev/.nested");
        steps.extend([
            RootStep::Directory {
                target: closed.clone(),
                mode: 0,
                owner: Owner::Init,
            },
            attach(PlannedMount::Proc, closed.join("proc"), Owner::Init),
        ]);
    }
    steps.push(RootStep::ReadOnly {
        target: PathBuf::from("/dev"),
    });
}
