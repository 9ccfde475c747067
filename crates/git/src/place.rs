//! Naming a directory that a sandbox could write, without being led elsewhere.

use crate::checkout::Owner;
use crate::layered::Look;
use crate::tree_dir::{TreeRoot, file_type, is_opaque, make_readable, open_subfolder, stat_in};
use crate::tree_write::TreeWriter;
use rustix::fs::FileType;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, PathBuf};

/// A directory in a tree that a sandbox could write. From `root` on no symlink is followed: whatever was put in the way of `below`, nothing
/// outside of `root` is read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Absolute, and nobody but the host can replace it: the top of a volume, or an open handle of one such as `/proc/self/fd/7`.
    pub root: PathBuf,
    /// The way from there: relative, without `..`.
    pub below: PathBuf,
}

impl Place {
    pub fn new(root: impl Into<PathBuf>, below: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            below: below.into(),
        }
    }

    /// # Errors
    /// There is no such directory, or something on the way to it is none.
    pub(crate) fn open(&self) -> io::Result<TreeRoot> {
        let (root, way) = (TreeRoot::open(&self.root)?, self.way()?);
        match root.below(&way) {
            // A command inside has closed it, or a directory above, to its owner, which an ordinary user's worker is.
            Err(fault) if fault.kind() == io::ErrorKind::PermissionDenied => {
                make_way(&root, &way)?;
                root.below(&way)
            }
            opened => opened,
        }
    }

    /// Makes the directory, and those on the way to it, if they are missing; what else is in the way is removed.
    pub(crate) fn make(&self, owner: Option<Owner>) -> io::Result<TreeWriter> {
        let way = self.way()?;
        TreeWriter::new(TreeRoot::open(&self.root)?, owner).folder(&way)?;
        Ok(TreeWriter::new(self.open()?, owner))
    }

    /// Removes the directory with all that is in it, if it is there.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let way = self.way()?;
        TreeWriter::new(TreeRoot::open(&self.root)?, None).remove(&way)
    }

    /// What is at this place in a layer.
    pub(crate) fn look(&self) -> io::Result<Look> {
        let way = self.way()?;
        let root = TreeRoot::open(&self.root)?;
        let mut folder = root.open_folder(b"")?;
        let mut is_hidden = false;
        for part in way
            .split(|&byte| byte == b'/')
            .filter(|part| !part.is_empty())
        {
            match stat_in(&folder, part)? {
                None if is_hidden => return Ok(Look::Removed { is_hidden }),
                None => return Ok(Look::Untouched),
                Some(stat) if file_type(&stat) == FileType::Directory => {
                    folder = open_subfolder(&folder, part)?;
                    is_hidden |= is_opaque(&folder)?;
                }
                Some(_) => return Ok(Look::Removed { is_hidden }),
            }
        }
        let root = root.below(&way)?;
        Ok(Look::Folder { root, is_hidden })
    }

    fn way(&self) -> io::Result<Vec<u8>> {
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in self.below.components() {
            match part {
                Component::Normal(name) => parts.push(name.as_bytes()),
                Component::CurDir => {}
                Component::RootDir | Component::ParentDir | Component::Prefix(_) => {
                    let fault = "the way to a place is relative and leads downwards";
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, fault));
                }
            }
        }
        Ok(parts.join(&b'/'))
    }
}

/// Lets the owner enter each directory on the way.
fn make_way(root: &TreeRoot, way: &[u8]) -> io::Result<()> {
    let mut folder = root.open_folder(b"")?;
    let parts = way.split(|&byte| byte == b'/');
    for part in parts.filter(|part| !part.is_empty()) {
        if let Some(stat) = stat_in(&folder, part)?
            && stat.st_mode & 0o500 != 0o500
            && file_type(&stat) == FileType::Directory
        {
            make_readable(&folder, part, &stat)?;
        }
        folder = open_subfolder(&folder, part)?;
    }
    Ok(())
}
