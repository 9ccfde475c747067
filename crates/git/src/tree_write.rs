//! Writing into a hostile tree: never through a symlink, never outside the root, never into a file that is there.

use crate::checkout::Owner;
use crate::tree_dir::{TreeRoot, file_type, grant, open_subfolder, remove, split, stat_in};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read};

const OWNERS: Mode = Mode::RWXU;

/// Puts files in place. Whatever else is where something is wanted, or in the way to it, is removed. Not for use while somebody else writes.
#[derive(Debug)]
pub(crate) struct TreeWriter {
    root: TreeRoot,
    owner: Option<Owner>,
    /// When files are said to have been written; none: when they are.
    date: Option<Timespec>,
    /// The folder used last: most files come folder by folder.
    last: Option<(Vec<u8>, OwnedFd)>,
}

impl TreeWriter {
    pub(crate) fn new(root: TreeRoot, owner: Option<Owner>) -> Self {
        Self {
            root,
            owner,
            date: None,
            last: None,
        }
    }

    /// Dates the files that are written from now on.
    pub(crate) fn date(&mut self, date: Option<Timespec>) {
        self.date = date;
    }

    pub(crate) fn root(&self) -> &TreeRoot {
        &self.root
    }

    /// A regular file with mode 0644 or 0755.
    pub(crate) fn file(
        &mut self,
        path: &[u8],
        executable: bool,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        let (owner, date) = (self.owner, self.date);
        let (folder, name) = self.cleared(path)?;
        let make =
            OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(folder, name, make, Mode::RUSR | Mode::WUSR)?;
        let mut file = File::from(file);
        io::copy(content, &mut file)?;
        if let Some(Owner { uid, gid }) = owner {
            rustix::fs::fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        }
        let mode = if executable { 0o755 } else { 0o644 };
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
        match date {
            Some(date) => Ok(rustix::fs::futimens(&file, &both(date))?),
            None => Ok(()),
        }
    }

    pub(crate) fn symlink(&mut self, path: &[u8], target: &[u8]) -> io::Result<()> {
        let (owner, date) = (self.owner, self.date);
        let (folder, name) = self.cleared(path)?;
        rustix::fs::symlinkat(target, folder, name)?;
        chown(folder, name, owner)?;
        let no_follow = AtFlags::SYMLINK_NOFOLLOW;
        match date {
            Some(date) => Ok(rustix::fs::utimensat(folder, name, &both(date), no_follow)?),
            None => Ok(()),
        }
    }

    /// What hides a file of a layer below: a character device of no driver.
    pub(crate) fn whiteout(&mut self, path: &[u8]) -> io::Result<()> {
        let (folder, name) = self.cleared(path)?;
        let kind = FileType::CharacterDevice;
        Ok(rustix::fs::mknodat(folder, name, kind, Mode::empty(), 0)?)
    }

    /// Removes whatever is there, if anything; folders above it are not made.
    pub(crate) fn remove(&mut self, path: &[u8]) -> io::Result<()> {
        let (parent, name) = split(path);
        self.last = None;
        match self.root.open_folder(parent) {
            Ok(folder) => remove(folder, name),
            Err(fault) if is_gone(&fault) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    /// A folder that can be written, made if it is missing.
    pub(crate) fn folder(&mut self, path: &[u8]) -> io::Result<&OwnedFd> {
        let opened = match self.last.take() {
            Some((known, opened)) if known == path => opened,
            Some(_) | None => self.open(path)?,
        };
        Ok(&self.last.insert((path.to_vec(), opened)).1)
    }

    /// The same, for keeps.
    pub(crate) fn open(&self, path: &[u8]) -> io::Result<OwnedFd> {
        if let Ok(folder) = self.root.open_folder(path)
            && rustix::fs::fstat(&folder)?.st_mode & OWNERS.as_raw_mode() == OWNERS.as_raw_mode()
        {
            return Ok(folder);
        }
        let mut folder = self.root.open_folder(b"")?;
        let parts = path.split(|&byte| byte == b'/');
        for part in parts.filter(|part| !part.is_empty()) {
            folder = enter(&folder, part, self.owner)?;
        }
        Ok(folder)
    }

    /// The folder of a path, in which its name is free.
    fn cleared<'p>(&mut self, path: &'p [u8]) -> io::Result<(&OwnedFd, &'p [u8])> {
        let (parent, name) = split(path);
        if matches!(name, b"" | b"." | b"..") {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a name"));
        }
        let folder = self.folder(parent)?;
        remove(folder, name)?;
        Ok((folder, name))
    }
}

fn both(time: Timespec) -> Timestamps {
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

fn is_gone(fault: &io::Error) -> bool {
    fault.raw_os_error() == Some(Errno::LOOP.raw_os_error())
        || matches!(
            fault.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        )
}

fn chown(folder: &OwnedFd, name: &[u8], owner: Option<Owner>) -> io::Result<()> {
    let Some(Owner { uid, gid }) = owner else {
        return Ok(());
    };
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    Ok(rustix::fs::chownat(
        folder,
        name,
        uid,
        gid,
        AtFlags::SYMLINK_NOFOLLOW,
    )?)
}

/// Opens a folder in a folder, in which its owner may do everything; makes it with mode 0755 if there is none.
fn enter(parent: &OwnedFd, name: &[u8], owner: Option<Owner>) -> io::Result<OwnedFd> {
    match stat_in(parent, name)? {
        Some(stat) if file_type(&stat) == FileType::Directory => {
            if stat.st_mode & OWNERS.as_raw_mode() != OWNERS.as_raw_mode() {
                grant(parent, name, &stat, OWNERS)?;
            }
            return open_subfolder(parent, name);
        }
        Some(_) => remove(parent, name)?,
        None => {}
    }
    rustix::fs::mkdirat(parent, name, OWNERS)?;
    chown(parent, name, owner)?;
    let folder = open_subfolder(parent, name)?;
    rustix::fs::fchmod(&folder, Mode::from_raw_mode(0o755))?;
    Ok(folder)
}
