//! Reading a hostile tree: never through a symlink, never outside the root, never blocking on what is not a file.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// git's own limit, and the kernel's.
pub(crate) const PATH_LIMIT_BYTES: usize = 4095;
/// Of all names in one folder: they are held in memory to be sorted.
pub(crate) const NAMES_LIMIT_BYTES: usize = 64 << 20;

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// The root of a working tree, held open.
#[derive(Debug)]
pub(crate) struct TreeRoot(OwnedFd);

/// Content of a file, or why it was not read.
pub(crate) enum Content {
    Bytes(Vec<u8>),
    TooLarge { size_bytes: u64 },
    NotAFile,
}

impl TreeRoot {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::open(path, FOLDER, Mode::empty())?))
    }

    /// Opens a folder below the root; no part of the way can be a symlink. An empty path is the root itself.
    pub(crate) fn open_folder(&self, path: &[u8]) -> io::Result<OwnedFd> {
        #[cfg(target_os = "linux")]
        if !path.is_empty() && path.len() <= PATH_LIMIT_BYTES {
            use rustix::fs::ResolveFlags;
            let ways =
                ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            match rustix::fs::openat2(&self.0, path, FOLDER, Mode::empty(), ways) {
                // Kernels and containers without this call, and a path that was moved meanwhile: step by step.
                Err(Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::AGAIN) => {}
                opened => return Ok(opened?),
            }
        }
        self.open_step_by_step(path)
    }

    fn open_step_by_step(&self, path: &[u8]) -> io::Result<OwnedFd> {
        let mut folder = rustix::fs::openat(&self.0, c".", FOLDER, Mode::empty())?;
        for part in path
            .split(|&byte| byte == b'/')
            .filter(|part| !part.is_empty())
        {
            folder = open_subfolder(&folder, part)?;
        }
        Ok(folder)
    }
}

/// Path of a name in a folder; the root's is empty.
pub(crate) fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() {
        name.to_vec()
    } else {
        [folder, b"/", name].concat()
    }
}

pub(crate) fn open_subfolder(folder: impl AsFd, name: &[u8]) -> io::Result<OwnedFd> {
    if matches!(name, b"." | b"..") {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a name"));
    }
    Ok(rustix::fs::openat(folder, name, FOLDER, Mode::empty())?)
}

/// Names in a folder, sorted, without `.` and `..`; at most `limit`, one more tells that there are more.
///
/// # Errors
/// The folder cannot be read, or its names together are more than anybody needs ([`io::ErrorKind::FileTooLarge`]).
pub(crate) fn names_in(folder: impl AsFd, limit: usize) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    let mut bytes = 0;
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            bytes += name.len();
            if bytes > NAMES_LIMIT_BYTES {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            names.push(name.to_vec());
            if names.len() > limit {
                break;
            }
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// None if it is gone.
pub(crate) fn stat_in(folder: impl AsFd, name: &[u8]) -> io::Result<Option<Stat>> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}

pub(crate) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Reads at most `limit_bytes`. What is opened is looked at again: between two looks it may have become something else.
pub(crate) fn read_in(folder: impl AsFd, name: &[u8], limit_bytes: u64) -> io::Result<Content> {
    let file = match rustix::fs::openat(folder, name, FILE, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::LOOP | Errno::NXIO | Errno::OPNOTSUPP) => return Ok(Content::NotAFile),
        Err(fault) => return Err(fault.into()),
    };
    let stat = rustix::fs::fstat(&file)?;
    if file_type(&stat) != FileType::RegularFile {
        return Ok(Content::NotAFile);
    }
    let size_bytes = u64::try_from(stat.st_size).unwrap_or(0);
    if size_bytes > limit_bytes {
        return Ok(Content::TooLarge { size_bytes });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size_bytes).unwrap_or(0) + 1);
    File::from(file)
        .take(limit_bytes + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit_bytes {
        return Ok(Content::TooLarge {
            size_bytes: bytes.len() as u64,
        });
    }
    Ok(Content::Bytes(bytes))
}

pub(crate) fn read_link_in(folder: impl AsFd, name: &[u8]) -> io::Result<Vec<u8>> {
    Ok(rustix::fs::readlinkat(folder, name, Vec::new())?.into_bytes())
}

/// Lets the owner read a file, or enter a folder, that the agent has closed to itself. Needed only when this is not root.
#[cfg(target_os = "linux")]
pub(crate) fn make_readable(folder: impl AsFd, name: &[u8], stat: &Stat) -> io::Result<()> {
    use rustix::fd::AsRawFd;
    let handle = rustix::fs::openat(
        folder,
        name,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let now = rustix::fs::fstat(&handle)?;
    let kind = file_type(&now);
    if kind != file_type(stat) || !matches!(kind, FileType::RegularFile | FileType::Directory) {
        return Err(io::Error::from(io::ErrorKind::NotFound));
    }
    let added = if kind == FileType::Directory {
        Mode::RUSR | Mode::XUSR
    } else {
        Mode::RUSR
    };
    let mode = Mode::from_raw_mode(now.st_mode) | added;
    // Through /proc, since a handle of this kind cannot be changed itself and a path could have become a symlink.
    Ok(rustix::fs::chmod(
        format!("/proc/self/fd/{}", handle.as_raw_fd()),
        mode,
    )?)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn make_readable(_folder: impl AsFd, _name: &[u8], _stat: &Stat) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::PermissionDenied))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn no_way_of_opening_leaves_the_root() {
        let dir = tempfile::tempdir().expect("a folder");
        let tree = dir.path().join("tree");
        std::fs::create_dir_all(tree.join("a/b")).expect("folders");
        symlink("a", tree.join("link")).expect("a link");
        symlink(dir.path(), tree.join("out")).expect("a link");
        std::fs::write(tree.join("file"), "x").expect("a file");
        let root = TreeRoot::open(&tree).expect("opens");
        for path in ["", "a", "a/b", "a//b/"] {
            assert!(root.open_folder(path.as_bytes()).is_ok(), "{path}");
            assert!(root.open_step_by_step(path.as_bytes()).is_ok(), "{path}");
        }
        for path in [
            "link",
            "link/b",
            "out",
            "a/../..",
            "..",
            "a/./b/../../..",
            "/",
            "/etc",
            "file",
            "missing",
            "a\0",
        ] {
            let outside = |opened: OwnedFd| {
                rustix::fs::fstat(opened).expect("stat").st_ino
                    != rustix::fs::fstat(&root.0).expect("stat").st_ino
            };
            // "/" alone names nothing, so it is the root itself
            assert!(
                !root.open_folder(path.as_bytes()).is_ok_and(outside),
                "{path}"
            );
            assert!(
                !root.open_step_by_step(path.as_bytes()).is_ok_and(outside),
                "{path}"
            );
        }
    }
}
