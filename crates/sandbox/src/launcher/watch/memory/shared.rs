//! Shared memory that processes hold by descriptors: `memfd_create`, mapped or not.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::fs::Stat;

use crate::launcher::watch::inside::{Inside, OpenFile};
use crate::launcher::watch::{computed, rest};
use crate::syscalls::{shared_memory_bytes, shared_memory_device};

/// Also where nothing has grown: another sandbox may have given back as much as this one took.
const AT_LEAST_EVERY: Duration = Duration::from_secs(1);
/// Of the files that are known, how many are looked at again without looking for others.
const KNOWN: usize = 32;

/// Looking at every descriptor costs much, so it is done when the machine's shared memory has grown, and not as soon as the
/// files that are known are looked at again: a kernel that runs as a process has one for all its memory, and hundreds of
/// descriptors.
pub(super) struct SharedFiles {
    /// Of the file system that they are in.
    pub device: u64,
    /// By inode.
    held: BTreeMap<u64, Held>,
    /// Processes that could not be looked into twice, one time after the other.
    pub hidden: Vec<u32>,
    hidden_once: Vec<u32>,
    /// The least that was in use on the machine and not counted here.
    elsewhere: u64,
    machine_lowest: u64,
    step: u64,
    not_before: Instant,
    at_the_latest: Instant,
}

/// Where a file was seen to be open, and what is in it.
struct Held {
    at: OpenFile,
    bytes: u64,
}

impl SharedFiles {
    pub(super) fn new(limit: u64, now: Instant) -> Self {
        let machine = shared_memory_bytes();
        Self {
            // Where there is no such file system nothing is in it.
            device: shared_memory_device().unwrap_or_default(),
            held: BTreeMap::new(),
            hidden: Vec::new(),
            hidden_once: Vec::new(),
            elsewhere: machine,
            machine_lowest: machine,
            step: limit / 64,
            not_before: now,
            at_the_latest: now,
        }
    }

    pub(super) fn look(&mut self, inside: &Inside, now: Instant) {
        let machine = shared_memory_bytes();
        self.machine_lowest = self.machine_lowest.min(machine);
        let grown = machine - self.machine_lowest > self.step;
        if now < self.not_before || !(grown || now >= self.at_the_latest) {
            if grown {
                self.look_at_known(inside);
            }
            return;
        }
        let begun = computed();
        self.held.clear();
        let (device, held) = (self.device, &mut self.held);
        let hidden = inside.open_files(|at, stat| {
            if stat.st_dev == device {
                let bytes = bytes_in(stat);
                held.entry(stat.st_ino).or_insert(Held { at, bytes });
            }
        });
        let before = std::mem::replace(&mut self.hidden_once, hidden);
        self.hidden = before;
        self.hidden.retain(|pid| self.hidden_once.contains(pid));
        self.machine_lowest = machine;
        let (now, took) = (Instant::now(), computed().saturating_sub(begun));
        self.not_before = now + rest(took, 4);
        self.at_the_latest = now + rest(took, 20).max(AT_LEAST_EVERY);
    }

    fn look_at_known(&mut self, inside: &Inside) {
        for (inode, held) in self.held.iter_mut().take(KNOWN) {
            let stat = inside.open_file(held.at);
            let same = stat.filter(|stat| (stat.st_dev, stat.st_ino) == (self.device, *inode));
            // Until the next look at all of them it counts as it was.
            if let Some(stat) = same {
                held.bytes = bytes_in(&stat);
            }
        }
    }

    pub(super) fn has(&self, inode: u64) -> bool {
        self.held.contains_key(&inode)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.held.values().map(|held| held.bytes).sum()
    }

    /// What ends with this process, unless another holds it too.
    pub(super) fn bytes_of(&self, pid: u32) -> u64 {
        let own = self.held.values().filter(|held| held.at.pid == pid);
        own.map(|held| held.bytes).sum()
    }

    /// What the machine's shared memory has grown by, at most, but for what is counted.
    pub(super) fn unexplained_bytes(&mut self, counted: u64) -> u64 {
        let uncounted = shared_memory_bytes().saturating_sub(counted);
        self.elsewhere = self.elsewhere.min(uncounted);
        uncounted - self.elsewhere
    }
}

fn bytes_in(stat: &Stat) -> u64 {
    stat.st_blocks.unsigned_abs() * 512
}
