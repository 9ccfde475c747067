//! A control group: the kernel holds the limit and counts how often it had to; who it was is for us to find out.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use super::Watcher;
use super::inside::{Inside, Process};
use super::number::after;
use super::processes::{SAY_EVERY, most_frequent};
use crate::launcher::groups::Groups;
use crate::limit_hit::{Consequence, LimitHit, LimitKind};
use crate::plan::{GroupVersion, Hold, Plan};

const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Of those that were seen, the kernel kills one of the largest.
const SUSPECTS: usize = 8;

pub(super) struct GroupWatch {
    memory: Option<Memory>,
    processes: Option<Counter>,
    processes_limit: u64,
    silent_until: Instant,
    due: Instant,
}

struct Memory {
    limit: u64,
    used: File,
    kills: Counter,
    /// The largest processes at the last look, largest first.
    suspects: Vec<Process>,
}

/// A number in a file that only grows.
struct Counter {
    file: File,
    key: &'static str,
    seen: u64,
}

impl Counter {
    fn open(groups: &Groups, file: &str, key: &'static str) -> Option<Self> {
        let mut counter = Self {
            file: groups.open(file)?,
            key,
            seen: 0,
        };
        counter.grown();
        Some(counter)
    }

    /// By how much since it was asked last.
    fn grown(&mut self) -> u64 {
        let now = after(self.key, &read(&self.file)).unwrap_or(self.seen);
        now.saturating_sub(std::mem::replace(&mut self.seen, now))
    }
}

impl GroupWatch {
    pub(super) fn new(plan: &Plan, groups: &Groups, now: Instant) -> Option<Self> {
        let memory = plan.limits.memory_bytes.zip(plan.holds.memory);
        let memory = memory.and_then(|(limit, hold)| {
            let (used, events) = match hold {
                Hold::Group(GroupVersion::V1) => ("memory.usage_in_bytes", "memory.oom_control"),
                Hold::Group(GroupVersion::V2) => ("memory.current", "memory.events"),
                Hold::Watched { .. } | Hold::PerUser | Hold::Processors { .. } => return None,
            };
            Some(Memory {
                limit,
                used: groups.open(used)?,
                kills: Counter::open(groups, events, "oom_kill")?,
                suspects: Vec::new(),
            })
        });
        let processes = match plan.holds.processes {
            Hold::Group(_) => Counter::open(groups, "pids.events", "max"),
            Hold::Watched { .. } | Hold::PerUser | Hold::Processors { .. } => None,
        };
        (memory.is_some() || processes.is_some()).then_some(Self {
            memory,
            processes,
            processes_limit: plan.limits.processes,
            silent_until: now,
            due: now,
        })
    }

    fn refused(&mut self, inside: Option<&Inside>, now: Instant) -> Option<LimitHit> {
        if now < self.silent_until || self.processes.as_mut()?.grown() == 0 {
            return None;
        }
        self.silent_until = now + SAY_EVERY;
        let processes = inside.map(Inside::processes).unwrap_or_default();
        Some(LimitHit {
            kind: LimitKind::Processes,
            limit: self.processes_limit,
            command: most_frequent(processes.iter().map(|process| process.name.as_str())),
            consequence: Consequence::Refused,
        })
    }
}

impl Memory {
    /// `inside` is `None` when all is gone.
    fn killed(&mut self, inside: Option<&Inside>) -> Option<LimitHit> {
        let kills = self.kills.grown();
        let nearly_full = read(&self.used)
            .trim()
            .parse()
            .is_ok_and(|used: u64| used > self.limit / 2);
        if kills == 0 && !nearly_full {
            self.suspects.clear();
            return None;
        }
        let processes = inside.map(Inside::processes).unwrap_or_default();
        let hit = (kills > 0).then(|| LimitHit {
            kind: LimitKind::Memory,
            limit: self.limit,
            command: victim(&self.suspects, &processes),
            consequence: Consequence::ProcessKilled,
        });
        if inside.is_some() {
            self.suspects = processes;
            self.suspects
                .sort_by_key(|process| std::cmp::Reverse(process.bytes()));
            self.suspects.truncate(SUSPECTS);
        }
        hit
    }
}

/// The largest of those seen before that is ending or gone now; else whoever is ending.
fn victim(before: &[Process], now: &[Process]) -> Option<String> {
    let is_ending = |process: &&Process| {
        !process.is_ending
            && now
                .iter()
                .find(|other| other.pid == process.pid)
                .is_none_or(|process| process.is_ending)
    };
    before
        .iter()
        .find(is_ending)
        .or_else(|| now.iter().find(|process| process.is_ending))
        .map(|process| process.name.clone())
}

impl Watcher for GroupWatch {
    fn due(&self) -> Instant {
        self.due
    }

    fn look(&mut self, inside: &Inside, now: Instant) -> Vec<LimitHit> {
        self.due = now + LOOK_EVERY;
        let killed = self
            .memory
            .as_mut()
            .and_then(|memory| memory.killed(Some(inside)));
        killed
            .into_iter()
            .chain(self.refused(Some(inside), now))
            .collect()
    }

    fn at_the_end(&mut self) -> Vec<LimitHit> {
        let killed = self.memory.as_mut().and_then(|memory| memory.killed(None));
        let now = self.silent_until;
        killed.into_iter().chain(self.refused(None, now)).collect()
    }
}

fn read(file: &File) -> String {
    let mut text = [0; 1024];
    let length = file.read_at(&mut text, 0).unwrap_or(0);
    String::from_utf8_lossy(&text[..length]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, name: &str, is_ending: bool) -> Process {
        Process {
            pid,
            name: name.to_owned(),
            is_ending,
            ..Process::default()
        }
    }

    #[test]
    fn the_victim_is_the_largest_that_is_no_more() {
        let before = [process(2, "sh", false), process(3, "node", false)];
        let now = [process(2, "sh", false)];
        assert_eq!(victim(&before, &now).as_deref(), Some("node"));
        let now = [process(2, "sh", false), process(3, "node", true)];
        assert_eq!(victim(&before, &now).as_deref(), Some("node"));
        assert_eq!(victim(&[], &now).as_deref(), Some("node"));
        assert_eq!(victim(&before, &[]).as_deref(), Some("sh"), "all are gone");
        assert_eq!(victim(&[], &[]), None);
    }
}
