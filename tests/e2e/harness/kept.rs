//! What a worker keeps on its disk, and must not keep.

use std::fs;
use std::path::{Path, PathBuf};

/// The directory of a worker.
pub struct Kept(PathBuf);

impl Kept {
    pub fn of(data: &Path) -> Self {
        Self(data.join("worker"))
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.0.join(below)
    }

    /// Snapshots that can be found.
    pub fn snapshots(&self) -> Vec<PathBuf> {
        children(&self.path("snapshots/snapshots"))
    }

    /// The only one.
    #[track_caller]
    pub fn snapshot(&self) -> PathBuf {
        match <[PathBuf; 1]>::try_from(self.snapshots()) {
            Ok([one]) => one,
            Err(several) => panic!("not one snapshot: {several:?}"),
        }
    }

    /// What is being built or removed.
    pub fn unfinished(&self) -> Vec<PathBuf> {
        let parts = ["snapshots/building", "snapshots/trash"];
        parts
            .iter()
            .flat_map(|part| children(&self.path(part)))
            .collect()
    }

    /// Nothing is left of attempts, sandboxes and builds.
    #[track_caller]
    pub fn assert_idle(&self) {
        let attempts = children(&self.path("attempts")).into_iter();
        let sockets = children(&self.path("run")).into_iter();
        let sockets = sockets.flat_map(|slot| children(&slot));
        let left: Vec<_> = attempts.chain(sockets).chain(self.unfinished()).collect();
        assert_eq!(left, Vec::<PathBuf>::new());
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("readable");
        let dir = self.0.display().to_string();
        assert!(!mounts.contains(&dir), "{mounts}");
    }
}

/// What is in a directory, if it is there.
fn children(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}
