//! A walk over a tree that somebody else wrote and nobody writes any more.
//!
//! No link is followed and no path is opened: a directory is entered from the one above it, and where a tree is deeper than
//! there should be descriptors, left through its `..`.

use std::ffi::{CStr, CString};
use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};

/// Something in the tree.
pub(crate) struct Found<'a> {
    /// The directory that it is in.
    pub(crate) directory: BorrowedFd<'a>,
    pub(crate) name: &'a CStr,
    pub(crate) kind: FileType,
    above: &'a [Level],
}

impl Found<'_> {
    /// The path, relative to the top of the walk. Of one that no system call would take, the beginning and the name: a tree may be a
    /// million directories deep, and has an entry in each.
    pub(crate) fn path(&self) -> Vec<u8> {
        let mut path = Vec::new();
        for level in &self.above[1..] {
            if path.len() > PATH_BYTES {
                path.extend_from_slice("…/".as_bytes());
                break;
            }
            path.extend_from_slice(level.name.to_bytes());
            path.push(b'/');
        }
        path.extend_from_slice(self.name.to_bytes());
        path
    }
}

/// What is told of a path.
const PATH_BYTES: usize = 4096;

/// Directories that are kept open.
const HANDLES: usize = 64;

struct Level {
    name: CString,
    /// Directories that are still to be entered.
    waiting: Vec<CString>,
    /// Which directory it is, to be compared after coming back.
    identity: (u64, u64),
    /// Of the last ones only.
    handle: Option<OwnedFd>,
}

impl Level {
    fn handle(&self) -> &OwnedFd {
        self.handle
            .as_ref()
            .expect("the last levels have their handles")
    }
}

/// What a walk meets.
pub(crate) trait Visitor {
    fn entry(&mut self, found: &Found<'_>) -> io::Result<ControlFlow<()>>;

    /// A directory that cannot be read: its entry was visited, what is in it is left out unless this is an error.
    fn unreadable(&mut self, error: io::Error) -> io::Result<()>;
}

/// Visits everything below `root`, each directory before what is in it; `root` itself must be readable and is not visited.
pub(crate) fn walk(root: &Path, visitor: &mut impl Visitor) -> io::Result<()> {
    let mut levels = Vec::new();
    if enter(open(CWD, root)?, CString::default(), &mut levels, visitor)?.is_break() {
        return Ok(());
    }
    while let Some(level) = levels.last_mut() {
        let Some(name) = level.waiting.pop() else {
            leave(&mut levels)?;
            continue;
        };
        let below = match open(level.handle(), name.as_c_str()) {
            Ok(below) => below,
            Err(error) => {
                visitor.unreadable(error)?;
                continue;
            }
        };
        if enter(below, name, &mut levels, visitor)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Visits what is in `directory` and makes it the last level.
fn enter(
    directory: OwnedFd,
    name: CString,
    levels: &mut Vec<Level>,
    visitor: &mut impl Visitor,
) -> io::Result<ControlFlow<()>> {
    let identity = identity(&rustix::fs::fstat(&directory)?);
    levels.push(Level {
        name,
        waiting: Vec::new(),
        identity,
        handle: Some(directory),
    });
    let mut waiting = Vec::new();
    let visited = list(levels, visitor, &mut waiting);
    let depth = levels.len();
    levels[depth - 1].waiting = waiting;
    if depth > HANDLES {
        levels[depth - 1 - HANDLES].handle = None;
    }
    match visited {
        Ok(visited) => Ok(visited),
        Err(Fault::Listing(error)) => {
            visitor.unreadable(error)?;
            Ok(ControlFlow::Continue(()))
        }
        Err(Fault::Visitor(error)) => Err(error),
    }
}

/// Goes back to the directory above.
fn leave(levels: &mut Vec<Level>) -> io::Result<()> {
    let left = levels.pop().expect("the caller looked");
    let Some(above) = levels.last_mut() else {
        return Ok(());
    };
    if above.handle.is_some() {
        return Ok(());
    }
    let handle = open(left.handle(), c"..")?;
    if identity(&rustix::fs::fstat(&handle)?) != above.identity {
        return Err(io::Error::other("the tree was changed while it was read"));
    }
    above.handle = Some(handle);
    Ok(())
}

enum Fault {
    Listing(io::Error),
    Visitor(io::Error),
}

/// Visits what is in the last of `levels`; the directories there are `waiting`.
fn list(
    levels: &[Level],
    visitor: &mut impl Visitor,
    waiting: &mut Vec<CString>,
) -> Result<ControlFlow<()>, Fault> {
    let listing = |error: rustix::io::Errno| Fault::Listing(error.into());
    let here = levels.last().expect("it was just added").handle();
    for entry in Dir::read_from(here).map_err(listing)? {
        let entry = entry.map_err(listing)?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                FileType::from_raw_mode(stat(here, name).map_err(Fault::Listing)?.st_mode)
            }
            known => known,
        };
        let found = Found {
            directory: here.as_fd(),
            name,
            kind,
            above: levels,
        };
        if visitor.entry(&found).map_err(Fault::Visitor)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if kind == FileType::Directory {
            waiting.push(name.to_owned());
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// What a name stands for, itself and not what it points to.
pub(crate) fn stat(directory: impl AsFd, name: &CStr) -> io::Result<Stat> {
    Ok(rustix::fs::statat(
        directory,
        name,
        AtFlags::SYMLINK_NOFOLLOW,
    )?)
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

fn open(at: impl AsFd, path: impl rustix::path::Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(at, path, flags, Mode::empty())?)
}
