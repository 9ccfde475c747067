//! The number of processes, where the kernel holds it without telling.

use std::time::{Duration, Instant};

use super::Watcher;
use super::inside::Inside;
use crate::limit_hit::{Consequence, LimitHit, LimitKind};
use crate::plan::{Hold, Plan};

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A command that forks at the limit goes on doing so.
pub(super) const SAY_EVERY: Duration = Duration::from_secs(1);

/// Sees the limit reached, not each refusal.
pub(super) struct ProcessWatch {
    limit: u64,
    due: Instant,
    silent_until: Instant,
}

impl ProcessWatch {
    pub(super) fn new(plan: &Plan, now: Instant) -> Option<Self> {
        match plan.holds.processes {
            Hold::PerUser => Some(Self {
                limit: plan.limits.processes,
                due: now,
                silent_until: now,
            }),
            Hold::Group(_) | Hold::Watched { .. } | Hold::Processors { .. } => None,
        }
    }
}

impl Watcher for ProcessWatch {
    fn due(&self) -> Instant {
        self.due
    }

    fn look(&mut self, inside: &Inside, now: Instant) -> Vec<LimitHit> {
        self.due = now + LOOK_EVERY;
        if now < self.silent_until {
            return Vec::new();
        }
        let processes = inside.processes();
        let threads: u64 = processes.iter().map(|process| process.threads).sum();
        // An ordinary user's first process counts as well.
        if threads + 1 < self.limit {
            return Vec::new();
        }
        self.silent_until = now + SAY_EVERY;
        vec![LimitHit {
            kind: LimitKind::Processes,
            limit: self.limit,
            command: most_frequent(processes.iter().map(|process| process.name.as_str())),
            consequence: Consequence::Refused,
        }]
    }
}

/// Who forks most is likely to be who filled it.
pub(super) fn most_frequent<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    let (name, _) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    Some(name.to_owned())
}
