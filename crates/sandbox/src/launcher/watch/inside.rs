//! The sandbox as seen from outside.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, Stat};
use rustix::process::Signal;

use super::number::{after, kilobytes_after};
use crate::control::ToLauncher;

/// Of the first process, which is ours, in its own namespace.
const INIT: u32 = 1;
/// The kernel shows no name longer than 15 bytes, each as at most four characters.
const LONGEST_STATUS: usize = 8 << 10;

/// What the first process opened for us.
#[derive(Default)]
pub(super) struct Inside {
    proc: Option<OwnedFd>,
    segments: Option<File>,
    memory: Vec<OwnedFd>,
    has_started: bool,
}

/// Where a file is open: numbers in the sandbox.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenFile {
    pub pid: u32,
    pub thread: u32,
    pub descriptor: u32,
}

/// A process other than the first, by its number in the sandbox.
#[derive(Clone, Debug, Default)]
pub(super) struct Process {
    pub pid: u32,
    pub name: String,
    pub threads: u64,
    /// Has ended, or is killed and about to.
    pub is_ending: bool,
    /// Not shared by intent: a page shared after a fork counts in each.
    pub anonymous_bytes: u64,
    pub swapped_bytes: u64,
    /// Of shared memory and memory file systems, as far as it is mapped and was used through this process's map.
    pub shared_bytes: u64,
}

impl Process {
    pub(super) fn bytes(&self) -> u64 {
        self.private_bytes() + self.shared_bytes
    }

    pub(super) fn private_bytes(&self) -> u64 {
        self.anonymous_bytes + self.swapped_bytes
    }
}

impl Inside {
    pub(super) fn receive(&mut self, message: &ToLauncher, files: Vec<OwnedFd>) {
        let mut files = files.into_iter();
        match message {
            ToLauncher::Inside { has_segments } => {
                self.proc = files.next();
                self.segments = files
                    .by_ref()
                    .take(usize::from(*has_segments))
                    .next()
                    .map(File::from);
                self.memory.extend(files);
            }
            ToLauncher::MemoryFileSystems => self.memory.extend(files),
            ToLauncher::Started => self.has_started = true,
        }
    }

    /// Does the command run?
    pub(super) fn has_started(&self) -> bool {
        self.has_started
    }

    pub(super) fn processes(&self) -> Vec<Process> {
        self.pids()
            .into_iter()
            .filter_map(|pid| self.process(pid))
            .collect()
    }

    fn pids(&self) -> Vec<u32> {
        let mut pids = self
            .proc
            .as_ref()
            .map(|proc| numbers(proc, "."))
            .unwrap_or_default();
        pids.retain(|pid| *pid != INIT);
        pids
    }

    pub(super) fn process(&self, pid: u32) -> Option<Process> {
        let mut process = parse(pid, &self.read(&format!("{pid}/status"))?);
        // The first thread can end before the others, which then hold what the process has.
        if process.is_ending && process.threads > 1 && process.bytes() == 0 {
            let threads = numbers(self.proc.as_ref()?, &format!("{pid}/task"));
            let rest = threads
                .into_iter()
                .filter(|thread| *thread != pid)
                .filter_map(|thread| self.read(&format!("{pid}/task/{thread}/status")))
                .map(|status| parse(pid, &status))
                .find(|thread| thread.bytes() > 0);
            process = rest.unwrap_or(process);
        }
        Some(process)
    }

