//! All files of a tree in git's order, and ways to find among them.

use crate::index::{IndexEntry, parse_index};
use std::io;
use std::ops::Range;
use std::path::Path;

/// The files of a tree, sorted by the bytes of their paths, so that all below one folder stand together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listing {
    entries: Vec<IndexEntry>,
}

/// What lies directly in a folder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Child<'a> {
    /// A file, a symlink or a submodule, by its position.
    File { name: &'a [u8], at: usize },
    /// The positions of all that is below.
    Folder { name: &'a [u8], below: Range<usize> },
}

impl Listing {
    pub(crate) fn new(mut entries: Vec<IndexEntry>) -> Self {
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Self { entries }
    }

    /// Reads an index file of ours. Git removes the file of an index without entries.
    pub(crate) fn load(index: &Path, sha256: bool) -> io::Result<Self> {
        let bytes = match std::fs::read(index) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            read => read?,
        };
        parse_index(&bytes, sha256)
            .map(Self::new)
            .map_err(io::Error::other)
    }

    pub(crate) fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }

    pub(crate) fn find(&self, path: &[u8]) -> Option<(usize, &IndexEntry)> {
        let at = self
            .entries
            .binary_search_by(|entry| entry.path.as_slice().cmp(path))
            .ok()?;
        Some((at, &self.entries[at]))
    }

    /// The positions of all files below this folder; all for the root, whose path is empty.
    pub(crate) fn below(&self, folder: &[u8]) -> Range<usize> {
        if folder.is_empty() {
            return 0..self.entries.len();
        }
        let mut bound = [folder, b"/"].concat();
        let start = self
            .entries
            .partition_point(|entry| entry.path.as_slice() < bound.as_slice());
        // The byte after the slash: the first path that is not below.
        *bound.last_mut().expect("there is a slash") += 1;
        let count =
            self.entries[start..].partition_point(|entry| entry.path.as_slice() < bound.as_slice());
        start..start + count
    }

    /// Whether a file lies anywhere below this folder.
    pub(crate) fn has_below(&self, folder: &[u8]) -> bool {
        !self.below(folder).is_empty()
    }

    /// What lies directly in a folder, in order.
    pub(crate) fn children<'a>(&'a self, folder: &[u8]) -> impl Iterator<Item = Child<'a>> {
        let prefix = if folder.is_empty() {
            0
        } else {
            folder.len() + 1
        };
        let Range { start, end } = self.below(folder);
        let mut at = start;
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let path = self.entries[at].path.as_slice();
            let rest = &path[prefix..];
            Some(match rest.iter().position(|&byte| byte == b'/') {
                None => {
                    at += 1;
                    Child::File {
                        name: rest,
                        at: at - 1,
                    }
                }
                Some(slash) => {
                    let below = self.below(&path[..prefix + slash]);
                    at = below.end;
                    Child::Folder {
                        name: &rest[..slash],
                        below,
                    }
                }
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::ObjectId;
    use crate::summary::FileMode;

    #[test]
    fn what_is_below_stands_together() {
        let entry = |path: &str| IndexEntry {
            path: path.into(),
            mode: FileMode::Regular,
            id: ObjectId::from_bytes(&[1; 20]),
            size_bytes: 0,
        };
        let listing = Listing::new(
            ["a.txt", "a/b", "a/c/d", "a0", "b", "a/c/e", "a/c.d"]
                .map(entry)
                .to_vec(),
        );
        let paths: Vec<&[u8]> = listing
            .entries()
            .iter()
            .map(|e| e.path.as_slice())
            .collect();
        assert_eq!(
            paths,
            [
                &b"a.txt"[..],
                b"a/b",
                b"a/c.d",
                b"a/c/d",
                b"a/c/e",
                b"a0",
                b"b"
            ]
        );
        assert_eq!(listing.below(b"a"), 1..5);
        assert_eq!(listing.below(b"a/c"), 3..5);
        assert_eq!(listing.below(b""), 0..7);
        assert!(!listing.has_below(b"b") && !listing.has_below(b"c"));
        assert_eq!(listing.find(b"a/c/e").map(|(at, _)| at), Some(4));
        let file = |name: &'static str, at| Child::File {
            name: name.as_bytes(),
            at,
        };
        let root: Vec<Child<'_>> = listing.children(b"").collect();
        let folder = Child::Folder {
            name: b"a",
            below: 1..5,
        };
        assert_eq!(
            root,
            [file("a.txt", 0), folder, file("a0", 5), file("b", 6)]
        );
        let inner: Vec<Child<'_>> = listing.children(b"a").collect();
        let folder = Child::Folder {
            name: b"c",
            below: 3..5,
        };
        assert_eq!(inner, [file("b", 1), file("c.d", 2), folder]);
    }
}
