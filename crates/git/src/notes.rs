//! How files looked when they were known to be right, so that they need not be read to see that they still are.

use crate::tree_dir::{TreeRoot, split, stat_in};
use rustix::fs::Stat;
use std::collections::HashMap;
use std::io;

/// What `stat` says of a file. Whoever is in the sandbox can set size, mode and mtime as it likes, but not ctime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StatKey {
    inode: u64,
    size: i64,
    mode: u32,
    mtime_ns: i128,
    ctime_ns: i128,
}

impl StatKey {
    // The widths of these fields differ between systems.
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
    pub(crate) fn of(stat: &Stat) -> Self {
        let ns = |seconds: i128, nanoseconds: i128| seconds * 1_000_000_000 + nanoseconds;
        Self {
            inode: stat.st_ino as u64,
            size: stat.st_size as i64,
            mode: stat.st_mode as u32,
            mtime_ns: ns(stat.st_mtime as i128, stat.st_mtime_nsec as i128),
            ctime_ns: ns(stat.st_ctime as i128, stat.st_ctime_nsec as i128),
        }
    }
}

/// Files by path whose equal `stat` proves equal content.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes(HashMap<Vec<u8>, StatKey>);

impl Notes {
    /// Takes note of these files below `root`. To be called while nobody else writes.
    ///
    /// A file whose ctime is not older than a stamp made afterwards could be changed within the same tick of the clock and look the same: such a
    /// file is not noted, and will be read. The stamp is made in the same file system, whose clock counts.
    pub(crate) fn take<'a>(
        root: &TreeRoot,
        paths: impl Iterator<Item = &'a [u8]>,
    ) -> io::Result<Self> {
        let mut noted = HashMap::new();
        let mut folder: Option<(&[u8], rustix::fd::OwnedFd)> = None;
        for path in paths {
            let (parent, name) = split(path);
            let opened = match folder.take() {
                Some((known, opened)) if known == parent => opened,
                Some(_) | None => root.open_folder(parent)?,
            };
            if let Some(stat) = stat_in(&opened, name)? {
                noted.insert(path.to_vec(), StatKey::of(&stat));
            }
            folder = Some((parent, opened));
        }
        let now = StatKey::of(&root.stamp()?).ctime_ns;
        noted.retain(|_, stat| stat.ctime_ns < now);
        Ok(Self(noted))
    }

    pub(crate) fn is_unchanged(&self, path: &[u8], stat: &Stat) -> bool {
        self.0.get(path) == Some(&StatKey::of(stat))
    }
}
