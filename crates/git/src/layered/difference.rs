//! What has to be written over a snapshot so that it becomes another tree.

use crate::index::IndexEntry;
use crate::listing::Listing;
use crate::snapshot::Untracked;
use crate::summary::FileMode;
use std::collections::BTreeSet;

/// What differs between two trees, as the upper layer needs it.
#[derive(Debug, Default)]
pub(super) struct Difference {
    pub(super) write: Vec<IndexEntry>,
    /// Files and whole folders of the snapshot that must not be seen.
    pub(super) hide: Vec<Vec<u8>>,
}

impl Difference {
    pub(super) fn of(snapshot: &Listing, start: &Listing, untracked: &Untracked) -> Self {
        let is_there = |entry: &IndexEntry| {
            let known = snapshot.find(&entry.path).map(|(_, known)| known);
            known.is_some_and(|known| {
                // The folder of a submodule is the same whatever its commit.
                known.is_same(entry)
                    || (known.mode, entry.mode) == (FileMode::Gitlink, FileMode::Gitlink)
            })
        };
        let wanted = start.entries().iter().filter(|entry| !is_there(entry));
        let mut hide = BTreeSet::new();
        for entry in snapshot.entries() {
            if start.find(&entry.path).is_none()
                && let Some(hidden) = hidden(entry, start, untracked)
            {
                hide.insert(hidden.to_vec());
            }
        }
        Self {
            write: wanted.cloned().collect(),
            hide: hide.into_iter().collect(),
        }
    }

    pub(super) fn writes(&self, path: &[u8]) -> bool {
        self.write
            .binary_search_by(|entry| entry.path.as_slice().cmp(path))
            .is_ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.write.is_empty() && self.hide.is_empty()
    }
}

/// What hides a file that the tree has not got: the highest folder in which nothing is left, or else the file itself. None if something that
/// is written hides it.
fn hidden<'a>(entry: &'a IndexEntry, start: &Listing, untracked: &Untracked) -> Option<&'a [u8]> {
    let path = entry.path.as_slice();
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    for (slash, _) in slashes {
        let folder = &path[..slash];
        match start.find(folder).map(|(_, known)| known.mode) {
            // Still a folder, though an empty one.
            Some(FileMode::Gitlink) => {}
            Some(FileMode::Regular | FileMode::Executable | FileMode::Symlink) => return None,
            None if start.has_below(folder) || untracked.at_or_below(folder) => {}
            None => return Some(folder),
        }
    }
    // A folder of the same name hides a file. Of a submodule that a script has filled the files stay, as with git itself.
    let stays = entry.mode == FileMode::Gitlink && untracked.at_or_below(path);
    (!start.has_below(path) && !stays).then_some(path)
}
