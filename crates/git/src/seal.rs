//! Making a checkout ready to be kept, after a script that must be assumed hostile ran in it.

use crate::agent_git::write_whole;
use crate::checkout::{Checkout, CheckoutError, Origin, Owner, Restored, classify, folder_error};
use crate::index::{FileStat, IndexEntry, with_stats};
use crate::listing::{Child, Listing};
use crate::names::TreeId;
use crate::notes::Notes;
use crate::place::Place;
use crate::snapshot::{SnapshotCheckout, Untracked};
use crate::summary::FileMode;
use crate::tracked::Expectation;
use crate::tree_dir::{file_type, join, mtime, names_in, split, stat_in};
use crate::tree_write::TreeWriter;
use crate::trusted::{Index, PutError, Trusted, blocking};
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Stat};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

impl Checkout {
    /// Makes the checkout ready to be kept as a part of a snapshot, after a setup script ran in it and all its processes are gone. `place` is
    /// where it lies now, which may be full of traps. Puts every tracked file back to what the commit has, writes the agent's `.git` anew
    /// (nothing of it is kept), and leaves in the trusted git directory all that [`SnapshotCheckout`] needs. What the script left beside
    /// tracked files stays, whoever owns it.
    ///
    /// # Errors
    /// The tree cannot be read or written; it must not be kept then.
    pub async fn seal(self, place: &Place) -> Result<Restored, CheckoutError> {
        let folder = |source| folder_error(&place.root.join(&place.below), source);
        let Self {
            trusted,
            tree,
            notes,
            origin,
            owner,
            directory: _,
            binds: _,
        } = self;
        let scanning = {
            let (trusted, place) = (trusted.clone(), place.clone());
            move || Scanned::of(&trusted, &place, &notes, owner)
        };
        let scanned = blocking(scanning).await.map_err(folder)?;
        let wrong = scanned.wrong_entries();
        let restored = Restored::of(wrong.iter().map(|entry| entry.path.as_slice()));
        let writer = place.make(owner).map_err(folder)?;
        let writer = match trusted.put(writer, wrong).await {
            Ok(writer) => writer,
            Err(PutError::Folder(source)) => return Err(folder(source)),
            Err(PutError::Git(fault)) => return Err(classify(fault)),
        };
        let finishing = move || scanned.finish(writer, &trusted, &tree, &origin);
        blocking(finishing).await.map_err(folder)?;
        Ok(restored)
    }
}

/// What was found of the tracked files.
struct Scanned {
    listing: Listing,
    /// By position: how it looks, of those that are right.
    looks: Vec<Option<FileStat>>,
    untracked: Untracked,
}

struct Scan<'a> {
    writer: &'a TreeWriter,
    notes: &'a Notes,
    expectation: Expectation,
    scanned: Scanned,
}

impl Scanned {
    fn of(
        trusted: &Trusted,
        place: &Place,
        notes: &Notes,
        owner: Option<Owner>,
    ) -> io::Result<Self> {
        let listing = trusted.listing(Index::Commit)?;
        let writer = place.make(owner)?;
        let mut scan = Scan {
            writer: &writer,
            notes,
            expectation: Expectation {
                sha256: trusted.sha256(),
                owner,
            },
            scanned: Self {
                looks: vec![None; listing.entries().len()],
                listing,
                untracked: Untracked::default(),
            },
        };
        scan.run()?;
        Ok(scan.scanned)
    }

    fn wrong_entries(&self) -> Vec<IndexEntry> {
        let entries = self.listing.entries().iter().zip(&self.looks);
        let wrong = entries.filter(|(_, look)| look.is_none());
        wrong.map(|(entry, _)| entry.clone()).collect()
    }

