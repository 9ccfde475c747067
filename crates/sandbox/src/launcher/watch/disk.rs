//! Disk space and files, which no kernel counts for a sandbox.
//!
//! Cheap looks ask the file systems how much is free. The trees are walked when that has become so much less that the
//! limit may be near, and otherwise now and then. What others write can cause a walk, never a kill: that is decided by
//! what is in the sandbox's own trees, and by deleted files that are still open.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Mode, OFlags};

use super::inside::Inside;
use super::walk::{Progress, Usage, Walk};
use super::{Begun, Watcher, rest};
use crate::error::{SandboxError, Step};
use crate::limit_hit::{Consequence, LimitHit, LimitKind};
use crate::plan::{Access, Hold, Plan, PlannedMount, PlannedOverlay, RootBase, RootStep};
use crate::syscalls::shared_memory_device;

/// The one thread has other looks to take.
const PART_OF_A_WALK: Duration = Duration::from_millis(4);
const BETWEEN_PARTS: Duration = Duration::from_millis(2);
/// What others give back to the file system hides what is taken from it.
const AT_LEAST_EVERY: Duration = Duration::from_secs(1);
/// A walk when this part of what is left may be gone.
const STEPS: u64 = 4;

pub(super) struct DiskWatch {
    limits: Limits,
    every: Duration,
    trees: Vec<OwnedFd>,
    before: Before,
    walk: Option<(Walk, Instant)>,
    /// What the command had added, by the last walk that came to its end.
    added: Usage,
    /// The most that was free since the last walk began.
    most_free: Usage,
    not_before: Instant,
    at_the_latest: Instant,
    due: Instant,
}

/// What was in the trees when the command began.
enum Before {
    /// The command can run already: what changes from the start on counts as its own.
    Counting(Walk),
    Known(Usage),
}

struct Limits {
    bytes: Option<u64>,
    files: Option<u64>,
}

impl DiskWatch {
    /// Fails rather than leave a tree out.
    pub(super) fn new(
        plan: &Plan,
        begun: Begun,
        now: Instant,
    ) -> Result<Option<Self>, SandboxError> {
        let every = match plan.holds.disk {
            Some(Hold::Watched { every_ms }) => Duration::from_millis(every_ms.into()),
            Some(Hold::Group(_) | Hold::PerUser | Hold::Processors { .. }) | None => {
                return Ok(None);
            }
        };
        let paths = writable(plan);
        let trees: Vec<OwnedFd> = paths
            .iter()
            .map(|path| open(path))
            .collect::<Result<_, _>>()?;
        let walk = Walk::new(again(&trees)).older_than(begun.0);
        let free = free(&trees);
        Ok(Some(Self {
            limits: Limits {
                bytes: plan.limits.disk_bytes,
                files: plan.limits.disk_files,
            },
            every,
            trees,
            before: Before::Counting(walk),
            walk: None,
            added: Usage::default(),
            most_free: free,
            not_before: now,
            at_the_latest: now,
            due: now,
        }))
    }

    /// Is there something to walk for?
    fn begin_walk(&mut self, inside: &Inside, now: Instant) {
        let free = free(&self.trees);
        self.most_free.bytes = self.most_free.bytes.max(free.bytes);
        self.most_free.files = self.most_free.files.max(free.files);
        let lost = Usage {
            bytes: self.most_free.bytes.saturating_sub(free.bytes),
            files: self.most_free.files.saturating_sub(free.files),
        };
        let near = |limit: Option<u64>, added: u64, lost: u64| {
            limit.is_some_and(|limit| lost > limit.saturating_sub(added) / STEPS)
        };
        let wanted = near(self.limits.bytes, self.added.bytes, lost.bytes)
            || near(self.limits.files, self.added.files, lost.files)
            || now >= self.at_the_latest;
        if !wanted || now < self.not_before {
            return;
        }
        let mut walk = Walk::new(again(&self.trees));
        let mut memory = inside.memory_devices();
        memory.extend(shared_memory_device());
        inside.open_files(|_, stat| {
            let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
            if is_file && stat.st_nlink == 0 && !memory.contains(&stat.st_dev) {
                walk.count(stat);
            }
        });
        self.most_free = free;
        self.walk = Some((walk, now));
    }

    fn added(&self, usage: Usage) -> Usage {
        match &self.before {
            Before::Counting(_) => Usage::default(),
            Before::Known(before) => Usage {
                bytes: usage.bytes.saturating_sub(before.bytes),
                files: usage.files.saturating_sub(before.files),
            },
        }
    }

    /// Returns whether it is known.
    fn count_before(&mut self, now: Instant) -> bool {
        if let Before::Counting(walk) = &mut self.before {
            match walk.go_on(now + PART_OF_A_WALK) {
                Progress::Going => return false,
                // What is too deep now is no better later.
                Progress::Done | Progress::TooDeep => self.before = Before::Known(walk.usage),
            }
        }
        true
    }

