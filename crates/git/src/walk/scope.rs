//! Where the walk looks: only where the agent touched something.

use super::{Entry, Walk};
use crate::listing::Child;
use crate::tree_dir::{file_type, split, stat_in};
use rustix::fd::OwnedFd;
use rustix::fs::FileType;

impl Walk<'_> {
    /// Sees which files of the start are gone from a folder that was touched. What has a name in the layer is looked at by the walk; the rest
    /// is as it was, unless the folder was removed and made anew: then it is not in the view.
    pub(super) fn look_for_known(&mut self, folder: &[u8], names: &[Vec<u8>], view: &OwnedFd) {
        let is_listed = |name: &[u8]| {
            names
                .binary_search_by(|known| known.as_slice().cmp(name))
                .is_ok()
        };
        let is_folder = |name: &[u8]| match stat_in(view, name) {
            Ok(Some(stat)) => file_type(&stat) == FileType::Directory,
            Ok(None) => false,
            // What cannot be read is taken as unchanged.
            Err(_) => true,
        };
        for child in self.input.start.children(folder) {
            match child {
                Child::File { name, at } => {
                    self.gone[at] = is_listed(name) || matches!(stat_in(view, name), Ok(None));
                }
                Child::Folder { name, below } => {
                    if !is_folder(name) {
                        self.gone[below].fill(true);
                    }
                }
            }
        }
    }

    /// All files of the start below a folder are gone, until they are seen.
    pub(super) fn forget_below(&mut self, folder: &[u8]) {
        let below = self.input.start.below(folder);
        self.gone[below].fill(true);
    }

    /// Whether a file looks as when its content was known to be that of the start.
    pub(super) fn is_as_noted(&self, entry: &Entry<'_>) -> bool {
        // Notes were taken of the layer, and a file can look different in the view.
        stat_in(entry.listed, &entry.name).is_ok_and(|stat| {
            stat.is_some_and(|stat| self.input.notes.is_unchanged(&entry.path, &stat))
        })
    }

    /// Whether something in the layer can have changed what is at this path.
    pub(super) fn is_touched(&self, path: &[u8]) -> bool {
        let mut at = path;
        loop {
            let (folder, name) = split(at);
            match self.input.changed.open_folder(folder) {
                Ok(opened) => {
                    let found = stat_in(&opened, name).ok().flatten();
                    // A folder on the way says nothing: what is in it comes from below, too.
                    return match found {
                        None => false,
                        Some(stat) => at == path || file_type(&stat) != FileType::Directory,
                    };
                }
                Err(_) if folder.is_empty() => return false,
                Err(_) => at = folder,
            }
        }
    }
}
