//! The base of a diff: what each file was before the agent began, and how to see without reading that it still is.

use crate::index::{IndexEntry, parse_index};
use crate::names::ObjectId;
use crate::summary::FileMode;
use rustix::fs::Stat;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What `stat` says of a file. The agent can set size, mode and mtime as it likes, but not ctime.
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

#[derive(Debug, Clone)]
pub(crate) struct BaseEntry {
    pub(crate) mode: FileMode,
    pub(crate) id: ObjectId,
    /// Known only if equal `stat` proves equal content.
    stat: Option<StatKey>,
    /// The carried diff of an earlier turn changed the file: it differs from the base from the start.
    carried: bool,
}

impl BaseEntry {
    pub(crate) fn is_unchanged(&self, stat: &Stat) -> bool {
        self.stat == Some(StatKey::of(stat))
    }
}

/// All files of the base tree by path, and every folder that holds one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Base {
    entries: Vec<BaseEntry>,
    paths: Vec<Vec<u8>>,
    by_path: HashMap<Vec<u8>, usize>,
    folders: HashSet<Vec<u8>>,
}

impl Base {
    /// Reads the trusted index.
    pub(crate) fn load(index: &Path, sha256: bool) -> io::Result<Self> {
        let mut base = Self::default();
        for IndexEntry { path, mode, id } in read_index(index, sha256)? {
            for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
                if !base.folders.contains(&path[..at]) {
                    base.folders.insert(path[..at].to_vec());
                }
            }
            base.by_path.insert(path.clone(), base.entries.len());
            base.paths.push(path);
            base.entries.push(BaseEntry {
                mode,
                id,
                stat: None,
                carried: false,
            });
        }
        Ok(base)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn find(&self, path: &[u8]) -> Option<(usize, &BaseEntry)> {
        self.by_path.get(path).map(|&at| (at, &self.entries[at]))
    }

    pub(crate) fn path(&self, at: usize) -> &[u8] {
        &self.paths[at]
    }

    /// Whether a file of the base lies anywhere below this folder.
    pub(crate) fn has_below(&self, folder: &[u8]) -> bool {
        self.folders.contains(folder)
    }

    /// The positions of all files below this folder.
    pub(crate) fn below(&self, folder: &[u8]) -> impl Iterator<Item = usize> {
        let prefix = [folder, b"/"].concat();
        self.paths
            .iter()
            .enumerate()
            .filter(move |(_, path)| path.starts_with(&prefix))
            .map(|(at, _)| at)
    }

    /// Takes note of which files are as in the base. To be called while nobody else writes.
    ///
    /// A file whose ctime is not older than a stamp made afterwards could be changed within the same tick of the clock and look the same: such a
    /// file is not noted, and is read when the diff is made. The stamp lies in the same file system, whose clock counts.
    pub(crate) fn record_stats(&mut self, tree: &Path, stamp_dir: &Path) -> io::Result<()> {
        for (entry, path) in self.entries.iter_mut().zip(&self.paths) {
            let plain = !entry.carried && entry.mode != FileMode::Gitlink;
            let stat = plain
                .then(|| rustix::fs::lstat(tree.join(OsStr::from_bytes(path))).ok())
                .flatten();
            entry.stat = stat.map(|stat| StatKey::of(&stat));
        }
        let stamp = tempfile::NamedTempFile::new_in(stamp_dir)?;
        let now = StatKey::of(&rustix::fs::fstat(stamp.as_file())?);
        for entry in &mut self.entries {
            entry.stat = entry.stat.filter(|stat| stat.ctime_ns < now.ctime_ns);
        }
        Ok(())
    }

    /// Marks the files that the carried diff changed, and gives what it added.
    pub(crate) fn carry(&mut self, index: &Path, sha256: bool) -> io::Result<Hints> {
        let entries = read_index(index, sha256)?;
        let mut hints = Hints::default();
        let mut same = HashSet::new();
        for IndexEntry { path, mode, id } in &entries {
            match self.by_path.get(path) {
                Some(&at) if self.entries[at].mode == *mode && self.entries[at].id == *id => {
                    same.insert(at);
                }
                Some(_) | None => {}
            }
        }
        for (at, entry) in self.entries.iter_mut().enumerate() {
            entry.carried = !same.contains(&at);
        }
        hints.add_index(entries, self);
        Ok(hints)
    }
}

fn read_index(index: &Path, sha256: bool) -> io::Result<Vec<IndexEntry>> {
    // git removes the file of an index without entries
    let bytes = match std::fs::read(index) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read?,
    };
    parse_index(&bytes, sha256).map_err(io::Error::other)
}

/// Paths that are wanted in the diff though a `.gitignore` names them, and submodules that have no repository in their folder.
///
/// They come from the index of the carried diff and from the agent's own index, read as data: `git add --force` is the agent's way to say
/// that an ignored file belongs to the change. A hint can only add to a diff.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hints {
    /// With the commit for a submodule, without for a file.
    paths: BTreeMap<Vec<u8>, Option<ObjectId>>,
    folders: HashSet<Vec<u8>>,
    /// Submodules of the base that an index no longer has.
    dropped: HashSet<Vec<u8>>,
}

impl Hints {
    pub(crate) fn add(&mut self, path: Vec<u8>, mode: FileMode, id: ObjectId) {
        for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            if !self.folders.contains(&path[..at]) {
                self.folders.insert(path[..at].to_vec());
            }
        }
        self.paths
            .insert(path, (mode == FileMode::Gitlink).then_some(id));
    }

    /// Takes from the agent's index what the base has not got in the same way; the later hint wins.
    pub(crate) fn add_index(&mut self, entries: Vec<IndexEntry>, base: &Base) {
        let links = entries
            .iter()
            .filter(|entry| entry.mode == FileMode::Gitlink);
        self.drop_all_but(links.map(|entry| entry.path.as_slice()).collect(), base);
        for IndexEntry { path, mode, id } in entries {
            let known = base.find(&path).is_some_and(|(_, entry)| {
                entry.mode == mode && (mode != FileMode::Gitlink || entry.id == id)
            });
            if !known {
                self.add(path, mode, id);
            }
        }
    }

    fn drop_all_but(&mut self, links: HashSet<&[u8]>, base: &Base) {
        let of_base = base.entries.iter().zip(&base.paths);
        let of_base = of_base.filter(|(entry, _)| entry.mode == FileMode::Gitlink);
        let gone = of_base.filter(|(_, path)| !links.contains(path.as_slice()));
        self.dropped.extend(gone.map(|(_, path)| path.clone()));
    }

    /// Whether a submodule of the base is one no more.
    pub(crate) fn dropped(&self, path: &[u8]) -> bool {
        self.dropped.contains(path) && self.gitlink(path).is_none()
    }

    pub(crate) fn names(&self, path: &[u8]) -> bool {
        self.paths.contains_key(path)
    }

    pub(crate) fn gitlink(&self, path: &[u8]) -> Option<&ObjectId> {
        self.paths.get(path)?.as_ref()
    }

    pub(crate) fn has_below(&self, folder: &[u8]) -> bool {
        self.folders.contains(folder)
    }
}
