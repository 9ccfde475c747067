//! Preparing the folders of a checkout, and giving them to their owner.

use super::Owner;
use crate::index::FileStat;
use crate::listing::{Child, Listing};
use crate::tree_dir::{TreeRoot, file_type, join, names_in, stat_in};
use rustix::fs::{AtFlags, FileType, Gid, Stat, Timespec, Timestamps, Uid};
use std::collections::HashMap;
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

/// A time at which files can be said to have been written at this moment.
///
/// Git compares whole seconds, and reads every file that is not older than its index. Two seconds make sure that all are older, and that a
/// file which is changed from now on has another time. Build tools see sources that are older than what is built from them.
#[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
pub(crate) fn past(now: &Stat) -> Timespec {
    const SECONDS: i64 = 2;
    Timespec {
        tv_sec: (now.st_mtime as i64).saturating_sub(SECONDS),
        tv_nsec: 0,
    }
}

/// Dates the files of a fresh tree back, and tells how they look then.
pub(super) fn look_old(
    root: &TreeRoot,
    listing: &Listing,
) -> io::Result<HashMap<Vec<u8>, FileStat>> {
    let time = past(&root.stamp()?);
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    let mut stats = HashMap::new();
    let mut pending = vec![Vec::new()];
    while let Some(path) = pending.pop() {
        let folder = root.open_folder(&path)?;
        for child in listing.children(&path) {
            match child {
                Child::Folder { name, below: _ } => pending.push(join(&path, name)),
                Child::File { name, at: _ } => {
                    let no_follow = AtFlags::SYMLINK_NOFOLLOW;
                    rustix::fs::utimensat(&folder, name, &times, no_follow)?;
                    if let Some(stat) = stat_in(&folder, name)? {
                        stats.insert(join(&path, name), FileStat::of(&stat));
                    }
                }
            }
        }
    }
    Ok(stats)
}
