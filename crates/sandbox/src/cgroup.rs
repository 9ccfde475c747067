//! Control groups on this machine: where the worker may make some, and which are left of sandboxes that are gone.
//!
//! Groups are made below the worker's own, so that what limits the worker limits its sandboxes too.

mod place;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::capabilities::Cgroup;
use place::{Hierarchy, hierarchies};

/// Below a delegated group of version 2, where a worker moves itself: a group that has processes cannot hand its
/// controllers on.
const WORKER_GROUP: &str = "outwork-worker";
/// Every group of a sandbox begins with this.
const PREFIX: &str = "outwork-sandbox-";
const TRIAL: &str = "outwork-trial-";

/// Where groups can be made. Tries it, see [`crate::probe`].
pub(crate) fn find() -> Cgroup {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    find_in(&hierarchies(
        &read("/proc/self/mountinfo"),
        &read("/proc/self/cgroup"),
    ))
}

fn find_in(hierarchies: &[Hierarchy]) -> Cgroup {
    // Where both are mounted, a controller is in one of them.
    let unified = hierarchies.iter().find_map(|hierarchy| match hierarchy {
        Hierarchy::V2 { own } => unified(own),
        Hierarchy::V1 { .. } => None,
    });
    if let Some(unified) = unified {
        return unified;
    }
    let of = |controller: &str, limit: &str| {
        hierarchies.iter().find_map(|hierarchy| match hierarchy {
            Hierarchy::V1 { controllers, own } => controllers
                .iter()
                .any(|name| name == controller)
                .then(|| own.clone())
                .filter(|own| can_make(own, &[limit, "tasks"])),
            Hierarchy::V2 { .. } => None,
        })
    };
    let memory = of("memory", "memory.limit_in_bytes");
    let processes = of("pids", "pids.max");
    let cpu = of("cpu", "cpu.cfs_quota_us");
    if memory.is_none() && processes.is_none() && cpu.is_none() {
        return Cgroup::None;
    }
    Cgroup::V1 {
        memory,
        processes,
        cpu,
    }
}

/// In version 2, if the worker's group is delegated to it.
fn unified(own: &Path) -> Option<Cgroup> {
    let parent = if own.file_name()? == WORKER_GROUP {
        own.parent()?
    } else {
        own
    };
    let offered = words(&parent.join("cgroup.controllers"));
    let wanted: Vec<&str> = ["memory", "pids", "cpu"]
        .into_iter()
        .filter(|name| offered.iter().any(|offered| offered == name))
        .collect();
    if wanted.is_empty() {
        return None;
    }
    let passed_on = |name: &&str| {
        let enabled = words(&parent.join("cgroup.subtree_control"));
        enabled.iter().any(|enabled| enabled == name)
    };
    if !wanted.iter().all(passed_on) {
        // What cannot be had shows below, in what a group made here has.
        let _ = pass_on(parent, &wanted);
    }
    let has = |controller: &str, limit: &str| {
        wanted.contains(&controller) && can_make(parent, &[limit, "cgroup.procs"])
    };
    let (memory, processes, cpu) = (
        has("memory", "memory.max"),
        has("pids", "pids.max"),
        has("cpu", "cpu.max"),
    );
    (memory || processes || cpu).then(|| Cgroup::V2 {
        parent: parent.to_owned(),
        memory,
        processes,
        cpu,
    })
}

/// Let children of `parent` have these controllers. The kernel refuses it as long as there are processes in it, so this
/// process goes into a child of its own, if it is the only one: others are not ours to move.
fn pass_on(parent: &Path, controllers: &[&str]) -> io::Result<()> {
    let own = std::process::id().to_string();
    let inside = words(&parent.join("cgroup.procs"));
    if !inside.is_empty() {
        if inside != [own.as_str()] {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let leaf = parent.join(WORKER_GROUP);
        match fs::create_dir(&leaf) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => fs::write(leaf.join("cgroup.procs"), own)?,
        }
    }
    for controller in controllers {
        // One at a time: one that is refused must not cost the others.
        let _ = fs::write(
            parent.join("cgroup.subtree_control"),
            format!("+{controller}"),
        );
    }
    Ok(())
}

/// Can a group be made here, and these files in it be written?
fn can_make(parent: &Path, files: &[&str]) -> bool {
    static TRIALS: AtomicU64 = AtomicU64::new(0);
    let number = TRIALS.fetch_add(1, Ordering::Relaxed);
    let trial = parent.join(format!("{TRIAL}{}-{number}", owner(std::process::id())));
    if fs::create_dir(&trial).is_err() {
        return false;
    }
    let writable = files.iter().all(|file| {
        let mut options = fs::OpenOptions::new();
        options.write(true).open(trial.join(file)).is_ok()
    });
    let _ = fs::remove_dir(&trial);
    writable
}

fn words(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// The name of the group of the sandbox whose launcher is `launcher`.
pub(crate) fn name(launcher: u32) -> String {
    format!("{PREFIX}{}", owner(launcher))
}

/// A process, told from all others that had or will have its number: `PID_NAMESPACE-PID-STARTED_AT`.
fn owner(pid: u32) -> String {
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let namespace: String = namespace
        .to_string_lossy()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    let started_at = started_at(pid).unwrap_or_default();
    format!("{namespace}-{pid}-{started_at}")
}

/// In ticks since the machine started.
fn started_at(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the name, which may hold anything but is closed by the last bracket; the state is the third field.
    let after_name = stat.rsplit_once(") ")?.1;
    after_name.split(' ').nth(22 - 3)?.parse().ok()
}

/// Remove the groups of sandboxes whose launcher is gone: it removes its own, unless it was killed together with its
/// worker. Nothing can be in them, for a sandbox ends with its launcher. Returns what was removed.
///
/// To be called when a worker starts. Groups of other workers that run are left alone, also in other containers.
pub fn sweep(cgroup: &Cgroup) -> Vec<PathBuf> {
    let parents: Vec<&Path> = match cgroup {
        Cgroup::None => Vec::new(),
        Cgroup::V1 {
            memory,
            processes,
            cpu,
        } => [memory, processes, cpu]
            .into_iter()
            .flatten()
            .map(PathBuf::as_path)
            .collect(),
        Cgroup::V2 { parent, .. } => vec![parent],
    };
    let mut removed = Vec::new();
    for parent in parents {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            if name.to_str().is_some_and(is_stale) && fs::remove_dir(entry.path()).is_ok() {
                removed.push(entry.path());
            }
        }
    }
    removed
}

fn is_stale(name: &str) -> bool {
    let Some(of) = name
        .strip_prefix(PREFIX)
        .or_else(|| name.strip_prefix(TRIAL))
    else {
        return false;
    };
    let mut parts = of.split('-');
    let (Some(namespace), Some(pid), Some(started_at)) = (
        parts.next(),
        parts.next().and_then(|pid| pid.parse().ok()),
        parts.next(),
    ) else {
        return false;
    };
    // Numbers of another namespace say nothing here.
    let now = owner(pid);
    now.split('-').next() == Some(namespace) && now != format!("{namespace}-{pid}-{started_at}")
}