    /// A file of the sandbox's `/proc`.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        self.read_at_most(path, LONGEST_STATUS)
    }

    pub(super) fn read_at_most(&self, path: &str, most: usize) -> Option<String> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(self.proc.as_ref()?, path, flags, Mode::empty()).ok()?;
        let mut bytes = Vec::with_capacity(4096.min(most));
        let mut part = [0; 4096];
        while bytes.len() < most {
            match rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut part[..])) {
                Ok(0) => break,
                Ok(length) => bytes.extend_from_slice(&part[..length]),
                // It has ended meanwhile.
                Err(_) => return None,
            }
        }
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Show every open file of every thread, for threads can have descriptors of their own, and where in the sandbox's
    /// `/proc` it is. Returns which processes cannot be looked into.
    pub(super) fn open_files(&self, mut show: impl FnMut(OpenFile, &Stat)) -> Vec<u32> {
        let mut hidden = Vec::new();
        let Some(proc) = &self.proc else {
            return hidden;
        };
        for pid in self.pids() {
            for thread in numbers(proc, &format!("{pid}/task")) {
                let path = format!("{pid}/task/{thread}/fd");
                match directory(proc, &path) {
                    Ok(descriptors) => {
                        for descriptor in entries(&descriptors) {
                            let stat = rustix::fs::statat(
                                &descriptors,
                                descriptor.to_string(),
                                AtFlags::empty(),
                            );
                            if let Ok(stat) = stat {
                                let file = OpenFile {
                                    pid,
                                    thread,
                                    descriptor,
                                };
                                show(file, &stat);
                            }
                        }
                    }
                    // A thread that has ended belongs to the host's root, and has no descriptors.
                    Err(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM)
                        if self.runs(pid, thread) =>
                    {
                        hidden.push(pid);
                    }
                    Err(_) => {}
                }
            }
        }
        hidden.dedup();
        hidden
    }

    /// What is open there now, which may be another file.
    pub(super) fn open_file(&self, file: OpenFile) -> Option<Stat> {
        let OpenFile {
            pid,
            thread,
            descriptor,
        } = file;
        let path = format!("{pid}/task/{thread}/fd/{descriptor}");
        rustix::fs::statat(self.proc.as_ref()?, path, AtFlags::empty()).ok()
    }

    fn runs(&self, pid: u32, thread: u32) -> bool {
        self.read(&format!("{pid}/task/{thread}/status"))
            .is_some_and(|status| !parse(pid, &status).is_ending)
    }

    /// Processes with sockets in which descriptors are waiting to be received: files that no process has open may be among
    /// them.
    pub(super) fn carriers(&self) -> Vec<u32> {
        let Some(proc) = &self.proc else {
            return Vec::new();
        };
        let carries = |path: &str, descriptor: u32| {
            let counts = self
                .read(&format!("{path}info/{descriptor}"))
                .unwrap_or_default();
            after("scm_fds", &counts).is_some_and(|waiting| waiting > 0)
        };
        let mut pids = self.pids();
        pids.retain(|pid| {
            numbers(proc, &format!("{pid}/task"))
                .into_iter()
                .any(|thread| {
                    let path = format!("{pid}/task/{thread}/fd");
                    numbers(proc, &path)
                        .into_iter()
                        .any(|fd| carries(&path, fd))
                })
        });
        pids
    }

    /// Bytes in memory file systems that the command can write.
    pub(super) fn memory_file_systems_bytes(&self) -> u64 {
        self.memory
            .iter()
            .filter_map(|memory| rustix::fs::fstatvfs(memory).ok())
            .map(|stat| stat.f_blocks.saturating_sub(stat.f_bfree) * stat.f_frsize)
            .sum()
    }

    pub(super) fn memory_devices(&self) -> Vec<u64> {
        self.memory
            .iter()
            .filter_map(|memory| rustix::fs::fstat(memory).ok())
            .map(|stat| stat.st_dev)
            .collect()
    }

    /// Of System V: the number of each segment and the bytes in use.
    pub(super) fn shared_memory_segments(&self) -> Vec<(u64, u64)> {
        let Some(file) = &self.segments else {
            return Vec::new();
        };
        let mut text = Vec::new();
        let mut part = [0; 4096];
        while let Ok(length @ 1..) = file.read_at(&mut part, text.len() as u64) {
            text.extend_from_slice(&part[..length]);
        }
        segments(&String::from_utf8_lossy(&text))
    }

    /// Name of the process that has written most, of those that are left.
    pub(super) fn largest_writer(&self) -> Option<String> {
        let written = |process: &Process| {
            let counts = self
                .read(&format!("{}/io", process.pid))
                .unwrap_or_default();
            after("wchar", &counts).unwrap_or(0)
        };
        let processes = self.processes();
        let largest = processes.into_iter().max_by_key(written)?;
        Some(largest.name)
    }

    /// Returns whether it will end.
    pub(super) fn kill(&self, pid: u32) -> bool {
        let Some(proc) = &self.proc else {
            return false;
        };
        // A directory of /proc stands for the process as a pidfd does, and its number here need not be known.
        let killed = directory(proc, &pid.to_string())
            .and_then(|process| rustix::process::pidfd_send_signal(process, Signal::KILL));
        matches!(
            killed,
            Ok(()) | Err(rustix::io::Errno::NOENT | rustix::io::Errno::SRCH)
        )
    }
}

