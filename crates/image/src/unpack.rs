//! From a layer's blob to a directory.
//!
//! The blob is read once, as it comes: its digest, its size, and the digest of the archive in it are known at the end,
//! and only then does anybody else get to see the directory.

mod attributes;
mod compression;
mod entries;
mod error;
mod extended;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
mod header;
mod path;
mod tree;

use std::cell::RefCell;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::LayerOwner;
use crate::digest::{Digest, HashingReader};
use crate::limits::Limits;
pub(crate) use attributes::{Attributes, IMPLIED};
use entries::Entry;
pub(crate) use entries::{Entries, Kind};
use error::TooMuch;
pub use error::UnpackError;
use extended::Piece;
pub(crate) use path::LayerPath;
use path::Purpose;
pub use path::Refusal;
use tree::Tree;
pub(crate) use tree::{Filled, OPAQUE};

const BUFFER_BYTES: usize = 256 * 1024;

/// What a blob has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Digest and size of the blob; archives that `docker save` writes do not tell.
    pub(crate) blob: Option<(Digest, u64)>,
    /// Digest of the archive in it.
    pub(crate) diff_id: Digest,
}

/// What the layers of an image may still take, together.
#[derive(Debug)]
pub(crate) struct Budget {
    limit_bytes: u64,
    left_bytes: AtomicU64,
}

impl Budget {
    pub(crate) fn new(limit_bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            limit_bytes,
            left_bytes: AtomicU64::new(limit_bytes),
        })
    }

    /// Whether a blob of this size can be in the image at all: parts of one that hold nothing take nothing of the budget, and would come for
    /// as long as a manifest says.
    pub(crate) fn fits(&self, blob_bytes: u64) -> Result<(), UnpackError> {
        match blob_bytes > self.limit_bytes {
            true => Err(UnpackError::Unpacked {
                limit_bytes: self.limit_bytes,
            }),
            false => Ok(()),
        }
    }

    pub(crate) fn take(&self, bytes: u64) -> Result<(), UnpackError> {
        let take = |left: u64| left.checked_sub(bytes);
        let taken = self
            .left_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.map(drop).map_err(|_| UnpackError::Unpacked {
            limit_bytes: self.limit_bytes,
        })
    }
}

/// A layer that has become a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unpacked {
    pub(crate) filled: Filled,
    /// What it took of the budget.
    pub(crate) unpacked_bytes: u64,
}

/// Unpacks `blob` into the empty directory `to`. If this fails, what is there is of no use.
pub(crate) fn unpack(
    blob: impl Read,
    expected: Expected,
    to: &Path,
    owner: LayerOwner,
    limits: &Limits,
    budget: &Budget,
) -> Result<Unpacked, UnpackError> {
    let blob = Rc::new(RefCell::new(Blob {
        content: HashingReader::new(blob),
        failure: None,
    }));
    let result = archive(
        Shared(Rc::clone(&blob)),
        expected.diff_id,
        to,
        owner,
        limits,
        budget,
    );
    let blob = Rc::into_inner(blob)
        .expect("what reads the archive is gone")
        .into_inner();
    if let Some(failure) = blob.failure {
        return Err(UnpackError::Source(failure));
    }
    match (&result, expected.blob) {
        (Err(error), Some(_)) if !error.may_be_damage() => return result,
        (_, Some(expected)) => check_blob(blob.content, expected)?,
        (_, None) => {}
    }
    result
}

/// Makes one of everything that overlays need, in an empty directory.
pub(crate) fn probe(at: &Path, owner: LayerOwner) -> Result<(), UnpackError> {
    let mut tree = new_tree(at, owner)?;
    tree.whiteout(&LayerPath::parse(b"whiteout")?)?;
    tree.opaque(&LayerPath::parse(b"opaque")?)?;
    tree.finish().map(drop)
}

/// A layer that no archive says: nothing but directories, those above others first.
pub(crate) fn directories(
    at: &Path,
    owner: LayerOwner,
    directories: impl IntoIterator<Item = (LayerPath, Attributes)>,
) -> Result<Filled, UnpackError> {
    let mut tree = new_tree(at, owner)?;
    for (path, attributes) in directories {
        tree.directory(path, attributes)?;
    }
    tree.finish()
}

fn new_tree(at: &Path, owner: LayerOwner) -> Result<Tree, UnpackError> {
    Tree::new(at, owner).map_err(|error| UnpackError::Write {
        path: "/".to_owned(),
        source: error.into(),
    })
}

fn check_blob(blob: HashingReader<impl Read>, expected: (Digest, u64)) -> Result<(), UnpackError> {
    let (digest, size) = blob.finish().map_err(UnpackError::Source)?;
    if size != expected.1 {
        return Err(UnpackError::Size {
            expected: expected.1,
            found: size,
        });
    }
    if digest != expected.0 {
        return Err(UnpackError::Digest {
            expected: expected.0,
            found: digest,
        });
    }
    Ok(())
}

