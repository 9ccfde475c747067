//! What each process has, with shared pages counted once.

use std::time::Duration;

use super::shared::SharedFiles;
use crate::launcher::watch::inside::{Inside, Process};
use crate::launcher::watch::number::kilobytes_after;
use crate::leftover::PidNamespace;
use crate::syscalls::share_memory;

/// Of the text that tells of each mapping. Who has more is counted as if nothing were shared.
const LONGEST_MAPPINGS: usize = 8 << 20;
/// Walking the pages of a GiB takes the kernel 50 to 100 milliseconds, once for each process that has them. Of this
/// thread's own time: an honest command is not to be ended because the machine is busy.
const TIME_PER_GIB: Duration = Duration::from_millis(150);
const LEAST_TIME: Duration = Duration::from_millis(20);
/// The largest; others hardly matter.
const COMPARED: usize = 16;

/// A process's part of what the sandbox has.
pub(super) struct Share {
    pub pid: u32,
    pub name: String,
    pub is_ending: bool,
    pub bytes: u64,
}

pub(super) fn sum_of(shares: &[Share]) -> u64 {
    shares.iter().map(|share| share.bytes).sum()
}

/// What an exact count takes into account besides the processes.
pub(super) struct Counted<'a> {
    pub files: &'a SharedFiles,
    /// Number and bytes.
    pub segments: &'a [(u64, u64)],
}

impl Counted<'_> {
    fn has(&self, inode: u64) -> bool {
        let is_segment = self.segments.iter().any(|(segment, _)| *segment == inode);
        is_segment || self.files.has(inode)
    }
}

/// Each process's part, largest first, and together not above `room` if that is how it is. When time runs out, what is left
/// is counted as if nothing were shared.
pub(super) fn shares(
    inside: &Inside,
    processes: &[Process],
    counted: &Counted<'_>,
    room: u64,
) -> Vec<Share> {
    let mebibytes = u32::try_from(room >> 20).unwrap_or(u32::MAX);
    let until = own_time() + LEAST_TIME + (TIME_PER_GIB / 1024).saturating_mul(mebibytes);
    let mut processes: Vec<&Process> = processes.iter().collect();
    processes.sort_by_key(|process| std::cmp::Reverse(process.bytes()));
    let all = |own_bytes: &dyn Fn(&Process) -> u64| -> Vec<Share> {
        let mut shares: Vec<Share> = processes
            .iter()
            .map(|process| Share {
                pid: process.pid,
                name: process.name.clone(),
                is_ending: process.is_ending,
                bytes: counted.files.bytes_of(process.pid)
                    + match own_time() < until {
                        true => own_bytes(process),
                        false => process.bytes(),
                    },
            })
            .collect();
        shares.sort_by_key(|share| std::cmp::Reverse(share.bytes));
        shares
    };
    let shares = all(&|process| match sums(inside, process) {
        Some(sums) => sums.private_bytes + sums.mapped_bytes,
        None => now(inside, process),
    });
    // Mappings one by one only if that can make the difference.
    let has_mapped = processes.iter().any(|process| process.shared_bytes > 0);
    match sum_of(&shares) > room && has_mapped {
        true => all(&|process| match sums(inside, process) {
            Some(sums) => sums.private_bytes + uncounted_bytes(inside, process, counted),
            None => now(inside, process),
        }),
        false => shares,
    }
}

/// As if nothing were shared.
pub(super) fn shares_unshared(processes: &[Process], counted: &Counted<'_>) -> Vec<Share> {
    let share = |process: &Process| Share {
        pid: process.pid,
        name: process.name.clone(),
        is_ending: process.is_ending,
        bytes: process.bytes() + counted.files.bytes_of(process.pid),
    };
    processes.iter().map(share).collect()
}

fn own_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Of one process, its part of what it shares.
struct Sums {
    private_bytes: u64,
    /// Of shared memory, some of which may be counted elsewhere.
    mapped_bytes: u64,
}

