//! Removing a hostile tree: however deep it is, whatever is in it, never through a symlink.

use crate::tree_dir::{file_type, grant, names_in, open_subfolder, stat_in};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, RenameFlags};
use rustix::io::Errno;
use std::io;

/// Names that are read before they are removed: a folder may have more than fit into memory.
const NAMES_AT_ONCE: usize = 10_000;

/// Removes what has this name, if anything: a folder with all that is in it.
pub(crate) fn remove(parent: impl AsFd, name: &[u8]) -> io::Result<()> {
    if unlink(&parent, name)? {
        return Ok(());
    }
    let top = open_all(&parent, name)?;
    empty(&top)?;
    Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

/// Removes all that is in a folder.
///
/// Without recursion and with two open folders: what is in a folder of `top` is removed, or moved up into `top` if it is itself a folder
/// with something in it. So each folder is handled twice at most, and no path is longer than two names.
fn empty(top: &OwnedFd) -> io::Result<()> {
    let mut moved = 0;
    loop {
        let names = names_in(top, NAMES_AT_ONCE)?;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            if unlink(top, &name)? {
                continue;
            }
            let folder = open_all(top, &name)?;
            loop {
                let inner = names_in(&folder, NAMES_AT_ONCE)?;
                if inner.is_empty() {
                    break;
                }
                for inner in inner {
                    if !unlink(&folder, &inner)? {
                        move_up(&folder, &inner, top, &mut moved)?;
                    }
                }
            }
            rustix::fs::unlinkat(top, name.as_slice(), AtFlags::REMOVEDIR)?;
        }
    }
}

/// Removes a file or an empty folder; false if it is a folder with something in it.
fn unlink(folder: impl AsFd, name: &[u8]) -> io::Result<bool> {
    match rustix::fs::unlinkat(&folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(true),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(fault) => return Err(fault.into()),
    }
    match rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Err(fault) => Err(fault.into()),
    }
}

/// Opens a folder in which everything is allowed to its owner.
fn open_all(parent: impl AsFd, name: &[u8]) -> io::Result<OwnedFd> {
    if let Some(stat) = stat_in(&parent, name)?
        && file_type(&stat) == FileType::Directory
        && stat.st_mode & Mode::RWXU.as_raw_mode() != Mode::RWXU.as_raw_mode()
    {
        grant(&parent, name, &stat, Mode::RWXU)?;
    }
    open_subfolder(parent, name)
}

fn move_up(from: &OwnedFd, name: &[u8], top: &OwnedFd, moved: &mut u64) -> io::Result<()> {
    // Who moves a folder elsewhere writes into it, too: its `..` changes.
    drop(open_all(from, name)?);
    loop {
        *moved += 1;
        let free = format!("outwork-removes-{moved}");
        match rustix::fs::renameat_with(from, name, top, free.as_str(), RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {}
            renamed => return Ok(renamed?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree_dir::TreeRoot;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn everything_goes_and_nothing_outside() {
        let dir = tempfile::tempdir().expect("a folder");
        let (tree, outside) = (dir.path().join("tree"), dir.path().join("outside"));
        std::fs::create_dir_all(tree.join("a/b/c")).expect("folders");
        std::fs::create_dir_all(tree.join("a/outwork-removes-1")).expect("folders");
        std::fs::create_dir_all(outside.join("x")).expect("folders");
        std::fs::write(outside.join("file"), "kept").expect("a file");
        std::fs::write(tree.join("a/b/c/file"), "").expect("a file");
        symlink(&outside, tree.join("a/link")).expect("a link");
        symlink(&outside, tree.join("a/b/c/link")).expect("a link");
        let closed = std::fs::Permissions::from_mode(0o000);
        std::fs::set_permissions(tree.join("a/b"), closed).expect("set");
        let root = TreeRoot::open(&tree).expect("opens");
        // Deeper than a path can be long.
        let mut folder = root.open_folder(b"a").expect("opens");
        for _ in 0..2_100 {
            rustix::fs::mkdirat(&folder, "d", Mode::RWXU).expect("a folder");
            folder = open_subfolder(&folder, b"d").expect("opens");
        }
        let top = root.open_folder(b"").expect("opens");
        for name in ["a", "a"] {
            remove(&top, name.as_bytes()).expect("removed");
        }
        assert_eq!(names_in(&top, 9).expect("reads"), Vec::<Vec<u8>>::new());
        assert_eq!(
            std::fs::read(outside.join("file")).expect("still there"),
            b"kept"
        );
        assert!(outside.join("x").exists());
    }
}
