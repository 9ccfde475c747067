//! Preparing the folders of a checkout, and giving them to their owner.

use super::Owner;
use crate::tree_dir::{TreeRoot, file_type, join, names_in, stat_in};
use rustix::fs::{AtFlags, FileType, Gid, Uid};
use std::io;
use std::path::Path;

pub(super) fn prepare(directory: &Path, trusted_git_dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    if std::fs::read_dir(directory)?.next().is_some() {
        return Err(io::Error::new(
            io::ErrorKind::DirectoryNotEmpty,
            "the folder is not empty",
        ));
    }
    if let Some(parent) = trusted_git_dir.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::create_dir(trusted_git_dir)
}

/// Leaves the folders as [`prepare`] wants them, for a second try.
pub(super) fn clear(directory: &Path, trusted_git_dir: &Path) -> io::Result<()> {
    std::fs::remove_dir_all(trusted_git_dir)?;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?
        } else {
            std::fs::remove_file(entry.path())?
        }
    }
    Ok(())
}

/// A commit without files has no index file.
pub(crate) fn copy_index(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::copy(from, to) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(()),
        copied => copied.map(drop),
    }
}

/// Gives a folder and all in it to another owner; symlinks themselves, not what they point to. By open folders, since paths may be too long
/// when the root's is put before them.
pub(super) fn give(directory: &Path, owner: Owner) -> io::Result<()> {
    let (uid, gid) = (
        Some(Uid::from_raw(owner.uid)),
        Some(Gid::from_raw(owner.gid)),
    );
    let root = TreeRoot::open(directory)?;
    let mut pending = vec![Vec::new()];
    while let Some(path) = pending.pop() {
        let folder = root.open_folder(&path)?;
        rustix::fs::fchown(&folder, uid, gid)?;
        for name in names_in(&folder, usize::MAX - 1)? {
            let is_folder = stat_in(&folder, &name)?
                .is_some_and(|stat| file_type(&stat) == FileType::Directory);
            if is_folder {
                pending.push(join(&path, &name));
            } else {
                rustix::fs::chownat(
                    &folder,
                    name.as_slice(),
                    uid,
                    gid,
                    AtFlags::SYMLINK_NOFOLLOW,
                )?;
            }
        }
    }
    Ok(())
}