    /// Writes the agent's `.git`, and notes the checkout.
    fn finish(
        self,
        mut writer: TreeWriter,
        trusted: &Trusted,
        tree: &TreeId,
        origin: &Origin,
    ) -> io::Result<()> {
        let mut looks = HashMap::new();
        for (entry, look) in self.listing.entries().iter().zip(&self.looks) {
            let look = match look {
                Some(look) => Some(*look),
                None => look_of(&mut writer, &entry.path)?,
            };
            if entry.mode != FileMode::Gitlink
                && let Some(look) = look
            {
                looks.insert(entry.path.as_slice(), look);
            }
        }
        let mut files = origin.agent_git_dir(&trusted.commit).files().to_vec();
        if let Some(index) = trusted.read(Index::Commit)? {
            let index = with_stats(index, trusted.sha256(), |path| looks.get(path).copied());
            let index = index.map_err(io::Error::other)?;
            trusted.write(Index::Commit, &index)?;
            files.push(("index", index));
        }
        write_whole(&mut writer, &files)?;
        remove_scratch(trusted)?;
        let now = writer.root().stamp()?;
        let index = files.iter().find(|(name, _)| *name == "index");
        let snapshot = SnapshotCheckout {
            git_dir: trusted.dir.clone(),
            commit: trusted.commit.clone(),
            tree: tree.clone(),
            origin: origin.clone(),
            index_bytes: index.map_or(0, |(_, content)| content.len() as u64),
            sealed_at: mtime(&now),
        };
        snapshot.write(&self.untracked)
    }
}

fn look_of(writer: &mut TreeWriter, path: &[u8]) -> io::Result<Option<FileStat>> {
    let (folder, name) = split(path);
    let folder = writer.folder(folder)?;
    Ok(stat_in(folder, name)?.as_ref().map(FileStat::of))
}

/// Indexes that only this checkout needed.
fn remove_scratch(trusted: &Trusted) -> io::Result<()> {
    for index in [Index::Base, Index::Start, Index::Snapshot, Index::Proof] {
        remove_if_there(&trusted.index(index))?;
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

impl Scan<'_> {
    fn run(&mut self) -> io::Result<()> {
        let mut pending = vec![Vec::new()];
        while let Some(path) = pending.pop() {
            // What is no folder any more is one again, with nothing in it yet.
            let folder = self.writer.open(&path)?;
            let mut tracked = HashSet::new();
            let Scanned { listing, .. } = &self.scanned;
            let mut files = Vec::new();
            for child in listing.children(&path) {
                match child {
                    Child::Folder { name, below: _ } => {
                        pending.push(join(&path, name));
                        tracked.insert(name.to_vec());
                    }
                    Child::File { name, at } => {
                        tracked.insert(name.to_vec());
                        files.push((name.to_vec(), at));
                    }
                }
            }
            for (name, at) in files {
                self.file(&folder, &name, at)?;
            }
            if path.is_empty() {
                tracked.insert(b".git".to_vec());
            }
            if holds_more_than(&folder, &tracked) {
                self.scanned.untracked.add(path);
            }
        }
        Ok(())
    }

    fn file(&mut self, folder: &OwnedFd, name: &[u8], at: usize) -> io::Result<()> {
        let entry = &self.scanned.listing.entries()[at];
        let is_known = |stat: &Stat| self.notes.is_unchanged(&entry.path, stat);
        let found = self.expectation.examine(folder, name, entry, is_known)?;
        if entry.mode == FileMode::Gitlink
            && found.is_some()
            && let Ok(inner) = self.writer.root().open_folder(&entry.path)
            && holds_more_than(&inner, &HashSet::new())
        {
            self.scanned.untracked.add(entry.path.clone());
        }
        self.scanned.looks[at] = found.as_ref().map(FileStat::of);
        Ok(())
    }
}

/// Whether there is anything else in a folder. Marks that hide something of a layer below do not count; what cannot be read does.
fn holds_more_than(folder: &OwnedFd, known: &HashSet<Vec<u8>>) -> bool {
    let Ok(names) = names_in(folder, usize::MAX - 1) else {
        return true;
    };
    let counts = |name: &Vec<u8>| match stat_in(folder, name) {
        Ok(Some(stat)) => file_type(&stat) != FileType::CharacterDevice,
        Ok(None) => false,
        Err(_) => true,
    };
    names
        .iter()
        .any(|name| !known.contains(name) && counts(name))
}
