//! What speaks for a path beside the start tree: that an ignored file belongs to the change, and which commit a submodule has.

use crate::index::IndexEntry;
use crate::listing::Listing;
use crate::names::ObjectId;
use crate::summary::FileMode;
use std::collections::{BTreeMap, HashSet};

/// Paths that are wanted in the diff though a `.gitignore` names them, and submodules that have no repository in their folder.
///
/// They come from the base tree and from the agent's own index, read as data: `git add --force` is the agent's way to say that an ignored
/// file belongs to the change. A hint can only add to a diff.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hints {
    /// With the commit for a submodule, without for a file.
    paths: BTreeMap<Vec<u8>, Option<ObjectId>>,
    /// Submodules that the agent's index had at first and has no more.
    dropped: HashSet<Vec<u8>>,
}

impl Hints {
    /// Files that git knows, though they are not in the start tree: those that the carried diff removed may come back.
    pub(crate) fn of(base: &Listing, start: &Listing) -> Self {
        let mut hints = Self::default();
        for entry in base.entries() {
            if entry.mode != FileMode::Gitlink && start.find(&entry.path).is_none() {
                hints.add(&entry.path, None);
            }
        }
        hints
    }

    /// Takes from the agent's index what the start tree has not got. `first` is that index as it was at the start: an entry that is still the
    /// same says nothing about a submodule, since the diffs that the agent began with did not change it.
    pub(crate) fn add_index(&mut self, now: &[IndexEntry], first: &Listing, start: &Listing) {
        let links = now.iter().filter(|entry| entry.mode == FileMode::Gitlink);
        let links: HashSet<&[u8]> = links.map(|entry| entry.path.as_slice()).collect();
        for entry in first.entries() {
            if entry.mode == FileMode::Gitlink && !links.contains(entry.path.as_slice()) {
                self.dropped.insert(entry.path.clone());
            }
        }
        for entry in now {
            if entry.mode == FileMode::Gitlink {
                let same = first
                    .find(&entry.path)
                    .is_some_and(|(_, first)| first.is_same(entry));
                if !same {
                    self.add(&entry.path, Some(entry.id.clone()));
                }
            } else {
                let known = start.find(&entry.path).map(|(_, known)| known.mode);
                if known != Some(entry.mode) {
                    self.add(&entry.path, None);
                }
            }
        }
    }

    fn add(&mut self, path: &[u8], link: Option<ObjectId>) {
        self.paths.insert(path.to_vec(), link);
    }

    /// Whether a submodule is one no more.
    pub(crate) fn dropped(&self, path: &[u8]) -> bool {
        self.dropped.contains(path) && self.gitlink(path).is_none()
    }

    pub(crate) fn names(&self, path: &[u8]) -> bool {
        self.paths.contains_key(path)
    }

    pub(crate) fn gitlink(&self, path: &[u8]) -> Option<&ObjectId> {
        self.paths.get(path)?.as_ref()
    }

    /// Looked up in order, not remembered folder by folder: one long path has thousands of them.
    pub(crate) fn has_below(&self, folder: &[u8]) -> bool {
        let below = [folder, b"/"].concat();
        let mut from = self.paths.range(below.clone()..);
        from.next()
            .is_some_and(|(path, _)| path.starts_with(&below))
    }
}
