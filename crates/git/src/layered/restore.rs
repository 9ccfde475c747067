//! Putting tracked files back in a layer, after a script that must be assumed hostile ran over it.

use super::difference::Difference;
use super::{LayeredCheckout, broken, place_error};
use crate::agent_git::{write_files, write_whole};
use crate::checkout::{CheckoutError, Owner, Restored, classify};
use crate::index::IndexEntry;
use crate::listing::{Child, Listing};
use crate::notes::Notes;
use crate::place::Place;
use crate::snapshot::Untracked;
use crate::tracked::Expectation;
use crate::tree_dir::{TreeRoot, file_type, is_opaque, join, stat_in};
use crate::tree_write::TreeWriter;
use crate::trusted::{Index, PutError, Trusted, blocking};
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Stat};
use std::io;
use std::ops::Range;
use std::sync::Arc;

impl LayeredCheckout {
    /// Puts every tracked file that a script changed in `upper` back to the start tree, and the agent's `.git` to what it was. For the upper
    /// directory of [`LayeredRequest`](super::LayeredRequest), after a maintenance script ran over it, while nothing is mounted and no process
    /// of the sandbox is left. What the script left beside tracked files stays, whoever owns it. The agent's changes must go to another layer,
    /// above this one.
    ///
    /// # Errors
    /// The upper directory cannot be read or written; it must not be used then.
    pub async fn restore_tracked(&mut self, upper: &Place) -> Result<Restored, CheckoutError> {
        let folder = |source| place_error(upper, source);
        let trusted = &self.trees.trusted;
        let found = {
            let (trusted, notes) = (trusted.clone(), Arc::clone(&self.trees.notes));
            let (upper, owner) = (upper.clone(), self.owner);
            let untracked = self.snapshot.untracked().map_err(broken)?;
            blocking(move || Found::of(&trusted, &upper, &notes, owner, &untracked)).await
        };
        let Some(found) = found.map_err(folder)? else {
            return Ok(Restored::default());
        };
        let restored = Restored::of(found.wrong.iter().map(|entry| entry.path.as_slice()));
        let Found {
            wrong,
            hide,
            is_hidden,
        } = found;
        let mut writer = upper.make(self.owner).map_err(folder)?;
        for path in &hide {
            writer.whiteout(path).map_err(folder)?;
        }
        let writer = match trusted.put(writer, wrong).await {
            Ok(writer) => writer,
            Err(PutError::Folder(source)) => return Err(folder(source)),
            Err(PutError::Git(fault)) => return Err(classify(fault)),
        };
        self.restore_agent_git(writer, is_hidden).map_err(folder)?;
        Ok(restored)
    }

    /// Writes files of the base tree into `upper`, which is to lie above all that the agent saw, and hides others there. For an upper directory
    /// that nobody has written yet. What the base does not have is passed over.
    ///
    /// # Errors
    /// The upper directory cannot be written, or git cannot be asked; it must not be used then.
    pub async fn put_base(
        &self,
        upper: &Place,
        files: &[Vec<u8>],
        hide: &[Vec<u8>],
    ) -> Result<(), CheckoutError> {
        let folder = |source| place_error(upper, source);
        let trusted = &self.trees.trusted;
        let base = trusted.listing(Index::Base).map_err(folder)?;
        let entries = files.iter().filter_map(|path| base.find(path));
        let entries: Vec<_> = entries.map(|(_, entry)| entry.clone()).collect();
        let mut writer = upper.make(self.owner).map_err(folder)?;
        for path in hide {
            writer.whiteout(path).map_err(folder)?;
        }
        match trusted.put(writer, entries).await {
            Ok(_) => Ok(()),
            Err(PutError::Folder(source)) => Err(folder(source)),
            Err(PutError::Git(fault)) => Err(classify(fault)),
        }
    }

    fn restore_agent_git(&self, mut writer: TreeWriter, is_hidden: bool) -> io::Result<()> {
        let (trusted, snapshot) = (&self.trees.trusted, &self.snapshot);
        if is_hidden {
            return write_whole(&mut writer, &self.agent_git.whole(trusted, snapshot)?);
        }
        writer.remove(b".git")?;
        write_files(&mut writer, &self.agent_git.different(trusted, snapshot)?)
    }
}

/// What a script did to the tracked files.
struct Found {
    wrong: Vec<IndexEntry>,
    /// What of the snapshot must not be seen, where the script removed the marks that said so.
    hide: Vec<Vec<u8>>,
    /// Nothing of the snapshot shows through.
    is_hidden: bool,
}

