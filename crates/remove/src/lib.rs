//! Removing a tree that somebody else thought up.
//!
//! It may be deeper than there are descriptors, and its directories may have no permissions. So each directory is moved
//! up beside the first before it is emptied: depth never grows, and one descriptor is enough.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use rustix::path::Arg;

/// Removes `path` with all that is below it. It is no error if it does not exist.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(metadata) if !metadata.is_dir() => std::fs::remove_file(path),
        Ok(_) => Ok(remove_directory_at(CWD, path)?),
    }
}

/// Removes a directory of `parent` with all that is below it.
pub fn remove_directory_at(parent: impl AsFd, name: impl Arg + Copy) -> rustix::io::Result<()> {
    let top = open(&parent, name)?;
    let mut next_name = 0_u64;
    // Names of moved directories, waiting in `top`.
    let mut waiting = Vec::new();
    empty(&top, &top, &mut next_name, &mut waiting)?;
    while let Some(name) = waiting.pop() {
        let directory = open(&top, name.as_c_str())?;
        empty(&top, &directory, &mut next_name, &mut waiting)?;
        drop(directory);
        rustix::fs::unlinkat(&top, name.as_c_str(), AtFlags::REMOVEDIR)?;
    }
    rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR)
}

fn open(at: impl AsFd, path: impl Arg + Copy) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(&at, path, flags, Mode::empty()) {
        // An ordinary user's own directory without permissions; a link would have been another error.
        Err(Errno::ACCESS) => {
            rustix::fs::chmodat(&at, path, Mode::RWXU, AtFlags::empty())?;
            rustix::fs::openat(&at, path, flags, Mode::empty())
        }
        other => other,
    }
}

/// Unlinks the files in `directory` and moves its directories to `top` under new names.
fn empty(
    top: &OwnedFd,
    directory: &OwnedFd,
    next_name: &mut u64,
    waiting: &mut Vec<CString>,
) -> rustix::io::Result<()> {
    rustix::fs::fchmod(directory, Mode::RWXU)?;
    // Names are gathered first: what a directory lists while it is changed is not defined.
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if entry.file_name() != c"." && entry.file_name() != c".." {
            names.push(entry.file_name().to_owned());
        }
    }
    for name in names {
        let stat = rustix::fs::statat(directory, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            rustix::fs::unlinkat(directory, name.as_c_str(), AtFlags::empty())?;
            continue;
        }
        match rustix::fs::unlinkat(directory, name.as_c_str(), AtFlags::REMOVEDIR) {
            Ok(()) => continue,
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::ACCESS) => {}
            Err(error) => return Err(error),
        }
        waiting.push(move_up(top, directory, &name, next_name)?);
    }
    Ok(())
}

fn move_up(
    top: &OwnedFd,
    directory: &OwnedFd,
    name: &CString,
    next_name: &mut u64,
) -> rustix::io::Result<CString> {
    loop {
        let fresh =
            CString::new(format!(".outwork-removed-{next_name}")).expect("a number has no NUL");
        *next_name += 1;
        let flags = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(directory, name.as_c_str(), top, fresh.as_c_str(), flags) {
            Ok(()) => return Ok(fresh),
            // The image has a file of that name.
            Err(Errno::EXIST) => {}
            // Moving a directory changes its `..`, for which it must be writable.
            Err(Errno::ACCESS) => {
                rustix::fs::chmodat(directory, name.as_c_str(), Mode::RWXU, AtFlags::empty())?;
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_deep_tree_is_removed_and_links_are_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("kept"), "x").unwrap();
        let home = tempfile::tempdir().unwrap();
        let tree = home.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        symlink(outside.path(), tree.join("link")).unwrap();
        std::fs::write(tree.join(".outwork-removed-0"), "a program's own").unwrap();
        let closed = tree.join("closed");
        std::fs::create_dir_all(closed.join("inner")).unwrap();
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
        let mut at = open(CWD, &tree).unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&at, c"deeper", Mode::RWXU).unwrap();
            at = open(&at, c"deeper").unwrap();
        }
        drop(at);

        remove_tree(&tree).unwrap();

        assert!(!tree.exists());
        assert!(outside.path().join("kept").exists());
        remove_tree(&tree).unwrap();
    }
}