fn archive(
    blob: impl Read,
    diff_id: Digest,
    to: &Path,
    owner: LayerOwner,
    limits: &Limits,
    budget: &Budget,
) -> Result<Unpacked, UnpackError> {
    let archive = Bounded {
        archive: compression::decompress(blob)?,
        budget,
    };
    let mut tree = new_tree(to, owner)?;
    let mut entries = Entries::new(HashingReader::new(archive), limits.entries_per_layer);
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut holes_bytes = 0;
    let mut made_bytes = 0;
    while let Some(entry) = entries.next()? {
        holes_bytes += place(entry, &mut entries, &mut tree, &mut buffer, budget)?;
        budget.take(tree.made_bytes() - made_bytes)?;
        made_bytes = tree.made_bytes();
    }
    let finished = entries.into_stream().finish();
    let (found, archive_bytes) = finished.map_err(UnpackError::reading)?;
    if found != diff_id {
        return Err(UnpackError::DiffId {
            expected: diff_id,
            found,
        });
    }
    Ok(Unpacked {
        filled: tree.finish()?,
        unpacked_bytes: archive_bytes + holes_bytes + made_bytes,
    })
}

/// Puts an entry into the tree; what its holes took of the budget.
fn place(
    entry: Entry,
    entries: &mut Entries<impl Read>,
    tree: &mut Tree,
    buffer: &mut [u8],
    budget: &Budget,
) -> Result<u64, UnpackError> {
    let Entry {
        path,
        kind,
        attributes,
    } = entry;
    let path = match LayerPath::parse(&path)?.purpose()? {
        Purpose::Plain(path) => path,
        Purpose::Whiteout(path) => return tree.whiteout(&path).map(|()| 0),
        Purpose::Opaque(path) => return tree.opaque(&path).map(|()| 0),
        Purpose::Nothing => return Ok(0),
    };
    match kind {
        Kind::Directory => tree.directory(path, attributes)?,
        Kind::Symlink { target } => tree.symlink(&path, &target, attributes)?,
        Kind::HardLink { target } => tree.hard_link(&path, &LayerPath::parse(&target)?)?,
        Kind::Fifo => tree.fifo(&path, attributes)?,
        // What an image says of devices, the sandbox decides itself.
        Kind::Device => {}
        Kind::File { size, pieces } => {
            let data_bytes = match &pieces {
                Some(pieces) => pieces.iter().map(|piece| piece.length).sum(),
                None => size,
            };
            let holes_bytes = size - data_bytes;
            budget.take(holes_bytes)?;
            let file = tree.begin_file(&path)?;
            write(entries, &file, size, pieces, buffer, &path)?;
            tree.end_file(&path, &file, data_bytes, attributes)?;
            return Ok(holes_bytes);
        }
    }
    Ok(0)
}

fn write(
    entries: &mut Entries<impl Read>,
    mut file: &std::fs::File,
    size: u64,
    pieces: Option<Vec<Piece>>,
    buffer: &mut [u8],
    path: &LayerPath,
) -> Result<(), UnpackError> {
    let fault = |source| UnpackError::Write {
        path: crate::text::shown_path(path.bytes()),
        source,
    };
    let is_sparse = pieces.is_some();
    let whole = Piece {
        offset: 0,
        length: size,
    };
    for piece in pieces.unwrap_or_else(|| vec![whole]) {
        if is_sparse {
            file.seek(SeekFrom::Start(piece.offset)).map_err(fault)?;
        }
        let mut left = piece.length;
        while left > 0 {
            let wanted = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            let length = entries.read_data(&mut buffer[..wanted])?;
            if length == 0 {
                return Err(UnpackError::Archive("a file in it ends too early"));
            }
            file.write_all(&buffer[..length]).map_err(fault)?;
            left -= length as u64;
        }
    }
    if is_sparse {
        file.set_len(size).map_err(fault)?;
    }
    Ok(())
}

/// The source of a blob, and how it failed: decoders hide that.
struct Blob<R> {
    content: HashingReader<R>,
    failure: Option<io::Error>,
}

/// For the decoder, which keeps what it reads from.
struct Shared<R>(Rc<RefCell<Blob<R>>>);

impl<R: Read> Read for Shared<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut blob = self.0.borrow_mut();
        blob.content.read(buffer).map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                blob.failure = Some(error);
            }
            kind.into()
        })
    }
}

/// Takes what is read from the budget.
struct Bounded<'a, R> {
    archive: R,
    budget: &'a Budget,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.archive.read(buffer)?;
        self.budget.take(length as u64).map_err(|_| {
            io::Error::other(TooMuch {
                limit_bytes: self.budget.limit_bytes,
            })
        })?;
        Ok(length)
    }
}

#[cfg(test)]
mod tests;