fn parse(pid: u32, status: &str) -> Process {
    let line = |key: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap_or_default()
            .trim()
    };
    let pending = u64::from_str_radix(line("ShdPnd:"), 16).unwrap_or(0);
    let killed = pending & (1 << (Signal::KILL.as_raw() - 1)) != 0;
    Process {
        pid,
        name: line("Name:")
            .chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .collect(),
        threads: after("Threads", status).unwrap_or(1),
        is_ending: killed || line("State:").starts_with(['Z', 'X']),
        anonymous_bytes: kilobytes_after("RssAnon", status).unwrap_or(0),
        swapped_bytes: kilobytes_after("VmSwap", status).unwrap_or(0),
        shared_bytes: kilobytes_after("RssShmem", status).unwrap_or(0),
    }
}

/// Of `/proc/sysvipc/shm`, whose first line names the columns.
fn segments(text: &str) -> Vec<(u64, u64)> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let column = |name: &str| names.iter().position(|other| *other == name);
    let (Some(id), Some(rss), Some(swap)) = (column("shmid"), column("rss"), column("swap")) else {
        return Vec::new();
    };
    lines
        .filter_map(|line| {
            let numbers: Vec<&str> = line.split_whitespace().collect();
            let number = |column: usize| numbers.get(column)?.parse::<u64>().ok();
            Some((number(id)?, number(rss)? + number(swap)?))
        })
        .collect()
}

fn directory(at: impl AsFd, path: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(at, path, flags, Mode::empty())
}

fn numbers(at: &OwnedFd, path: &str) -> Vec<u32> {
    directory(at, path)
        .map(|directory| entries(&directory))
        .unwrap_or_default()
}

/// Those entries that are numbers.
fn entries(directory: &OwnedFd) -> Vec<u32> {
    Dir::read_from(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str().ok()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_tells_what_a_process_has() {
        let status = "Name:\tnpm test\nState:\tS (sleeping)\nThreads:\t11\nShdPnd:\t0000000000000000\n\
                      RssAnon:\t    2048 kB\nRssFile:\t 900 kB\nRssShmem:\t  4 kB\nVmSwap:\t 1 kB\n";
        let process = parse(7, status);
        assert_eq!((&*process.name, process.threads), ("npm test", 11));
        assert_eq!(process.bytes(), 2053 << 10);
        assert!(!process.is_ending);
        let killed = status.replace("ShdPnd:\t0000000000000000", "ShdPnd:\t0000000000000100");
        assert!(parse(7, &killed).is_ending);
    }

    #[test]
    fn segments_are_read_by_the_names_of_columns() {
        let text = "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n\
                    0          3   600               1048576    12    12      0  1000  1000  1000  1000          0          0 1732900000                524288                  4096\n";
        assert_eq!(segments(text), [(3, 528_384)]);
        assert_eq!(segments(""), []);
    }
}
