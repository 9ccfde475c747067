//! Memory, where no control group holds it.
//!
//! Most looks add up numbers that cannot be too small: what each process has, as if nothing were shared. Only when that
//! is above the limit it is counted exactly, which takes the kernel long. Not seen, and said in `docs/sandbox.md`: what
//! the kernel needs for itself, and shared memory that no process has open or mapped.

mod exact;
mod shared;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::inside::{Inside, Process};
use super::{Watcher, computed, rest};
use crate::backend::Kernel;
use crate::leftover::PidNamespace;
use crate::limit_hit::{Consequence, LimitHit, LimitKind};
use crate::plan::{Hold, Plan};
use exact::{Counted, Share};
use shared::SharedFiles;

const SHORTEST: Duration = Duration::from_millis(2);
/// What one processor can take from the kernel in small pages, at most: by writing to files of memory.
const BYTES_PER_SECOND: u64 = 3 << 30;
/// A process that has less than this part of the limit is not the one to blame.
const WORTH_KILLING: u64 = 16;

pub(super) struct MemoryWatch {
    limit: u64,
    longest: Duration,
    /// Of all processors that the sandbox can run on.
    bytes_per_second: u64,
    namespace: Option<PidNamespace>,
    /// The processes are those of a kernel that runs as one, which keeps the memory of its own processes in one place and
    /// does not survive that one of its helpers is killed.
    is_guest_kernel: bool,
    shared: SharedFiles,
    /// By the last look.
    used: u64,
    killed: BTreeSet<u32>,
    carriers: Vec<u32>,
    due: Instant,
}

