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
use super::walk::{self, Progress, Usage, Walk};
use super::{Begun, Watcher, computed, rest};
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
/// What one command can write and make in a millisecond, where a disk is fast: when little is left, looks are as frequent.
const MOST_BYTES_A_MS: u64 = 4 << 20;
const MOST_FILES_A_MS: u64 = 500;
const NO_MORE_OFTEN: Duration = Duration::from_millis(5);

pub(super) struct DiskWatch {
    limits: Limits,
    every: Duration,
    trees: Vec<OwnedFd>,
    before: Before,
    walk: Option<Begin>,
    /// What was in the trees, by the last walk that came to its end.
    in_trees: Usage,
    /// What deleted files took that were open, when that was last looked at.
    deleted: Usage,
    /// What the command had added, by both.
    added: Usage,
    /// The most that was free since the last walk began.
    most_free: Usage,
    not_before: Instant,
    /// Not even when all that was left may be gone.
    not_at_all_before: Instant,
    at_the_latest: Instant,
    due: Instant,
}

/// A walk that has begun.
struct Begin {
    walk: Walk,
    /// What this thread had computed by then.
    at: Duration,
    /// All that was left may be gone: there is no time to rest.
    is_urgent: bool,
    /// Since the one before.
    lost: Usage,
    /// Nothing said that it is needed: it looks at everything.
    is_thorough: bool,
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
        walk::make_room();
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
            in_trees: Usage::default(),
            deleted: Usage::default(),
            added: Usage::default(),
            most_free: free,
            not_before: now,
            not_at_all_before: now,
            at_the_latest: now,
            due: now,
        }))
    }

    /// Is there something to walk for?
    fn begin_walk(&mut self, now: Instant) {
        let free = free(&self.trees);
        self.most_free.bytes = self.most_free.bytes.max(free.bytes);
        self.most_free.files = self.most_free.files.max(free.files);
        let lost = self.lost(free);
        let is_thorough = now >= self.at_the_latest;
        let is_urgent = self.is_near(lost, 1);
        let not_before = match is_urgent {
            true => self.not_at_all_before,
            false if is_thorough || self.is_near(lost, STEPS) => self.not_before,
            false => return,
        };
        if now < not_before {
            return;
        }
        self.most_free = free;
        self.walk = Some(Begin {
            walk: Walk::new(again(&self.trees)),
            at: computed(),
            is_urgent,
            lost,
            is_thorough,
        });
    }

    /// Would that much be at least this part of what was left?
    fn is_near(&self, lost: Usage, part: u64) -> bool {
        let (Limits { bytes, files }, added) = (&self.limits, self.added);
        let left = |limit: u64, added: u64| limit.saturating_sub(added) / part;
        bytes.is_some_and(|limit| lost.bytes > left(limit, added.bytes))
            || files.is_some_and(|limit| lost.files > left(limit, added.files))
    }

    /// What has become less since the last walk began; not all of it need be the command's.
    fn lost(&self, free: Usage) -> Usage {
        Usage {
            bytes: self.most_free.bytes.saturating_sub(free.bytes),
            files: self.most_free.files.saturating_sub(free.files),
        }
    }

    /// So soon that no more than what is left can be gone by then.
    fn next_look(&self) -> Duration {
        let (Limits { bytes, files }, added) = (&self.limits, self.added);
        let lost = self.lost(free(&self.trees));
        let ms = [
            (*bytes, added.bytes + lost.bytes, MOST_BYTES_A_MS),
            (*files, added.files + lost.files, MOST_FILES_A_MS),
        ]
        .into_iter()
        .filter_map(|(limit, used, most_a_ms)| Some(limit?.saturating_sub(used) / most_a_ms));
        let soonest = ms.min().map_or(self.every, Duration::from_millis);
        soonest.clamp(NO_MORE_OFTEN.min(self.every), self.every)
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
        let mut begun = self.walk.take()?;
        match begun.walk.go_on(now + PART_OF_A_WALK) {
            Progress::Going => {
                let hit = self.limits.exceeded(self.added(begun.walk.usage), inside);
                self.walk = Some(begun);
                hit
            }
            // What is below cannot be counted: it may be anything.
            Progress::TooDeep => Some(self.limits.hit_by_depth(inside)),
            Progress::Done => {
                let added = self.added(begun.walk.usage);
                let hit = self.limits.exceeded(added, inside);
                if hit.is_none() {
                    self.end_walk(begun, inside);
                }
                hit.or_else(|| self.limits.exceeded(self.added, inside))
            }
        }
    }

    /// Looking at open files takes long where there are many, so it is done if what is gone is not in the trees.
    fn end_walk(&mut self, begun: Begin, inside: &Inside) {
        let Begin {
            mut walk,
            at,
            is_urgent: _,
            lost,
            is_thorough,
        } = begun;
        let found = walk.usage;
        let elsewhere = Usage {
            bytes: (lost.bytes + self.in_trees.bytes).saturating_sub(found.bytes),
            files: (lost.files + self.in_trees.files).saturating_sub(found.files),
        };
        let as_before = self.added(found + self.deleted);
        if is_thorough
            || self.is_near(elsewhere, STEPS)
            || self.limits.first_below(as_before).is_some()
        {
            self.deleted = deleted_files(&mut walk, inside);
        }
        let (now, took) = (Instant::now(), computed().saturating_sub(at));
        // What grows by itself is looked at again at once: in the time of a rest it would grow by as much as in a walk.
        let is_its_own = 2 * (found.bytes.saturating_sub(self.in_trees.bytes)) > lost.bytes
            || 2 * (found.files.saturating_sub(self.in_trees.files)) > lost.files;
        self.in_trees = found;
        self.added = self.added(found + self.deleted);
        self.not_before = now + rest(took, 4);
        self.not_at_all_before = now + rest(took, u32::from(!is_its_own));
        if is_thorough {
            self.at_the_latest = now + rest(took, 20).max(AT_LEAST_EVERY);
        }
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
            self.begin_walk(now);
        }
        let hit = self.go_on(inside, now);
        self.due = Instant::now()
            + match self.walk {
                Some(Begin {
                    is_urgent: true, ..
                }) => Duration::ZERO,
                Some(_) => BETWEEN_PARTS,
                None => self.next_look(),
            };
        hit.into_iter().collect()
    }
}

impl Limits {
    fn exceeded(&self, added: Usage, inside: &Inside) -> Option<LimitHit> {
        let (kind, limit) = self.first_below(added)?;
        Some(hit(kind, limit, inside))
    }

    fn first_below(&self, added: Usage) -> Option<(LimitKind, u64)> {
        let over = |limit: Option<u64>, added: u64| limit.filter(|limit| added > *limit);
        over(self.bytes, added.bytes)
            .map(|limit| (LimitKind::DiskBytes, limit))
            .or_else(|| over(self.files, added.files).map(|limit| (LimitKind::DiskFiles, limit)))
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

/// Files without a name that are open, and what they take.
fn deleted_files(walk: &mut Walk, inside: &Inside) -> Usage {
    let in_trees = walk.usage;
    let mut memory = inside.memory_devices();
    memory.extend(shared_memory_device());
    inside.open_files(|_, stat| {
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if is_file && stat.st_nlink == 0 && !memory.contains(&stat.st_dev) {
            walk.count(stat);
        }
    });
    Usage {
        bytes: walk.usage.bytes - in_trees.bytes,
        files: walk.usage.files - in_trees.files,
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
