//! Submodules met on the walk: only their commit counts.

use super::{Walk, WalkError, Warning};
use crate::import::Change;
use crate::names::ObjectId;
use crate::submodule::{Nested, nested_head};
use crate::summary::FileMode;
use crate::tree_dir::{names_in, split, stat_in};

impl Walk<'_> {
    /// Changed if its own repository has another commit checked out, or the agent's index names another.
    pub(super) fn known_submodule(&mut self, path: &[u8], start: &ObjectId) {
        let hinted = self.input.hints.gitlink(path).unwrap_or(start);
        let (nested, asked) = nested_head(self.input.view, path);
        // A script may have left another commit there before the agent began.
        let is_touched = asked.iter().any(|asked| self.is_touched(asked));
        let now = match nested {
            Nested::Head(id) if is_touched => id,
            Nested::Unreadable if is_touched => {
                self.warn(Warning::Unreadable {
                    path: path.to_vec(),
                });
                hinted.clone()
            }
            Nested::NoRepository { is_empty: true } => hinted.clone(),
            Nested::NoRepository { is_empty: false } | Nested::Head(_) | Nested::Unreadable => {
                self.warn_of_files_inside(path);
                hinted.clone()
            }
        };
        if now != *start {
            self.gitlink(path, now);
        }
    }

    /// The work of an agent in a submodule is not part of the diff.
    fn warn_of_files_inside(&mut self, path: &[u8]) {
        let touched = self.input.changed.open_folder(path);
        let is_touched = touched
            .and_then(|folder| names_in(folder, 1))
            .is_ok_and(|names| names.iter().any(|name| name != b".git"));
        if is_touched {
            self.warn(Warning::InsideSubmodule {
                path: path.to_vec(),
            });
        }
    }

    /// Submodules whose folder was not touched: the agent's index speaks, too.
    pub(super) fn untouched_submodules(&mut self) -> Result<(), WalkError> {
        let (start, hints) = (self.input.start, self.input.hints);
        for (at, entry) in start.entries().iter().enumerate() {
            if entry.mode != FileMode::Gitlink || self.gone[at] || self.is_touched(&entry.path) {
                continue;
            }
            self.check_limits()?;
            if hints.dropped(&entry.path) {
                self.gone[at] = true;
            } else if hints.gitlink(&entry.path).is_some() {
                self.known_submodule(&entry.path, &entry.id);
            }
        }
        Ok(())
    }

    /// Whether a file that git knows is still in this folder: then it is no submodule, whatever the agent's index says.
    ///
    /// # Errors
    /// The time is up: folders in each other can all be called submodules, and each asks for all files below it.
    pub(super) fn has_known_files(&self, folder: &[u8]) -> Result<bool, WalkError> {
        let (start, view) = (self.input.start, self.input.view);
        for at in start.below(folder) {
            self.check_limits()?;
            let (parent, name) = split(&start.entries()[at].path);
            let parent = view.open_folder(parent);
            if parent.is_ok_and(|parent| !matches!(stat_in(&parent, name), Ok(None))) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn new_submodule(&mut self, path: &[u8], hinted: &ObjectId) {
        let (nested, _) = nested_head(self.input.view, path);
        let commit = match nested {
            Nested::Head(id) => id,
            Nested::NoRepository { is_empty: true } => hinted.clone(),
            Nested::NoRepository { is_empty: false } | Nested::Unreadable => {
                self.warn(Warning::InsideSubmodule {
                    path: path.to_vec(),
                });
                hinted.clone()
            }
        };
        self.gitlink(path, commit);
    }

    fn gitlink(&mut self, path: &[u8], commit: ObjectId) {
        if commit.is_sha256() == self.input.sha256
            && !commit.as_str().bytes().all(|digit| digit == b'0')
        {
            self.changes.push(Change::Gitlink {
                path: path.to_vec(),
                commit,
            });
        } else {
            self.warn(Warning::Unreadable {
                path: path.to_vec(),
            });
        }
    }
}