    fn go_on(&mut self, inside: &Inside, now: Instant) -> Option<LimitHit> {
        let (mut walk, began) = self.walk.take()?;
        match walk.go_on(now + PART_OF_A_WALK) {
            Progress::Going => {
                let hit = self.limits.exceeded(self.added(walk.usage), inside);
                self.walk = Some((walk, began));
                hit
            }
            // What is below cannot be counted: it may be anything.
            Progress::TooDeep => Some(self.limits.hit_by_depth(inside)),
            Progress::Done => {
                self.end_walk(walk.usage, began);
                self.limits.exceeded(self.added, inside)
            }
        }
    }

    fn end_walk(&mut self, usage: Usage, began: Instant) {
        let (now, took) = (Instant::now(), began.elapsed());
        self.added = self.added(usage);
        self.not_before = now + rest(took, 4);
        self.at_the_latest = now + rest(took, 20).max(AT_LEAST_EVERY);
    }
}

impl Watcher for DiskWatch {
    fn due(&self) -> Instant {
        self.due
    }

    fn look(&mut self, inside: &Inside, now: Instant) -> Vec<LimitHit> {
        if !self.count_before(now) {
            self.due = Instant::now() + BETWEEN_PARTS;
            return Vec::new();
        }
        if self.walk.is_none() {
            self.begin_walk(inside, now);
        }
        let hit = self.go_on(inside, now);
        self.due = Instant::now()
            + match self.walk {
                Some(_) => BETWEEN_PARTS,
                None => self.every,
            };
        hit.into_iter().collect()
    }
}

impl Limits {
    fn exceeded(&self, added: Usage, inside: &Inside) -> Option<LimitHit> {
        let over = |limit: Option<u64>, added: u64| limit.filter(|limit| added > *limit);
        let (kind, limit) = over(self.bytes, added.bytes)
            .map(|limit| (LimitKind::DiskBytes, limit))
            .or_else(|| over(self.files, added.files).map(|limit| (LimitKind::DiskFiles, limit)))?;
        Some(hit(kind, limit, inside))
    }

    fn hit_by_depth(&self, inside: &Inside) -> LimitHit {
        match (self.files, self.bytes) {
            (Some(files), _) => hit(LimitKind::DiskFiles, files, inside),
            (None, bytes) => hit(LimitKind::DiskBytes, bytes.unwrap_or_default(), inside),
        }
    }
}

fn hit(kind: LimitKind, limit: u64, inside: &Inside) -> LimitHit {
    LimitHit {
        kind,
        limit,
        command: inside.largest_writer(),
        consequence: Consequence::SandboxKilled,
    }
}

/// What the command can write that is on a disk: directories of the host as they are there. None is in another.
fn writable(plan: &Plan) -> Vec<PathBuf> {
    let upper = |overlay: &PlannedOverlay| overlay.directory.join(&overlay.upper);
    let mut paths: Vec<PathBuf> = match &plan.base {
        RootBase::Memory => Vec::new(),
        RootBase::Overlay(overlay) => vec![upper(overlay)],
    };
    paths.extend(plan.root.iter().filter_map(|step| match step {
        RootStep::Attach {
            mount:
                PlannedMount::Host {
                    source,
                    access: Access::Writable(_),
                },
            ..
        } => Some(source.clone()),
        RootStep::Attach {
            mount: PlannedMount::Overlay(overlay),
            ..
        } => Some(upper(overlay)),
        RootStep::Attach { .. }
        | RootStep::Directory { .. }
        | RootStep::Mask { .. }
        | RootStep::ReadOnly { .. }
        | RootStep::Symlink { .. }
        | RootStep::File { .. }
        | RootStep::Users { .. } => None,
    }));
    paths.sort();
    // Sorted, a directory comes before what is in it.
    paths.dedup_by(|later, earlier| later.starts_with(&*earlier));
    paths
}

fn open(path: &Path) -> Result<OwnedFd, SandboxError> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
        .map_err(|e| SandboxError::caused_by(Step::OpenSource, path.display().to_string(), e))
}

/// For a walk, which closes them.
fn again(trees: &[OwnedFd]) -> Vec<OwnedFd> {
    trees
        .iter()
        .filter_map(|tree| tree.try_clone().ok())
        .collect()
}

/// Of every file system that a tree is on, once.
fn free(trees: &[OwnedFd]) -> Usage {
    let mut seen = Vec::new();
    let mut free = Usage::default();
    for tree in trees {
        let (Ok(stat), Ok(room)) = (rustix::fs::fstat(tree), rustix::fs::fstatvfs(tree)) else {
            continue;
        };
        if seen.contains(&stat.st_dev) {
            continue;
        }
        seen.push(stat.st_dev);
        free.bytes += room.f_bfree.saturating_mul(room.f_frsize);
        free.files += room.f_ffree;
    }
    free
}
