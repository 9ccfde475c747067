//! What files were before a patch was written, to put them back should writing fail half-way.

use super::ways_out::inside;
use super::{ApplyError, path_from};
use crate::process::GitError;
use std::fs::{self, Permissions};
use std::io;
use std::path::{Path, PathBuf};

pub(super) struct Rollback {
    files: Vec<(PathBuf, Before)>,
    /// Folders that were missing, deepest first.
    missing_folders: Vec<PathBuf>,
}

enum Before {
    Missing,
    File {
        content: Vec<u8>,
        permissions: Permissions,
    },
    Link {
        target: PathBuf,
    },
    /// Of a submodule, or in the way; a patch does not change it.
    Folder,
    /// Longer than the system takes from its root, though git can write it from within the repository.
    TooLong,
    /// A named pipe, a socket, a device. No patch writes one, and reading one may never end.
    Special,
}

impl Rollback {
    /// A path that leads out of the repository or through a symlink is left alone: nothing is written there before the symlink goes.
    pub(super) fn read(top_level: &Path, touched: &[Vec<u8>]) -> Result<Self, ApplyError> {
        let mut files = Vec::new();
        let mut missing_folders = Vec::new();
        for path in touched {
            let Ok(path) = inside(top_level, &path_from(path)) else {
                continue;
            };
            let before = read_one(&path).map_err(|source| ApplyError::Unreadable {
                path: path.display().to_string(),
                source,
            })?;
            let above = path
                .ancestors()
                .skip(1)
                .take_while(|folder| folder.starts_with(top_level));
            missing_folders.extend(
                above
                    .filter(|folder| folder.symlink_metadata().is_err())
                    .map(Path::to_owned),
            );
            files.push((path, before));
        }
        missing_folders.sort_unstable();
        missing_folders.dedup();
        missing_folders.reverse();
        Ok(Self {
            files,
            missing_folders,
        })
    }

    /// The index is put back as well.
    pub(super) fn keep_index(&mut self, index: PathBuf) -> Result<(), ApplyError> {
        let before = read_one(&index).map_err(|source| ApplyError::Unreadable {
            path: index.display().to_string(),
            source,
        })?;
        self.files.push((index, before));
        Ok(())
    }

    /// Puts back and says what went wrong.
    pub(super) fn after(self, source: GitError) -> ApplyError {
        match self.put_back() {
            failed if failed.is_empty() => ApplyError::NotWritten { source },
            files => ApplyError::NotPutBack { files, source },
        }
    }

    /// Gives the paths that could not be put back.
    pub(super) fn put_back(self) -> Vec<String> {
        let Self {
            files,
            missing_folders,
        } = self;
        // First what was not there goes, so that nothing stands in the way of what was.
        let (missing, present): (Vec<_>, Vec<_>) = files
            .into_iter()
            .partition(|(_, before)| matches!(before, Before::Missing));
        let mut failed = Vec::new();
        for (path, _) in &missing {
            if path.symlink_metadata().is_ok_and(|now| !now.is_dir())
                && fs::remove_file(path).is_err()
            {
                failed.push(path.display().to_string());
            }
        }
        for folder in missing_folders {
            // Only if it is there and empty.
            let _ = fs::remove_dir(folder);
        }
        for (path, before) in &present {
            if write_one(path, before).is_err() {
                failed.push(path.display().to_string());
            }
        }
        failed
    }
}

fn read_one(path: &Path) -> io::Result<Before> {
    let now = match path.symlink_metadata() {
        Err(fault)
            if matches!(
                fault.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Before::Missing);
        }
        Err(fault) if fault.kind() == io::ErrorKind::InvalidFilename => return Ok(Before::TooLong),
        now => now?,
    };
    if now.is_symlink() {
        Ok(Before::Link {
            target: fs::read_link(path)?,
        })
    } else if now.is_dir() {
        Ok(Before::Folder)
    } else if !now.is_file() {
        Ok(Before::Special)
    } else {
        Ok(Before::File {
            content: fs::read(path)?,
            permissions: now.permissions(),
        })
    }
}

fn write_one(path: &Path, before: &Before) -> io::Result<()> {
    let same = match (read_one(path)?, before) {
        (
            Before::File {
                content,
                permissions,
            },
            Before::File {
                content: old,
                permissions: old_permissions,
            },
        ) => content == *old && permissions == *old_permissions,
        (Before::Link { target }, Before::Link { target: old }) => target == *old,
        (_, Before::Folder | Before::Missing | Before::Special) => true,
        (_, Before::TooLong) => return Err(io::Error::from(io::ErrorKind::InvalidFilename)),
        (
            Before::Missing
            | Before::Folder
            | Before::TooLong
            | Before::Special
            | Before::File { .. }
            | Before::Link { .. },
            _,
        ) => false,
    };
    if same {
        return Ok(());
    }
    if path.symlink_metadata().is_ok_and(|now| !now.is_dir()) {
        fs::remove_file(path)?;
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match before {
        Before::File {
            content,
            permissions,
        } => {
            fs::write(path, content)?;
            fs::set_permissions(path, permissions.clone())
        }
        Before::Link { target } => link(target, path),
        Before::Folder | Before::Missing | Before::TooLong | Before::Special => Ok(()),
    }
}

#[cfg(unix)]
fn link(target: &Path, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
fn link(target: &Path, path: &Path) -> io::Result<()> {
    // git writes a symlink as a small file where the system has none
    fs::write(path, target.to_string_lossy().as_bytes())
}
