//! Naming a directory that a sandbox could write, without being led elsewhere.

use std::path::PathBuf;

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
}
