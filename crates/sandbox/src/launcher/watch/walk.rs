//! Adding up a tree that its owner does not want to be added up, a few files at a time.

use std::collections::HashSet;
use std::ffi::CString;
use std::ops::Add;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, Timespec};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Each level holds one descriptor. Deeper than the longest path can lead (`PATH_MAX` and two bytes for each level): who
/// makes such a tree does it to hide something.
const DEEPEST: usize = 2200;
/// All that the launcher has open: the levels, and what it has besides.
const DESCRIPTORS: u64 = DEEPEST as u64 + 300;
/// More of them than this count once for each name: they are not to take the worker's memory.
const MOST_LINKED: usize = 1 << 20;
/// Looking at the clock for each file costs half as much as the file.
const BETWEEN_CLOCKS: usize = 64;

/// What is in a tree: blocks, not lengths, so sparse files count as what they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub bytes: u64,
    pub files: u64,
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            bytes: self.bytes + other.bytes,
            files: self.files + other.files,
        }
    }
}

pub(super) enum Progress {
    Going,
    Done,
    /// Deeper than can be followed.
    TooDeep,
}

/// As many descriptors as a walk may hold. Where the host allows fewer, a walk says that it is too deep earlier.
pub(super) fn make_room() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(DESCRIPTORS, |maximum| maximum.min(DESCRIPTORS));
    if current.is_some_and(|current| current < wanted) {
        let current = Some(wanted);
        let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum });
    }
}

/// Never follows a link, never leaves the file system, needs no path longer than a name.
pub(super) struct Walk {
    /// Trees not begun.
    roots: Vec<OwnedFd>,
    levels: Vec<Level>,
    /// Files of several names, of those seen.
    linked: HashSet<(u64, u64)>,
    older_than: Option<Timespec>,
    pub usage: Usage,
}

struct Level {
    entries: Dir,
    device: u64,
    /// Given back at the end.
    closed: Option<Mode>,
}

impl Walk {
    /// Of trees whose roots are open, by any means.
    pub(super) fn new(roots: Vec<OwnedFd>) -> Self {
        Self {
            roots,
            levels: Vec::new(),
            linked: HashSet::new(),
            older_than: None,
            usage: Usage::default(),
        }
    }

    /// Count only what has not been changed since then, by the kernel's own mark, which nobody can set back.
    pub(super) fn older_than(self, time: Timespec) -> Self {
        Self {
            older_than: Some(time),
            ..self
        }
    }

    pub(super) fn go_on(&mut self, until: Instant) -> Progress {
        loop {
            for _ in 0..BETWEEN_CLOCKS {
                match self.step() {
                    Progress::Going => {}
                    end => return end,
                }
            }
            if Instant::now() >= until {
                return Progress::Going;
            }
        }
    }

    fn step(&mut self) -> Progress {
        let deep = self.levels.len() >= DEEPEST;
        let Some(level) = self.levels.last_mut() else {
            let Some(root) = self.roots.pop() else {
                return Progress::Done;
            };
            self.begin(root);
            return Progress::Going;
        };
        let Some(Ok(entry)) = level.entries.next() else {
            self.levels.pop();
            return Progress::Going;
        };
        let name = entry.file_name().to_owned();
        if name.as_bytes() == b"." || name.as_bytes() == b".." {
            return Progress::Going;
        }
        let device = level.device;
        let Ok(at) = level.entries.fd() else {
            return Progress::Going;
        };
        // Whatever is gone meanwhile counts nothing.
        let Ok(stat) = rustix::fs::statat(at, &name, AtFlags::SYMLINK_NOFOLLOW) else {
            return Progress::Going;
        };
        if stat.st_dev != device {
            return Progress::Going;
        }
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            if deep {
                return Progress::TooDeep;
            }
            match open(at, &name, &stat) {
                Ok(level) => self.levels.push(level),
                Err(Errno::MFILE | Errno::NFILE) => return Progress::TooDeep,
                Err(_) => {}
            }
        }
        self.count(&stat);
        Progress::Going
    }

    fn begin(&mut self, root: OwnedFd) {
        let Ok(stat) = rustix::fs::fstat(&root) else {
            return;
        };
        match FileType::from_raw_mode(stat.st_mode) {
            // Not itself: it was there before.
            FileType::Directory => {
                let level = reopen(&root).and_then(|root| Level::new(root, stat.st_dev, None));
                self.levels.extend(level);
            }
            _ => self.count(&stat),
        }
    }

    pub(super) fn count(&mut self, stat: &Stat) {
        let changed = (stat.st_ctime, stat.st_ctime_nsec as i64);
        let is_younger = self
            .older_than
            .is_some_and(|time| changed >= (time.tv_sec, time.tv_nsec));
        if !is_younger && is_new(stat, &mut self.linked) {
            self.usage.bytes += stat.st_blocks.unsigned_abs() * 512;
            self.usage.files += 1;
        }
    }
}

