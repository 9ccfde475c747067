//! Whether a tracked file is as git has it, in a tree that must be assumed hostile.

use crate::checkout::Owner;
use crate::index::IndexEntry;
use crate::object::blob_id;
use crate::summary::FileMode;
use crate::tree_dir::{
    file_type, make_readable, open_file, open_subfolder, read_link_in, remove, stat_in,
};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Gid, Mode, Stat, Uid};
use std::fs::File;
use std::io;

/// How to compare.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expectation {
    pub(crate) sha256: bool,
    pub(crate) owner: Option<Owner>,
}

impl Expectation {
    /// What is at this name, if it is as the entry says: type, content, executable or not. Permissions that git does not record, and the
    /// owner, are set right on the way. `is_known` says of a `stat` that it proves the content.
    pub(crate) fn examine(
        self,
        folder: &OwnedFd,
        name: &[u8],
        entry: &IndexEntry,
        is_known: impl FnOnce(&Stat) -> bool,
    ) -> io::Result<Option<Stat>> {
        let Some(stat) = stat_in(folder, name)? else {
            return Ok(None);
        };
        let is_right = match (entry.mode, file_type(&stat)) {
            (FileMode::Gitlink, FileType::Directory) => {
                unlink_git_file(folder, name)?;
                true
            }
            (FileMode::Symlink, FileType::Symlink) => {
                is_known(&stat) || {
                    let target = read_link_in(folder, name)?;
                    let id = blob_id(self.sha256, target.len() as u64, target.as_slice())?;
                    id.as_ref() == Some(&entry.id)
                }
            }
            (FileMode::Regular, FileType::RegularFile) => {
                stat.st_mode & 0o100 == 0
                    && (is_known(&stat) || self.has_content(folder, name, entry, &stat)?)
            }
            (FileMode::Executable, FileType::RegularFile) => {
                stat.st_mode & 0o100 != 0
                    && (is_known(&stat) || self.has_content(folder, name, entry, &stat)?)
            }
            (
                FileMode::Gitlink | FileMode::Symlink | FileMode::Regular | FileMode::Executable,
                _,
            ) => false,
        };
        if !is_right {
            return Ok(None);
        }
        if let Some(Owner { uid, gid }) = self.owner
            && (stat.st_uid, stat.st_gid) != (uid, gid)
        {
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            rustix::fs::chownat(folder, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(Some(stat))
    }

    fn has_content(
        self,
        folder: &OwnedFd,
        name: &[u8],
        entry: &IndexEntry,
        stat: &Stat,
    ) -> io::Result<bool> {
        // Before it is read: a file without content can claim any size. One of 4 GiB or more is never right, and is written anew.
        if u64::try_from(stat.st_size) != Ok(u64::from(entry.size_bytes)) {
            return Ok(false);
        }
        let opened = match open_file(folder, name) {
            Err(fault) if fault.kind() == io::ErrorKind::PermissionDenied => {
                make_readable(folder, name, stat)?;
                open_file(folder, name)
            }
            opened => opened,
        };
        let Some(file) = opened? else {
            return Ok(false);
        };
        let file = File::from(file);
        let id = blob_id(self.sha256, u64::from(entry.size_bytes), &file)?;
        if id.as_ref() != Some(&entry.id) {
            return Ok(false);
        }
        let mode = stat.st_mode & 0o7777;
        if mode & 0o600 != 0o600 || mode & 0o7000 != 0 {
            let right = if mode & 0o100 != 0 { 0o755 } else { 0o644 };
            rustix::fs::fchmod(&file, Mode::from_raw_mode(right))?;
        }
        Ok(true)
    }
}

/// Removes the file by which a submodule names its repository: that lay in the agent's `.git`, of which nothing is kept, and git refuses to
/// work where it leads nowhere.
fn unlink_git_file(folder: &OwnedFd, name: &[u8]) -> io::Result<()> {
    let inner = open_subfolder(folder, name)?;
    match stat_in(&inner, b".git")? {
        Some(stat) if file_type(&stat) != FileType::Directory => remove(inner, b".git"),
        Some(_) | None => Ok(()),
    }
}
