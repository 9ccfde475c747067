//! What a tree takes on the disk.

use std::collections::HashSet;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use rustix::fs::FileType;

use crate::walk::{Found, Visitor, stat, walk};

/// The bytes allocated for everything below `root`: holes are not counted, and a file with several names is counted once.
pub fn tree_bytes(root: &Path) -> io::Result<u64> {
    let mut sum = Sum::default();
    walk(root, &mut sum)?;
    Ok(sum.blocks.saturating_mul(512))
}

#[derive(Default)]
struct Sum {
    blocks: u64,
    linked: HashSet<(u64, u64)>,
}

impl Visitor for Sum {
    fn entry(&mut self, found: &Found<'_>) -> io::Result<ControlFlow<()>> {
        let stat = match stat(found.directory, found.name) {
            Ok(stat) => stat,
            Err(error) => {
                self.unreadable(error)?;
                return Ok(ControlFlow::Continue(()));
            }
        };
        let is_shared = found.kind != FileType::Directory && stat.st_nlink > 1;
        if !is_shared || self.linked.insert((stat.st_dev, stat.st_ino)) {
            self.blocks += u64::try_from(stat.st_blocks).unwrap_or(0);
        }
        Ok(ControlFlow::Continue(()))
    }

    /// What cannot be read is small, or belongs to somebody who meant it.
    fn unreadable(&mut self, error: io::Error) -> io::Result<()> {
        tracing::debug!(%error, "something is not part of a snapshot's size");
        Ok(())
    }
}
