//! Which processes are still in a sandbox.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

use crate::syscalls;

/// The process id namespace of one sandbox. The number is not used again while the machine runs and a process is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PidNamespace(pub u64);

impl PidNamespace {
    /// Host process ids of every process that runs in the namespace now, or in one inside of it. One that has ended and
    /// only waits for its parent is not counted. Sees what the caller may look at: root sees all, an ordinary user its own.
    pub fn processes(self) -> Vec<u32> {
        let mut found: Vec<u32> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| self.has(*pid))
            .filter(|pid| !has_ended(*pid))
            .collect();
        found.sort_unstable();
        found
    }

    fn has(self, pid: u32) -> bool {
        let opened = fs::File::open(format!("/proc/{pid}/ns/pid")).ok();
        // Upwards; the caller's own namespace has none above that it may look at.
        std::iter::successors(opened, |inner| {
            syscalls::parent_namespace(inner.as_fd())
                .ok()
                .map(fs::File::from)
        })
        .any(|namespace| namespace.metadata().is_ok_and(|meta| meta.ino() == self.0))
    }

    /// The namespace that a process of the host is in.
    pub fn of(pid: i32) -> Option<Self> {
        let link = fs::read_link(format!("/proc/{pid}/ns/pid")).ok()?;
        link.to_str()?
            .strip_prefix("pid:[")?
            .strip_suffix(']')?
            .parse()
            .ok()
            .map(Self)
    }
}

fn has_ended(pid: u32) -> bool {
    // After the name, which may hold anything but is closed by the last bracket, comes the state.
    let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .iter()
        .rposition(|byte| *byte == b')')
        .and_then(|bracket| stat.get(bracket + 2));
    matches!(state, None | Some(b'Z' | b'X'))
}
