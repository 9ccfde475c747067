//! Which files may be images. Whoever writes a reference must not learn what else is on the worker's machine.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};

use super::LocalError;

pub(super) enum Opened {
    File(File),
    Directory(OwnedFd),
}

/// Opens `path` if it lies below one of the allowed directories, both as it is written and after links are followed.
pub(super) fn open(path: &Path, allow: &[PathBuf]) -> Result<Opened, LocalError> {
    let refused = || LocalError::NotAllowed {
        path: path.to_owned(),
    };
    let fault = |error: rustix::io::Errno| match io::Error::from(error) {
        error if error.kind() == io::ErrorKind::NotFound => LocalError::Missing {
            path: path.to_owned(),
        },
        source => LocalError::Read {
            path: path.to_owned(),
            source,
        },
    };
    let is_plain =
        |component: Component<'_>| matches!(component, Component::RootDir | Component::Normal(_));
    let is_below = |allowed: &PathBuf| path.starts_with(allowed);
    if !path.components().all(is_plain) || !allow.iter().any(is_below) {
        return Err(refused());
    }
    // Neither reads nor waits, whatever it is.
    let handle =
        rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(fault)?;
    let itself = format!("/proc/self/fd/{}", handle.as_raw_fd());
    let real = std::fs::read_link(&itself).map_err(|_| refused())?;
    let mut real_allow = allow
        .iter()
        .filter_map(|allowed| allowed.canonicalize().ok());
    if !real_allow.any(|allowed| real.starts_with(allowed)) {
        return Err(refused());
    }
    let stat = rustix::fs::fstat(&handle).map_err(fault)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => rustix::fs::open(&*itself, flags, Mode::empty())
            .map(|file| Opened::File(file.into()))
            .map_err(fault),
        FileType::Directory => rustix::fs::open(&*itself, flags | OFlags::DIRECTORY, Mode::empty())
            .map(Opened::Directory)
            .map_err(fault),
        _ => Err(LocalError::NotAnImage {
            path: path.to_owned(),
            why: "it is neither a file nor a directory",
        }),
    }
}
