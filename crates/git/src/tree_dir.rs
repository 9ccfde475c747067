//! Reading a hostile tree: never through a symlink, never outside the root, never blocking on what is not a file.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, Timespec};
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
    /// The path itself is believed: it may lead through symlinks, such as those of `/proc/self/fd`.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, folder, Mode::empty())?))
    }

    /// A folder below this root as a root of its own.
    pub(crate) fn below(&self, path: &[u8]) -> io::Result<Self> {
        Ok(Self(self.open_folder(path)?))
    }

    /// What the clock of this file system says, as the `stat` of a file made and removed for it.
    pub(crate) fn stamp(&self) -> io::Result<Stat> {
        let make = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let mut number = 0;
        loop {
            let name = format!(".outwork-stamp-{number}");
            match rustix::fs::openat(&self.0, name.as_str(), make, Mode::RUSR) {
                Ok(file) => {
                    rustix::fs::unlinkat(&self.0, name.as_str(), AtFlags::empty())?;
                    return Ok(rustix::fs::fstat(file)?);
                }
                Err(Errno::EXIST) => number += 1,
                Err(fault) => return Err(fault.into()),
            }
        }
    }

    /// Opens a folder below the root; no part of the way can be a symlink. An empty path is the root itself.
    pub(crate) fn open_folder(&self, path: &[u8]) -> io::Result<OwnedFd> {
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

/// Folder and name of a path.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
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

// The widths of these fields differ between systems.
#[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
pub(crate) fn mtime(stat: &Stat) -> Timespec {
    Timespec {
        tv_sec: stat.st_mtime as i64,
        tv_nsec: stat.st_mtime_nsec as _,
    }
}

/// Opens a regular file to read it; none if it is something else. What is opened is looked at again: between two looks it may have become
/// something else.
pub(crate) fn open_file(folder: impl AsFd, name: &[u8]) -> io::Result<Option<OwnedFd>> {
    let file = match rustix::fs::openat(folder, name, FILE, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::LOOP | Errno::NXIO | Errno::OPNOTSUPP) => return Ok(None),
        Err(fault) => return Err(fault.into()),
    };
    let is_file = file_type(&rustix::fs::fstat(&file)?) == FileType::RegularFile;
    Ok(is_file.then_some(file))
}

/// Reads at most `limit_bytes`.
pub(crate) fn read_in(folder: impl AsFd, name: &[u8], limit_bytes: u64) -> io::Result<Content> {
    let Some(file) = open_file(folder, name)? else {
        return Ok(Content::NotAFile);
    };
    let stat = rustix::fs::fstat(&file)?;
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

/// Whether a folder of a layer hides what the layers below have in it. Both marks count, whoever the layer was made for: nobody inside can
/// make them.
pub(crate) fn is_opaque(folder: impl AsFd) -> io::Result<bool> {
    for mark in [c"user.overlay.opaque", c"trusted.overlay.opaque"] {
        let mut value = [0; 8];
        match rustix::fs::fgetxattr(&folder, mark, &mut value) {
            Ok(length) if value.get(..length) == Some(b"y") => return Ok(true),
            Ok(_) | Err(Errno::NODATA | Errno::NOTSUP | Errno::RANGE | Errno::PERM) => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    Ok(false)
}

/// Lets the owner read a file, or enter a folder, that somebody has closed to it. Needed only when this is not root.
pub(crate) fn make_readable(folder: impl AsFd, name: &[u8], stat: &Stat) -> io::Result<()> {
    let added = match file_type(stat) {
        FileType::Directory => Mode::RUSR | Mode::XUSR,
        _ => Mode::RUSR,
    };
    grant(folder, name, stat, added)
}

/// Gives the owner of a file or folder permissions on it; an error if it is no more of the type that `stat` says.
pub(crate) fn grant(folder: impl AsFd, name: &[u8], stat: &Stat, added: Mode) -> io::Result<()> {
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
    let mode = Mode::from_raw_mode(now.st_mode) | added;
    // Through /proc, since a handle of this kind cannot be changed itself and a path could have become a symlink.
    Ok(rustix::fs::chmod(
        format!("/proc/self/fd/{}", handle.as_raw_fd()),
        mode,
    )?)
}

/// Removes what has this name, if anything: a folder with all that is in it.
pub(crate) fn remove(folder: impl AsFd, name: &[u8]) -> io::Result<()> {
    match rustix::fs::unlinkat(&folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => Ok(outwork_remove::remove_directory_at(folder, name)?),
        Err(fault) => Err(fault.into()),
    }
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
