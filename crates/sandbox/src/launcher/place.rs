//! Finding and making places in the root that the first process has entered.
//!
//! What is there already may have been written by whoever made an image, or by a command that ran before. Links lead
//! nowhere but inside, because there is nothing else: the host's root is gone. What is left are the links in `/proc` to
//! what a process has open, such as mounts that are yet to be attached; those are never followed.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::plan::{Identity, Owner};
use crate::syscalls;

/// The root, and who is who in it.
pub(super) struct Root<'a> {
    pub(super) identity: &'a Identity,
}

/// Any place, by whatever path leads there.
pub(super) fn open(path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC;
    rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS)
}

impl Root<'_> {
    /// The directory at `path`. What is missing of it is made; a link that leads nowhere is replaced.
    pub(super) fn directory(&self, path: &Path, mode: u32, owner: Owner) -> io::Result<OwnedFd> {
        match open(path, OFlags::PATH | OFlags::DIRECTORY) {
            Err(Errno::NOENT | Errno::LOOP) => {}
            found => return Ok(found?),
        }
        let (above, name) = split(path)?;
        let above = self.directory(above, mode, owner)?;
        self.made_by(owner, &above, || {
            clear_link(&above, name)?;
            Ok(rustix::fs::mkdirat(
                &above,
                name,
                Mode::from_raw_mode(mode),
            )?)
        })?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&above, name, flags, Mode::empty())?)
    }

    /// Where `mount` can be attached: a directory for a directory, else a file. A link in its place is replaced.
    pub(super) fn mount_point(
        &self,
        mount: &OwnedFd,
        target: &Path,
        owner: Owner,
    ) -> io::Result<OwnedFd> {
        match open(target, OFlags::PATH | OFlags::NOFOLLOW) {
            Err(Errno::NOENT | Errno::LOOP) => {}
            Ok(found) if kind(&rustix::fs::fstat(&found)?) == FileType::Symlink => {}
            found => return Ok(found?),
        }
        let is_directory = kind(&rustix::fs::fstat(mount)?) == FileType::Directory;
        let (above, name) = split(target)?;
        let above = self.directory(above, 0o755, owner)?;
        self.made_by(owner, &above, || {
            clear_link(&above, name)?;
            if is_directory {
                return Ok(rustix::fs::mkdirat(
                    &above,
                    name,
                    Mode::from_raw_mode(0o755),
                )?);
            }
            create(&above, name, 0o644).map(drop)
        })?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&above, name, flags, Mode::empty())?)
    }

    /// A file with these contents and nothing else. Left alone where it is there already: in layers, writing it again
    /// would copy it once for each sandbox.
    pub(super) fn file(
        &self,
        target: &Path,
        contents: &[u8],
        mode: u32,
        owner: Owner,
    ) -> io::Result<()> {
        let (above, name) = split(target)?;
        let above = self.directory(above, 0o755, owner)?;
        if self.is_there(&above, name, contents, mode, owner)? {
            return Ok(());
        }
        self.made_by(owner, &above, || {
            // Replaced, not followed or written to: a link may be there, or a file that is open elsewhere.
            remove(&above, name)?;
            let mut file = create(&above, name, mode)?;
            file.write_all(contents)?;
            // A directory can have its own idea of its files' modes. To change one is work for the disk.
            match file.metadata()?.mode() & 0o7777 == mode {
                true => Ok(()),
                false => file.set_permissions(Permissions::from_mode(mode)),
            }
        })
    }

    /// A link that reads `points_to`.
    pub(super) fn symlink(&self, points_to: &Path, target: &Path, owner: Owner) -> io::Result<()> {
        let (above, name) = split(target)?;
        let above = self.directory(above, 0o755, owner)?;
        match rustix::fs::readlinkat(&above, name, Vec::new()) {
            Ok(found) if found.as_bytes() == points_to.as_os_str().as_encoded_bytes() => {
                return Ok(());
            }
            Ok(_) | Err(_) => {}
        }
        self.made_by(owner, &above, || {
            remove(&above, name)?;
            Ok(rustix::fs::symlinkat(points_to, &above, name)?)
        })
    }

    fn is_there(
        &self,
        above: &OwnedFd,
        name: &OsStr,
        contents: &[u8],
        mode: u32,
        owner: Owner,
    ) -> io::Result<bool> {
        // Without waiting for the other side of a pipe. What cannot be read is replaced.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let Ok(found) = rustix::fs::openat(above, name, flags | OFlags::CLOEXEC, Mode::empty())
        else {
            return Ok(false);
        };
        let stat = rustix::fs::fstat(&found)?;
        let same = kind(&stat) == FileType::RegularFile
            && stat.st_mode & 0o7777 == mode
            && (stat.st_uid, stat.st_gid) == self.ids(owner, above)?
            && u64::try_from(stat.st_size).is_ok_and(|size| size == contents.len() as u64);
        if !same {
            return Ok(false);
        }
        let mut read = Vec::with_capacity(contents.len() + 1);
        File::from(found)
            .take(contents.len() as u64 + 1)
            .read_to_end(&mut read)?;
        Ok(read == contents)
    }

    /// The ids of what `owner` makes in `directory`.
    fn ids(&self, owner: Owner, directory: &OwnedFd) -> io::Result<(u32, u32)> {
        let Identity {
            init_uid,
            init_gid,
            uid,
            gid,
            ..
        } = self.identity;
        Ok(match owner {
            Owner::Init => (*init_uid, *init_gid),
            Owner::Command => (*uid, *gid),
            Owner::Beside => {
                let stat = rustix::fs::fstat(directory)?;
                (stat.st_uid, stat.st_gid)
            }
        })
    }

    /// Make something in `directory` as `owner`. What lies in a mapped mount can be made by no other id.
    fn made_by<T>(
        &self,
        owner: Owner,
        directory: &OwnedFd,
        make: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let own = (self.identity.init_uid, self.identity.init_gid);
        let (uid, gid) = self.ids(owner, directory)?;
        if (uid, gid) == own {
            return make();
        }
        syscalls::set_filesystem_ids(uid, gid);
        let made = make();
        syscalls::set_filesystem_ids(own.0, own.1);
        made
    }
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn split(path: &Path) -> io::Result<(&Path, &OsStr)> {
    path.parent()
        .zip(path.file_name())
        .ok_or_else(|| Errno::INVAL.into())
}

fn create(above: &OwnedFd, name: &OsStr, mode: u32) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(above, name, flags, Mode::from_raw_mode(mode))?;
    Ok(file.into())
}

/// Whatever is there but a directory.
fn remove(above: &OwnedFd, name: &OsStr) -> rustix::io::Result<()> {
    match rustix::fs::unlinkat(above, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error),
    }
}

fn clear_link(above: &OwnedFd, name: &OsStr) -> rustix::io::Result<()> {
    match rustix::fs::statat(above, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if kind(&stat) == FileType::Symlink => remove(above, name),
        Ok(_) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error),
    }
}