fn sums(inside: &Inside, process: &Process) -> Option<Sums> {
    let text = inside.read(&format!("{}/smaps_rollup", process.pid))?;
    let bytes = |key| kilobytes_after(key, &text);
    Some(Sums {
        private_bytes: bytes("Pss_Anon")? + bytes("SwapPss").unwrap_or(0),
        mapped_bytes: bytes("Pss_Shmem")?,
    })
}

/// It ended, or may not be looked into.
fn now(inside: &Inside, process: &Process) -> u64 {
    inside.process(process.pid).map_or(0, |now| now.bytes())
}

/// Without what is counted elsewhere.
fn uncounted_bytes(inside: &Inside, process: &Process, counted: &Counted<'_>) -> u64 {
    match process.shared_bytes {
        0 => 0,
        all => inside
            .read_at_most(&format!("{}/smaps", process.pid), LONGEST_MAPPINGS)
            .filter(|text| text.len() < LONGEST_MAPPINGS)
            .map_or(all, |text| {
                sum(&text, counted.files.device, |inode| counted.has(inode))
            }),
    }
}

/// Of files on `device` that are not counted by their inode; each process's part of them.
fn sum(smaps: &str, device: u64, is_counted: impl Fn(u64) -> bool) -> u64 {
    let device = format!(
        "{:02x}:{:02x}",
        rustix::fs::major(device),
        rustix::fs::minor(device)
    );
    let mut counts = false;
    let mut bytes = 0;
    for line in smaps.lines() {
        // `start-end permissions offset device inode path` begins a mapping, `Key: …` tells of it.
        let mut words = line.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        if first.contains('-') && !first.ends_with(':') {
            let mut words = words.skip(2);
            let on_device = words.next() == Some(&device);
            let inode = words.next().and_then(|inode| inode.parse().ok());
            counts = on_device && inode.is_some_and(|inode| !is_counted(inode));
        } else if counts && first == "Pss:" {
            bytes += kilobytes_after("Pss", line).unwrap_or(0);
        }
    }
    bytes
}

/// Between `vfork` and `execve` two processes have one memory, and each would be charged for all of it.
/// Only looked for if it can make the difference.
pub(super) fn without_doubles(
    shares: Vec<Share>,
    room: u64,
    namespace: Option<PidNamespace>,
) -> Vec<Share> {
    if sum_of(&shares) <= room {
        return shares;
    }
    let pids = namespace.map(on_host).unwrap_or_default();
    let on_host = |share: &Share| {
        let found = pids.iter().find(|(inside, _)| *inside == share.pid);
        found.map(|(_, outside)| *outside)
    };
    let mut kept: Vec<Share> = Vec::with_capacity(shares.len());
    for (index, share) in shares.into_iter().enumerate() {
        let is_double = index < COMPARED
            && kept.iter().any(|other| {
                let pair = on_host(&share).zip(on_host(other));
                pair.and_then(|(one, other)| share_memory(one, other)) == Some(true)
            });
        if !is_double {
            kept.push(share);
        }
    }
    kept
}

/// For each process its number inside and here.
fn on_host(namespace: PidNamespace) -> Vec<(u32, i32)> {
    let numbers = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("NSpid:"))?;
        // First the number here.
        let inside = line.split_whitespace().nth(1)?.parse().ok()?;
        Some((inside, i32::try_from(pid).ok()?))
    };
    namespace
        .processes()
        .into_iter()
        .filter_map(numbers)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_counted_elsewhere_is_a_processs_own() {
        let smaps = "\
7f00-7f10 rw-s 00000000 00:01 77 /memfd:a (deleted)
Rss:  12 kB
Pss:  12 kB
7f10-7f20 rw-s 00000000 00:01 78 /dev/zero (deleted)
Pss:  8 kB
Pss_Dirty:  8 kB
7f20-7f30 rw-s 00000000 00:2f 78 /dev/shm/x-y
Pss:  100 kB
7f30-7f40 rw-p 00000000 00:00 0 
Pss:  100 kB
";
        let device = rustix::fs::makedev(0, 1);
        assert_eq!(sum(smaps, device, |inode| inode == 77), 8 << 10);
    }
}
