//! Submodules met on the walk: only their commit counts.

use super::{Walk, Warning};
use crate::import::Change;
use crate::names::ObjectId;
use crate::submodule::{Nested, nested_head};
use crate::tree_dir::stat_in;

impl Walk<'_> {
    /// Changed if its own repository has another commit checked out, or the agent's index names another.
    pub(super) fn known_submodule(&mut self, path: &[u8], base: &ObjectId) {
        let hinted = self.input.hints.gitlink(path).unwrap_or(base);
        let now = match nested_head(self.input.root, path) {
            Nested::Head(id) => id,
            Nested::NoRepository { is_empty } => {
                if !is_empty {
                    self.warn(Warning::InsideSubmodule {
                        path: path.to_vec(),
                    });
                }
                hinted.clone()
            }
            Nested::Unreadable => {
                self.warn(Warning::Unreadable {
                    path: path.to_vec(),
                });
                hinted.clone()
            }
        };
        if now != *base {
            self.gitlink(path, now);
        }
    }

    /// Whether a file of the base is still in this folder: then it is no submodule, whatever the agent's index says.
    pub(super) fn has_base_files(&self, folder: &[u8]) -> bool {
        let (base, root) = (self.input.base, self.input.root);
        let is_there = |at: usize| {
            let path = base.path(at);
            let slash = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
            let parent = root.open_folder(&path[..slash]);
            parent.is_ok_and(|parent| !matches!(stat_in(&parent, &path[slash + 1..]), Ok(None)))
        };
        base.has_below(folder) && base.below(folder).any(is_there)
    }

    pub(super) fn new_submodule(&mut self, path: &[u8], hinted: &ObjectId) {
        let commit = match nested_head(self.input.root, path) {
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
