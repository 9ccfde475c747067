//! Changing the owner of a tree, where a mount cannot map it.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat, Uid};

use crate::capabilities::{Capabilities, Privilege};

/// User and group on disk of what is id `uid`, `gid` inside, in a tree that is kept and mounted as a stored layer
/// ([`crate::LayerIds::Stored`]). For a root worker that is `store_uid_base` ([`crate::Spec::store_uid_base`]) and the
/// id; an ordinary user has only its own.
///
/// Both ids must be below 65536.
pub fn stored_owner(
    capabilities: &Capabilities,
    store_uid_base: u32,
    uid: u32,
    gid: u32,
) -> (u32, u32) {
    match capabilities.privilege {
        Privilege::Root { uid: _, gid: _ } => (store_uid_base + uid, store_uid_base + gid),
        Privilege::User { uid, gid } => (uid, gid),
    }
}

/// An owner that could not be changed.
#[derive(Debug, thiserror::Error)]
#[error("cannot change the owner below {}", path.display())]
pub struct OwnershipError {
    pub path: PathBuf,
    #[source]
    pub cause: std::io::Error,
}

/// Give everything at and below `path` that belongs to `from` (user, group) to `to`. Follows no symbolic link and
/// leaves what belongs to anybody else. Set-user-id and set-group-id bits are lost, as the kernel wants it. Nobody else
/// may change the tree meanwhile.
///
/// # Errors
/// The first entry that cannot be read or changed. Calling again goes on.
pub fn change_owner(path: &Path, from: (u32, u32), to: (u32, u32)) -> Result<(), OwnershipError> {
    walk(path, from, to).map_err(|cause| OwnershipError {
        path: path.to_owned(),
        cause: cause.into(),
    })
}

/// Directories above the one at hand: which one it is, and its directories that are still to be done.
struct Above {
    directory: Identity,
    left: Vec<CString>,
}

type Identity = (u64, u64);

/// A stack, not recursion, and one descriptor, not one for each level: the depth of the tree is up to whoever wrote it.
fn walk(path: &Path, from: (u32, u32), to: (u32, u32)) -> rustix::io::Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
    let top = change(&at, from, to)?;
    if FileType::from_raw_mode(top.st_mode) != FileType::Directory {
        return Ok(());
    }
    let mut above: Vec<Above> = Vec::new();
    let mut left = change_entries(&at, from, to)?;
    loop {
        if let Some(name) = left.pop() {
            let child = rustix::fs::openat(&at, &*name, flags | OFlags::DIRECTORY, Mode::empty())?;
            let below = change_entries(&child, from, to)?;
            let directory = identity(&at)?;
            above.push(Above { directory, left });
            (at, left) = (child, below);
            continue;
        }
        let Some(parent) = above.pop() else {
            return Ok(());
        };
        at = rustix::fs::openat(&at, c"..", flags | OFlags::DIRECTORY, Mode::empty())?;
        if identity(&at)? != parent.directory {
            return Err(rustix::io::Errno::STALE); // It was moved: this may lead anywhere.
        }
        left = parent.left;
    }
}

/// Changes what is in a directory; gives the directories in it.
fn change_entries(
    directory: &OwnedFd,
    from: (u32, u32),
    to: (u32, u32),
) -> rustix::io::Result<Vec<CString>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let entries = Dir::new(rustix::fs::openat(directory, c".", flags, Mode::empty())?)?;
    let mut directories = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let child = rustix::fs::openat(directory, name, flags, Mode::empty())?;
        let stat = change(&child, from, to)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            directories.push(name.to_owned());
        }
    }
    Ok(directories)
}

fn identity(directory: &OwnedFd) -> rustix::io::Result<Identity> {
    let stat = rustix::fs::fstat(directory)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// The descriptor is of the very inode that was looked at, so nothing can be put in its place.
fn change(entry: impl AsFd, from: (u32, u32), to: (u32, u32)) -> rustix::io::Result<Stat> {
    let stat = rustix::fs::fstat(&entry)?;
    let uid = (stat.st_uid == from.0).then(|| Uid::from_raw(to.0));
    let gid = (stat.st_gid == from.1).then(|| Gid::from_raw(to.1));
    if uid.is_none() && gid.is_none() {
        return Ok(stat);
    }
    let flags = AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::chownat(&entry, c"", uid, gid, flags)?;
    Ok(stat)
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

    #[test]
    fn a_tree_deeper_than_descriptors_and_paths_go_is_changed_throughout() {
        const DEPTH: usize = 3000;
        let tree = tempfile::tempdir().unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let down = |at: &OwnedFd| rustix::fs::openat(at, c"d", flags, Mode::empty()).unwrap();
        let mut at = rustix::fs::openat(CWD, tree.path(), flags, Mode::empty()).unwrap();
        for _ in 0..DEPTH {
            for name in [c"d", c"e"] {
                rustix::fs::mkdirat(&at, name, Mode::RWXU).unwrap();
            }
            at = down(&at);
        }
        let own = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        // Only root gives files away; anybody may give them to itself.
        let to = if own.0 == 0 { (1234, 1234) } else { own };
        change_owner(tree.path(), own, to).unwrap();
        let mut at = rustix::fs::openat(CWD, tree.path(), flags, Mode::empty()).unwrap();
        let mut levels = 0;
        loop {
            assert_eq!(
                rustix::fs::fstat(&at).unwrap().st_uid,
                to.0,
                "level {levels}"
            );
            if levels == DEPTH {
                break;
            }
            let beside = rustix::fs::statat(&at, c"e", AtFlags::SYMLINK_NOFOLLOW).unwrap();
            assert_eq!(beside.st_uid, to.0, "beside level {levels}");
            at = down(&at);
            levels += 1;
        }
        remove(tree.path());
    }

    /// `remove_dir_all` holds a descriptor for each level.
    fn remove(tree: &Path) {
        let status = std::process::Command::new("rm")
            .arg("-rf")
            .arg(tree)
            .status();
        assert!(status.unwrap().success());
    }
}
