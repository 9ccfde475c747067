//! What must not be left: processes, mounts, control groups, files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::process::{processes, runs_below};
use crate::record::Record;
use crate::work::MARK;

/// Where control groups are.
const GROUPS: &str = "/sys/fs/cgroup";
/// How the groups of sandboxes begin; the parts behind name a namespace, the launcher and when it started.
const GROUP: &str = "outwork-sandbox-";

const LEFT: &str = "left behind";
/// For other workers on this machine to sweep their groups.
const SWEPT_WITHIN: Duration = Duration::from_secs(15);

/// What was there before.
pub(crate) struct Before {
    groups: BTreeSet<PathBuf>,
}

impl Before {
    pub(crate) fn look() -> Self {
        Self { groups: groups() }
    }

    /// Looks for what is left of a site whose processes have all ended.
    pub(crate) fn compare(
        &self,
        record: &Record,
        dir: &Path,
        mark: &str,
        workers: &[PathBuf],
        data: &Path,
    ) {
        let left = |what: String| record.find(LEFT, None, what);
        let ours = processes(|found| {
            found.variable(MARK).as_deref() == Some(mark) || runs_below(found.id, dir)
        });
        for process in ours {
            left(format!("process {}: {}", process.id, process.line));
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let place = dir.display().to_string();
        for mount in mounts.lines().filter(|line| line.contains(&place)) {
            // The disk that a scenario made for the server is its own to unmount.
            if !mount.contains(&data.display().to_string()) {
                left(format!("mount {mount}"));
            }
        }
        for group in self.stale_groups() {
            left(format!("control group {}", group.display()));
        }
        for worker in workers {
            for file in files_of_attempts(worker) {
                left(format!("file {}", file.display()));
            }
        }
        for file in unfinished_objects(&data.join("objects")) {
            left(format!("unfinished object {}", file.display()));
        }
    }
}

impl Before {
    /// Groups that have come since, and whose launcher is gone. Those of other workers on this machine, which may be killed too, go
    /// when these start again; ours do not any more.
    fn stale_groups(&self) -> BTreeSet<PathBuf> {
        let begin = Instant::now();
        loop {
            let new: BTreeSet<_> = groups().difference(&self.groups).cloned().collect();
            let stale: BTreeSet<_> = new.into_iter().filter(|group| is_dead(group)).collect();
            if stale.is_empty() || begin.elapsed() > SWEPT_WITHIN {
                return stale;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Whether the launcher that made the group is gone.
fn is_dead(group: &Path) -> bool {
    let name = group.file_name().and_then(|name| name.to_str());
    let launcher = name.and_then(|name| name.strip_prefix(GROUP)?.split('-').nth(1));
    launcher.is_some_and(|launcher| !Path::new("/proc").join(launcher).exists())
}

fn groups() -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    below(Path::new(GROUPS), 6, &mut |path| {
        let name = path.file_name().and_then(|name| name.to_str());
        if name.is_some_and(|name| name.starts_with(GROUP)) {
            found.insert(path.to_owned());
        }
    });
    found
}

/// What a worker may have only while an attempt runs.
fn files_of_attempts(state: &Path) -> Vec<PathBuf> {
    let slots = children(&state.join("run"));
    let sockets = slots.iter().flat_map(|slot| children(slot));
    let parts = ["attempts", "snapshots/building", "snapshots/trash"];
    let parts = parts.iter().flat_map(|part| children(&state.join(part)));
    parts.chain(sockets).collect()
}

/// What the object store writes before it gives a file its name.
fn unfinished_objects(objects: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    below(objects, 6, &mut |path| {
        if path.display().to_string().contains('#') {
            found.push(path.to_owned());
        }
    });
    found
}

fn below(dir: &Path, depth: usize, each: &mut impl FnMut(&Path)) {
    for child in children(dir) {
        each(&child);
        if depth > 0 && child.is_dir() && !child.is_symlink() {
            below(&child, depth - 1, each);
        }
    }
}

fn children(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}
