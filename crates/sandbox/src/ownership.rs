//! Changing the owner of a tree, where a mount cannot map it.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Uid};

/// An owner that could not be changed.
#[derive(Debug, thiserror::Error)]
#[error("cannot change the owner below {}", path.display())]
pub struct OwnershipError {
    pub path: PathBuf,
    #[source]
    pub cause: std::io::Error,
}

/// Give everything at and below `path` that belongs to `from` (user, group) to `to`. Follows no symbolic link and leaves
/// what belongs to anybody else. Set-user-id and set-group-id bits are lost, as the kernel wants it.
///
/// # Errors
/// The first entry that cannot be read or changed. Calling again goes on.
pub fn change_owner(path: &Path, from: (u32, u32), to: (u32, u32)) -> Result<(), OwnershipError> {
    let run = || -> rustix::io::Result<()> {
        let top = rustix::fs::openat(
            CWD,
            path,
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        change(&top, from, to)?;
        if FileType::from_raw_mode(rustix::fs::fstat(&top)?.st_mode) != FileType::Directory {
            return Ok(());
        }
        // A stack, not recursion: the depth of the tree is up to whoever wrote it. One descriptor for each level.
        let mut stack = vec![open_directory(&top)?];
        while let Some(directory) = stack.last_mut() {
            let Some(entry) = directory.read() else {
                stack.pop();
                continue;
            };
            let entry = entry?;
            if entry.file_name() == c"." || entry.file_name() == c".." {
                continue;
            }
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let child =
                rustix::fs::openat(directory.fd()?, entry.file_name(), flags, Mode::empty())?;
            change(&child, from, to)?;
            if FileType::from_raw_mode(rustix::fs::fstat(&child)?.st_mode) == FileType::Directory {
                stack.push(open_directory(&child)?);
            }
        }
        Ok(())
    };
    run().map_err(|cause| OwnershipError {
        path: path.to_owned(),
        cause: cause.into(),
    })
}

fn open_directory(at: &OwnedFd) -> rustix::io::Result<Dir> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Dir::new(rustix::fs::openat(at, c".", flags, Mode::empty())?)
}

/// The descriptor is of the very inode that was looked at, so nothing can be put in its place.
fn change(entry: impl AsFd, from: (u32, u32), to: (u32, u32)) -> rustix::io::Result<()> {
    let stat = rustix::fs::fstat(&entry)?;
    let uid = (stat.st_uid == from.0).then(|| Uid::from_raw(to.0));
    let gid = (stat.st_gid == from.1).then(|| Gid::from_raw(to.1));
    if uid.is_none() && gid.is_none() {
        return Ok(());
    }
    rustix::fs::chownat(
        &entry,
        c"",
        uid,
        gid,
        AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW,
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn links_out_of_the_tree_are_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("file"), "x").unwrap();
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("a/b")).unwrap();
        std::fs::write(tree.path().join("a/b/file"), "x").unwrap();
        symlink(outside.path(), tree.path().join("a/link")).unwrap();
        symlink(outside.path().join("file"), tree.path().join("filelink")).unwrap();

        let worker = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        let changed = change_owner(tree.path(), worker, (1234, 1234));
        if worker.0 != 0 {
            // Only root gives files away; an ordinary worker has no need to.
            assert_eq!(changed.unwrap_err().cause.raw_os_error(), Some(libc::EPERM));
            return;
        }
        changed.unwrap();

        let owner = |path: PathBuf| path.symlink_metadata().unwrap().uid();
        assert_eq!(owner(tree.path().join("a/b/file")), 1234);
        assert_eq!(owner(tree.path().join("a/link")), 1234);
        assert_eq!(owner(outside.path().to_owned()), 0);
        assert_eq!(owner(outside.path().join("file")), 0);
    }
}
