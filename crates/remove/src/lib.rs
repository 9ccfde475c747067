//! Removing a tree that somebody else thought up.
//!
//! It may be deeper than there are descriptors, and its directories may have no permissions. So each directory is moved
//! up beside the first before it is emptied: depth never grows, and one descriptor is enough.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use rustix::path::Arg;

/// Names that are gathered at once: a directory may have more than there is memory for.
const NAMES: usize = 262_144;

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
    remove_with(parent, name, NAMES)
}

fn remove_with(
    parent: impl AsFd,
    name: impl Arg + Copy,
    names_at_once: usize,
) -> rustix::io::Result<()> {
    let mut removal = Removal {
        top: open(&parent, name)?,
        next_name: 0,
        waiting: BTreeSet::new(),
        names_at_once,
    };
    removal.empty(None)?;
    while let Some(name) = removal.waiting.pop_last() {
        let directory = open(&removal.top, name.as_c_str())?;
        removal.empty(Some(&directory))?;
        drop(directory);
        rustix::fs::unlinkat(&removal.top, name.as_c_str(), AtFlags::REMOVEDIR)?;
    }
    rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR)
}

struct Removal {
    top: OwnedFd,
    next_name: u64,
    /// Names of moved directories in `top`.
    waiting: BTreeSet<CString>,
    names_at_once: usize,
}

impl Removal {
    /// Unlinks the files in a directory (without one: in the top) and moves its directories to the top.
    fn empty(&mut self, directory: Option<&OwnedFd>) -> rustix::io::Result<()> {
        rustix::fs::fchmod(directory.unwrap_or(&self.top), Mode::RWXU)?;
        loop {
            // Gathered first: what a directory lists while it is changed is not defined.
            let names = self.names_in(directory)?;
            if names.is_empty() {
                return Ok(());
            }
            for name in names {
                self.remove(directory, &name)?;
            }
        }
    }

    /// Some of the names in a directory; none if there is nothing left to do in it.
    fn names_in(&self, directory: Option<&OwnedFd>) -> rustix::io::Result<Vec<CString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(directory.unwrap_or(&self.top))? {
            let entry = entry?;
            let name = entry.file_name();
            // Elsewhere a name may be the same by chance, or on purpose.
            let waits = directory.is_none() && self.waiting.contains(name);
            if name != c"." && name != c".." && !waits {
                names.push(name.to_owned());
                if names.len() == self.names_at_once {
                    break;
                }
            }
        }
        Ok(names)
    }

    fn remove(&mut self, directory: Option<&OwnedFd>, name: &CString) -> rustix::io::Result<()> {
        let at = directory.unwrap_or(&self.top);
        let stat = rustix::fs::statat(at, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return rustix::fs::unlinkat(at, name.as_c_str(), AtFlags::empty());
        }
        match rustix::fs::unlinkat(at, name.as_c_str(), AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::ACCESS) => {
                let moved = move_up(&self.top, at, name, &mut self.next_name)?;
                self.waiting.insert(moved);
                Ok(())
            }
            removed => removed,
        }
    }
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

    /// A directory may have more names than are gathered at once, and names that the removal itself gives.
    #[test]
    fn wide_trees_and_the_names_of_the_removal_itself_are_removed() {
        for names_at_once in [1, 3, 1000] {
            let home = tempfile::tempdir().unwrap();
            let tree = home.path().join("tree");
            for below in ["", "a", "a/b", "c"] {
                for number in 0..20 {
                    let name = tree.join(below).join(format!(".outwork-removed-{number}"));
                    match number % 3 {
                        0 => std::fs::create_dir_all(name.join("inner/most")).unwrap(),
                        1 => std::fs::create_dir_all(name).unwrap(),
                        _ => {
                            std::fs::create_dir_all(name.parent().unwrap()).unwrap();
                            std::fs::write(name, "").unwrap();
                        }
                    }
                }
            }
            remove_with(CWD, &tree, names_at_once).unwrap();
            assert!(!tree.exists());
        }
    }
}