impl Found {
    /// None if the script left nothing in the layer, so that all is the snapshot's.
    fn of(
        trusted: &Trusted,
        upper: &Place,
        notes: &Notes,
        owner: Option<Owner>,
        untracked: &Untracked,
    ) -> io::Result<Option<Self>> {
        let start = trusted.listing(Index::Start)?;
        let is_other = trusted.index(Index::Snapshot).exists();
        let snapshot = trusted.listing(if is_other {
            Index::Snapshot
        } else {
            Index::Start
        })?;
        let difference = Difference::of(&snapshot, &start, untracked);
        let (root, is_hidden) = match upper.look()? {
            Look::Untouched if difference.is_empty() => return Ok(None),
            Look::Untouched => (None, false),
            Look::Removed { is_hidden } => (None, is_hidden),
            Look::Folder { root, is_hidden } => (Some(root), is_hidden),
        };
        let mut search = Search {
            start: &start,
            difference: &difference,
            notes,
            expectation: Expectation {
                sha256: trusted.sha256(),
                owner,
            },
            wrong: vec![false; start.entries().len()],
            hide: Vec::new(),
        };
        let is_hidden = match root {
            Some(root) => search.run(&root, is_hidden)?,
            None => {
                search.replaced(b"", is_hidden);
                is_hidden
            }
        };
        let Search { wrong, hide, .. } = search;
        let wrong = start.entries().iter().zip(wrong);
        Ok(Some(Self {
            wrong: wrong
                .filter(|(_, wrong)| *wrong)
                .map(|(entry, _)| entry.clone())
                .collect(),
            hide,
            is_hidden,
        }))
    }
}

/// What has become of a place in a layer.
pub(crate) enum Look {
    /// Nothing of it, or of a folder above, is in the layer.
    Untouched,
    /// It is no folder any more. If it is made anew, what lies below shows through, unless `is_hidden`.
    Removed {
        is_hidden: bool,
    },
    Folder {
        root: TreeRoot,
        is_hidden: bool,
    },
}

struct Search<'a> {
    start: &'a Listing,
    difference: &'a Difference,
    notes: &'a Notes,
    expectation: Expectation,
    /// By position in the start listing.
    wrong: Vec<bool>,
    hide: Vec<Vec<u8>>,
}

impl Search<'_> {
    /// Looks through the folders that hold tracked files and are in the layer. Gives whether the root hides all that is below.
    fn run(&mut self, root: &TreeRoot, is_hidden: bool) -> io::Result<bool> {
        let is_hidden = is_hidden || is_opaque(root.open_folder(b"")?)?;
        let mut pending = vec![(Vec::new(), is_hidden)];
        while let Some((path, is_hidden)) = pending.pop() {
            let folder = match root.open_folder(&path) {
                Err(fault) if fault.kind() == io::ErrorKind::PermissionDenied => {
                    TreeWriter::new(root.below(b"")?, None).open(&path)?
                }
                folder => folder?,
            };
            let is_hidden = is_hidden || is_opaque(&folder)?;
            for child in self.start.children(&path) {
                match child {
                    Child::File { name, at } => self.file(&folder, name, at, is_hidden)?,
                    Child::Folder { name, below } => match stat_in(&folder, name)? {
                        None => self.absent(below, is_hidden),
                        Some(stat) if file_type(&stat) == FileType::Directory => {
                            pending.push((join(&path, name), is_hidden));
                        }
                        Some(_) => self.replaced(&join(&path, name), is_hidden),
                    },
                }
            }
        }
        Ok(is_hidden)
    }

    fn file(
        &mut self,
        folder: &OwnedFd,
        name: &[u8],
        at: usize,
        is_hidden: bool,
    ) -> io::Result<()> {
        if stat_in(folder, name)?.is_none() {
            self.absent(at..at + 1, is_hidden);
            return Ok(());
        }
        let entry = &self.start.entries()[at];
        let is_known = |stat: &Stat| self.notes.is_unchanged(&entry.path, stat);
        let found = self.expectation.examine(folder, name, entry, is_known)?;
        self.wrong[at] = found.is_none();
        Ok(())
    }

    /// What is not in the layer is the snapshot's, if that shows through, and if it was not written over the snapshot.
    fn absent(&mut self, range: Range<usize>, is_hidden: bool) {
        for at in range {
            self.wrong[at] = is_hidden || self.difference.writes(&self.start.entries()[at].path);
        }
    }

    /// Where there is no folder any more one is made. If the snapshot shows through it, marks have to be made again, too; elsewhere they would
    /// be names of nothing.
    fn replaced(&mut self, folder: &[u8], is_hidden: bool) {
        let below = self.start.below(folder);
        self.wrong[below].fill(true);
        if is_hidden {
            return;
        }
        let is_below = |path: &&Vec<u8>| {
            let rest = path.strip_prefix(folder);
            folder.is_empty() || rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
        };
        let hide = self.difference.hide.iter().filter(is_below);
        self.hide.extend(hide.cloned());
    }
}
