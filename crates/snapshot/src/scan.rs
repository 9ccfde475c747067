//! Finds secrets that were written into a tree.
//!
//! A file is searched for each value as it is, in base64, percent-encoded, and as JSON, shells and languages write it; so are
//! names of files and what symbolic links say. It is a search for accidents: what was compressed, encrypted or taken apart is not found.
//!
//! Of a long value, a piece from its middle stands for the whole: both ends may be cut off or be the same for all values of that
//! sort, and a file breaks long lines.

mod forms;
mod patterns;
mod reader;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{FileType, Mode, OFlags};

pub use forms::{Encoding, Form, forms};
use patterns::{Hit, Patterns};
use reader::{End, Reader};

use crate::walk::{Found as Entry, Visitor, walk};

/// A shorter value is found by chance.
pub const SHORTEST_BYTES: usize = 6;

/// Files that were opened and wait to be read.
const WAITING_FILES: usize = 64;

/// What is looked for.
#[derive(Clone, Copy)]
pub struct Needle<'a> {
    /// What people call it.
    pub name: &'a str,
    /// The value; blanks at its ends do not count.
    pub value: &'a str,
}

impl fmt::Debug for Needle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Needle")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// How far a search goes.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How many places are told for each needle.
    pub places_per_needle: usize,
    /// How much is read, in bytes.
    pub max_bytes: u64,
    /// Set by whoever does not want to wait any longer.
    pub stop: Arc<AtomicBool>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            places_per_needle: 10,
            max_bytes: 64 << 30,
            stop: Arc::default(),
        }
    }
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The places, by needle and path.
    pub found: Vec<Found>,
    /// Needles that are in more places than were told.
    pub more: Vec<String>,
    /// Needles whose values are shorter than [`SHORTEST_BYTES`] and were not looked for.
    pub too_short: Vec<String>,
    /// How many files and directories could not be read.
    pub unreadable: u64,
    /// Whether a limit or a wish ended the search early.
    pub is_cut_off: bool,
}

/// A place where a value is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// The needle's name.
    pub name: String,
    /// The path, relative to the top; where it holds a value itself, that is replaced.
    pub path: String,
    /// Where exactly.
    pub place: Place,
    /// How the value is written.
    pub encoding: Encoding,
}

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the file.
    Content,
    /// In its name.
    Name,
    /// In what a symbolic link points to.
    LinkTarget,
}

/// Searches everything below `root` for `needles`, in two threads. Nothing may write to the tree meanwhile.
pub fn scan(root: &Path, needles: &[Needle<'_>], limits: &Limits) -> io::Result<Report> {
    let patterns = Patterns::new(needles);
    let search = Search {
        limits,
        patterns: &patterns,
        left_bytes: AtomicU64::new(limits.max_bytes),
        results: Mutex::default(),
    };
    if !patterns.is_empty() {
        search.run(root)?;
    }
    let results = search.results.into_inner();
    let results = results.unwrap_or_else(PoisonError::into_inner);
    let mut found: Vec<Found> = results.found.into_values().flatten().collect();
    found.sort();
    let name = |number: usize| needles[number].name.to_owned();
    Ok(Report {
        found,
        more: results.more.into_iter().map(name).collect(),
        too_short: patterns.too_short().iter().copied().map(name).collect(),
        unreadable: results.unreadable,
        is_cut_off: results.is_cut_off,
    })
}

struct Search<'a> {
    limits: &'a Limits,
    patterns: &'a Patterns,
    left_bytes: AtomicU64,
    results: Mutex<Results>,
}

#[derive(Default)]
struct Results {
    /// By the needle's number.
    found: BTreeMap<usize, Vec<Found>>,
    more: std::collections::BTreeSet<usize>,
    unreadable: u64,
    is_cut_off: bool,
}

struct File {
    file: OwnedFd,
    path: Vec<u8>,
}

impl Search<'_> {
    fn run(&self, root: &Path) -> io::Result<()> {
        std::thread::scope(|scope| {
            let (sender, receiver) = sync_channel(WAITING_FILES);
            scope.spawn(move || self.help(&receiver));
            let mut walker = Walker {
                search: self,
                reader: Reader::new(self.patterns),
                sender,
            };
            walk(root, &mut walker)
        })
    }

    fn help(&self, files: &Receiver<File>) {
        let mut reader = Reader::new(self.patterns);
        while let Ok(file) = files.recv() {
            self.read(&mut reader, &file);
        }
    }

    fn read(&self, reader: &mut Reader<'_>, file: &File) {
        let (hits, end) = reader.read(&file.file, &self.left_bytes, &self.limits.stop);
        self.note(&hits, &file.path, Place::Content);
        match end {
            End::Whole => {}
            End::CutOff => self.results().is_cut_off = true,
            End::Unreadable => self.unreadable(),
        }
    }

    fn note(&self, hits: &[Hit], path: &[u8], place: Place) {
        if hits.is_empty() {
            return;
        }
        let path = self.patterns.masked(path);
        let mut results = self.results();
        for Hit { needle, encoding } in hits {
            let found = results.found.entry(*needle).or_default();
            if found.len() < self.limits.places_per_needle {
                found.push(Found {
                    name: self.patterns.name(*needle).to_owned(),
                    path: path.clone(),
                    place,
                    encoding: *encoding,
                });
            } else {
                results.more.insert(*needle);
            }
        }
    }

    fn unreadable(&self) {
        self.results().unreadable += 1;
    }

    fn results(&self) -> std::sync::MutexGuard<'_, Results> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopped(&self) -> bool {
        let is_stopped = self.limits.stop.load(Ordering::Relaxed)
            || self.left_bytes.load(Ordering::Relaxed) == 0;
        if is_stopped {
            self.results().is_cut_off = true;
        }
        is_stopped
    }
}

struct Walker<'a> {
    search: &'a Search<'a>,
    reader: Reader<'a>,
    sender: SyncSender<File>,
}

impl Visitor for Walker<'_> {
    fn entry(&mut self, entry: &Entry<'_>) -> io::Result<ControlFlow<()>> {
        if self.search.is_stopped() {
            return Ok(ControlFlow::Break(()));
        }
        let patterns = self.search.patterns;
        let hits = patterns.hits(entry.name.to_bytes());
        self.search.note(&hits, &entry.path(), Place::Name);
        match entry.kind {
            FileType::RegularFile => self.file(entry),
            FileType::Symlink => {
                match rustix::fs::readlinkat(entry.directory, entry.name, vec![]) {
                    Ok(target) => {
                        let hits = patterns.hits(target.to_bytes());
                        self.search.note(&hits, &entry.path(), Place::LinkTarget);
                    }
                    Err(_) => self.search.unreadable(),
                }
            }
            // Nothing is in them.
            FileType::Directory
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    fn unreadable(&mut self, _: io::Error) -> io::Result<()> {
        self.search.unreadable();
        Ok(())
    }
}

impl Walker<'_> {
    /// Read by the other thread, or here if that is busy.
    fn file(&mut self, entry: &Entry<'_>) {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(entry.directory, entry.name, flags, Mode::empty());
        let Ok(file) = opened else {
            self.search.unreadable();
            return;
        };
        let path = entry.path();
        match self.sender.try_send(File { file, path }) {
            Ok(()) => {}
            Err(TrySendError::Full(file) | TrySendError::Disconnected(file)) => {
                self.search.read(&mut self.reader, &file);
            }
        }
    }
}

#[cfg(test)]
mod tests;