fn is_new(stat: &Stat, linked: &mut HashSet<(u64, u64)>) -> bool {
    // Those without any name can be open many times.
    let once = stat.st_nlink == 1 || FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    once || linked.len() >= MOST_LINKED || linked.insert((stat.st_dev, stat.st_ino))
}

impl Level {
    fn new(directory: OwnedFd, device: u64, closed: Option<Mode>) -> rustix::io::Result<Self> {
        Ok(Self {
            entries: Dir::new(directory)?,
            device,
            closed,
        })
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        if let (Some(mode), Ok(directory)) = (self.closed, self.entries.fd()) {
            let _ = rustix::fs::fchmod(directory, mode);
        }
    }
}

const READ: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A directory that its owner, an ordinary worker, has closed to itself is open while its entries are looked at.
fn open(at: BorrowedFd<'_>, name: &CString, stat: &Stat) -> rustix::io::Result<Level> {
    let needed = Mode::RUSR | Mode::XUSR;
    let mode = Mode::from_raw_mode(stat.st_mode);
    if mode.contains(needed) || rustix::process::geteuid().is_root() {
        let directory = rustix::fs::openat(at, name, READ, Mode::empty())?;
        return Level::new(directory, stat.st_dev, None);
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = rustix::fs::openat(at, name, flags, Mode::empty())?;
    // The one way by a descriptor that Linux has always had.
    rustix::fs::chmod(
        format!("/proc/self/fd/{}", found.as_raw_fd()),
        mode | needed,
    )?;
    Level::new(reopen(&found)?, stat.st_dev, Some(mode))
}

fn reopen(root: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(root, ".", READ, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    fn walk(path: &Path) -> (Usage, bool) {
        let root = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let mut walk = Walk::new(vec![root]);
        loop {
            match walk.go_on(Instant::now() + Duration::from_millis(1)) {
                Progress::Going => {}
                Progress::Done => return (walk.usage, false),
                Progress::TooDeep => return (walk.usage, true),
            }
        }
    }

    #[test]
    fn a_hostile_tree_is_counted() {
        let tree = tempfile::tempdir().unwrap();
        let path = |name: &str| tree.path().join(name);
        fs::write(path("full"), vec![1; 100_000]).unwrap();
        fs::hard_link(path("full"), path("again")).unwrap();
        fs::File::create(path("sparse"))
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        symlink("/usr", path("out")).unwrap();
        symlink(".", path("round")).unwrap();
        fs::create_dir(path("closed")).unwrap();
        fs::write(path("closed/inside"), vec![1; 100_000]).unwrap();
        fs::set_permissions(path("closed"), PermissionsExt::from_mode(0o000)).unwrap();
        let (usage, too_deep) = walk(tree.path());
        assert!(!too_deep);
        // full, sparse, out, round, closed, closed/inside.
        assert_eq!(usage.files, 6);
        assert!((200_000..300_000).contains(&usage.bytes), "{usage:?}");
        assert_eq!(path("closed").metadata().unwrap().mode() & 0o777, 0);
        fs::set_permissions(path("closed"), PermissionsExt::from_mode(0o700)).unwrap();
    }

    /// Longer than any path may be.
    fn deepen(tree: &Path, levels: usize) {
        let mut at = rustix::fs::open(tree, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        for _ in 0..levels {
            match rustix::fs::mkdirat(&at, "d", Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(e) => panic!("{e}"),
            }
            at = rustix::fs::openat(&at, "d", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
                .unwrap();
        }
    }

    #[test]
    fn what_is_too_deep_is_said() {
        make_room();
        let tree = tempfile::tempdir().unwrap();
        deepen(tree.path(), DEEPEST - 1);
        assert!(!walk(tree.path()).1);
        deepen(tree.path(), DEEPEST);
        assert!(walk(tree.path()).1);
        // As deep as it is, the library cannot take it away.
        let removed = std::process::Command::new("rm")
            .arg("-rf")
            .arg(tree.path())
            .status();
        assert!(removed.unwrap().success());
    }

    #[test]
    fn a_tree_can_be_one_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), vec![1; 50_000]).unwrap();
        assert_eq!(walk(file.path()).0.files, 1);
    }
}