impl MemoryWatch {
    pub(super) fn new(plan: &Plan, init: Pid, now: Instant) -> Option<Self> {
        let limit = plan.limits.memory_bytes?;
        let longest = match plan.holds.memory? {
            Hold::Watched { every_ms } => Duration::from_millis(every_ms.into()),
            Hold::Group(_) | Hold::PerUser | Hold::Processors { .. } => return None,
        };
        let allowed = rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count());
        let processors = match plan.holds.cpu {
            Some(Hold::Processors { count }) => count.min(allowed),
            Some(Hold::Group(_) | Hold::Watched { .. } | Hold::PerUser) | None => allowed,
        };
        Some(Self {
            limit,
            longest,
            bytes_per_second: BYTES_PER_SECOND.saturating_mul(processors.max(1).into()),
            namespace: PidNamespace::of(init.as_raw_nonzero().get()),
            is_guest_kernel: plan
                .runtime
                .as_ref()
                .is_some_and(|runtime| runtime.kernel == Kernel::UserSpace),
            shared: SharedFiles::new(limit, now),
            used: 0,
            killed: BTreeSet::new(),
            carriers: Vec::new(),
            due: now,
        })
    }

    /// The faster it can fill and the less is left, the sooner; what takes long is not done as often, unless it grows.
    fn until_next(&self, used: u64, took: Duration) -> Duration {
        let room = (self.limit + self.limit / 5).saturating_sub(used);
        let filled_in_us = room.saturating_mul(1_000_000) / self.bytes_per_second;
        Duration::from_micros(filled_in_us)
            .max(rest(took, if used > self.used { 1 } else { 2 }))
            .clamp(SHORTEST, self.longest)
    }

    /// Who is to be killed, of those that share what is above the limit.
    fn reclaim(&mut self, inside: &Inside, shares: &[Share], used: u64) -> Option<LimitHit> {
        let is_ending = |share: &&Share| share.is_ending || self.killed.contains(&share.pid);
        let soon_free: u64 = shares
            .iter()
            .filter(is_ending)
            .map(|share| share.bytes)
            .sum();
        if used - soon_free.min(used) <= self.limit {
            return None;
        }
        let largest = shares
            .iter()
            .filter(|share| !is_ending(share))
            .max_by_key(|share| share.bytes);
        let hit = |command: Option<String>, consequence| LimitHit {
            kind: LimitKind::Memory,
            limit: self.limit,
            command,
            consequence,
        };
        match largest {
            Some(share) if share.bytes >= self.limit / WORTH_KILLING && inside.kill(share.pid) => {
                self.killed.insert(share.pid);
                Some(hit(Some(share.name.clone()), Consequence::ProcessKilled))
            }
            // It lies in memory file systems or shared memory, which stay when a process ends.
            other => Some(hit(
                other.map(|share| share.name.clone()),
                Consequence::SandboxKilled,
            )),
        }
    }

    /// What is used, and what has been reached. `nobodys` are bytes that stay when a process ends.
    fn processes(
        &mut self,
        inside: &Inside,
        processes: &[Process],
        segments: &[(u64, u64)],
        nobodys: u64,
    ) -> (u64, Vec<LimitHit>) {
        let counted = nobodys + self.shared.bytes();
        let mut used = counted + processes.iter().map(Process::bytes).sum::<u64>();
        let mut hits = self.end_hidden(inside, processes, counted, used);
        if used > self.limit {
            let counted = Counted {
                files: &self.shared,
                segments,
            };
            let room = self.limit.saturating_sub(nobodys);
            let shares = match at_least(processes, nobodys + self.shared.bytes()) > self.limit {
                true => exact::shares_unshared(processes, &counted),
                false => exact::without_doubles(
                    exact::shares(inside, processes, &counted, room),
                    room,
                    self.namespace,
                ),
            };
            used = nobodys + exact::sum_of(&shares);
            if used > self.limit {
                hits.extend(self.reclaim(inside, &shares, used));
            }
        }
        (used, hits)
    }

    /// The same of a guest kernel: its memory is in files that it has open, and its helpers map.
    fn guest_kernel(&self, processes: &[Process], nobodys: u64) -> (u64, Vec<LimitHit>) {
        let mapped = processes.iter().map(|process| process.shared_bytes).max();
        let used = nobodys
            + processes.iter().map(Process::private_bytes).sum::<u64>()
            + self.shared.bytes().max(mapped.unwrap_or(0));
        let hit = LimitHit {
            kind: LimitKind::Memory,
            limit: self.limit,
            command: None,
            consequence: Consequence::SandboxKilled,
        };
        (used, Vec::from_iter((used > self.limit).then_some(hit)))
    }

    /// When much shared memory is in use that nobody was seen to hold, whoever can hide some is to blame: who cannot be
    /// looked into, and who sends descriptors and leaves them unreceived from one such look to the next.
    fn end_hidden(
        &mut self,
        inside: &Inside,
        processes: &[Process],
        counted: u64,
        used: u64,
    ) -> Vec<LimitHit> {
        let unexplained = self.shared.unexplained_bytes(counted);
        // Some is always in use elsewhere.
        if unexplained <= self.limit / 4 || used + unexplained <= self.limit {
            self.carriers.clear();
            return Vec::new();
        }
        let carriers = inside.carriers();
        let carried_before = std::mem::replace(&mut self.carriers, carriers);
        let hides = |pid: &u32| {
            let carries = self.carriers.contains(pid) && carried_before.contains(pid);
            carries || self.shared.hidden.contains(pid)
        };
        let mut hits = Vec::new();
        for process in processes {
            if process.is_ending || !hides(&process.pid) || !inside.kill(process.pid) {
                continue;
            }
            self.killed.insert(process.pid);
            hits.push(LimitHit {
                kind: LimitKind::Memory,
                limit: self.limit,
                command: Some(process.name.clone()),
                consequence: Consequence::ProcessKilled,
            });
        }
        hits
    }
}

impl Watcher for MemoryWatch {
    fn due(&self) -> Instant {
        self.due
    }

    fn look(&mut self, inside: &Inside, now: Instant) -> Vec<LimitHit> {
        let begun = computed();
        let processes = inside.processes();
        self.killed
            .retain(|pid| processes.iter().any(|process| process.pid == *pid));
        self.shared.look(inside, now);
        let segments = inside.shared_memory_segments();
        let nobodys = inside.memory_file_systems_bytes()
            + segments.iter().map(|(_, bytes)| bytes).sum::<u64>();
        let (used, hits) = match self.is_guest_kernel {
            true => self.guest_kernel(&processes, nobodys),
            false => self.processes(inside, &processes, &segments, nobodys),
        };
        self.due = Instant::now() + self.until_next(used, computed().saturating_sub(begun));
        self.used = used;
        hits
    }
}

/// However much is shared: what one process has alone are different pages, and so is what lies in files of memory.
fn at_least(processes: &[Process], files: u64) -> u64 {
    let most = |bytes: &dyn Fn(&Process) -> u64| processes.iter().map(bytes).max().unwrap_or(0);
    let private = most(&Process::private_bytes);
    private + most(&|process| process.shared_bytes).max(files)
}
