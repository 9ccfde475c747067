//! What lies where in the directory of images.
//!
//! ```text
//! lock          held by the one process that uses the directory
//! store.json    whose files the layers are
//! layers/HEX/   a layer by its diff id: `tree`; `layer.json` and `implied` about it
//! images/HEX    an image by its digest: its layers and its configuration
//! partial/N/    what is being made or removed; nothing in it is worth anything
//! ```
//!
//! Everything is made in `partial` and renamed, so that a name says that it is whole.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, Mode, OFlags};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::config::LayerOwner;
use crate::digest::Digest;
use crate::document::ImageConfig;
use crate::error::OpenError;
use crate::unpack::{self, LayerPath};
use outwork_remove::remove_tree;

/// Raised when older layers cannot be used any more.
const VERSION: u32 = 1;

#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    lock: File,
    next_partial: AtomicU64,
}

/// About a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LayerRecord {
    /// About what it takes on the disk.
    pub(super) size_bytes: u64,
    /// What counts for the limit of an image.
    pub(super) unpacked_bytes: u64,
    /// Whether nothing below it is visible.
    pub(super) hides_all: bool,
}

/// About an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ImageRecord {
    /// Diff ids, the lowest first.
    pub(super) layers: Vec<Digest>,
    pub(super) config: ImageConfig,
}

/// About the directory. One that was made with another owner is of no use.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct StoreRecord {
    version: u32,
    /// `None` for an ordinary user.
    store_uid_base: Option<u32>,
}

/// What is whole.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) layers: HashMap<Digest, LayerRecord>,
    /// Those used last come last.
    pub(super) images: Vec<(Digest, ImageRecord)>,
}

/// A directory that goes away with this value.
#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
    /// The directory of images is not given up before.
    _disk: Arc<Disk>,
}

impl Partial {
    /// Where a layer is unpacked.
    pub(super) fn tree(&self) -> PathBuf {
        self.path.join("tree")
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot be removed");
        }
    }
}

impl Disk {
    /// Takes the directory for this process, and removes what is not whole.
    pub(super) fn open(root: &Path, owner: LayerOwner) -> Result<(Arc<Self>, Found), OpenError> {
        let fault = |source| OpenError::Io {
            path: root.to_owned(),
            source,
        };
        make_private(root).map_err(fault)?;
        let root = root.canonicalize().map_err(fault)?;
        // Files in layers can be anybody's and have any permissions: nobody else may come near them.
        fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).map_err(fault)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(root.join("lock"));
        let lock = lock.map_err(fault)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(OpenError::InUse { path: root }),
            Err(error) => return Err(fault(error.into())),
        }
        let disk = Arc::new(Self {
            root,
            lock,
            next_partial: AtomicU64::new(0),
        });
        disk.prepare(owner).map_err(fault)?;
        disk.probe(owner)?;
        let found = disk.find().map_err(fault)?;
        Ok((disk, found))
    }

    fn prepare(&self, owner: LayerOwner) -> io::Result<()> {
        for directory in ["partial", "layers", "images"] {
            make_private(&self.root.join(directory))?;
        }
        for left in children(&self.root.join("partial"))? {
            remove_tree(&left)?;
        }
        let wanted = StoreRecord {
            version: VERSION,
            store_uid_base: match owner {
                LayerOwner::Root { store_uid_base } => Some(store_uid_base),
                LayerOwner::User => None,
            },
        };
        let path = self.root.join("store.json");
        if read::<StoreRecord>(&path).as_ref() == Some(&wanted) {
            return Ok(());
        }
        for directory in ["images", "layers"] {
            for useless in children(&self.root.join(directory))? {
                remove_tree(&useless)?;
            }
        }
        self.write(&path, &wanted)
    }

    /// Whether overlays can be made of what is unpacked here.
    fn probe(self: &Arc<Self>, owner: LayerOwner) -> Result<(), OpenError> {
        let fault = |source| OpenError::FileSystem {
            path: self.root.clone(),
            source,
        };
        let partial = self.begin().map_err(|source| OpenError::Io {
            path: self.root.clone(),
            source,
        })?;
        unpack::probe(&partial.tree(), owner).map_err(fault)
    }

    fn find(&self) -> io::Result<Found> {
        let mut found = Found::default();
        for path in children(&self.root.join("layers"))? {
            match (digest_of(&path), read(&path.join("layer.json"))) {
                (Some(digest), Some(record)) => drop(found.layers.insert(digest, record)),
                _ => remove_tree(&path)?,
            }
        }
        let mut images: Vec<(SystemTime, Digest, ImageRecord)> = Vec::new();
        for path in children(&self.root.join("images"))? {
            let record = read(&path).filter(|record: &ImageRecord| {
                record
                    .layers
                    .iter()
                    .all(|layer| found.layers.contains_key(layer))
            });
            match (digest_of(&path), record) {
                (Some(digest), Some(record)) => {
                    images.push((fs::metadata(&path)?.modified()?, digest, record));
                }
                _ => remove_tree(&path)?,
            }
        }
        images.sort_by_key(|(used_at, digest, _)| (*used_at, *digest));
        let images = images
            .into_iter()
            .map(|(_, digest, record)| (digest, record));
        found.images = images.collect();
        Ok(found)
    }

    /// An empty directory `tree` in a place of its own.
    pub(super) fn begin(self: &Arc<Self>) -> io::Result<Partial> {
        let partial = self.partial();
        make_private(&partial.tree())?;
        Ok(partial)
    }

    /// Where a layer's files are.
    pub(super) fn tree(&self, layer: Digest) -> PathBuf {
        self.layer(layer).join("tree")
    }

    /// Writes everything of a layer to the disk, for good. Takes its time.
    pub(super) fn finish_layer(
        &self,
        partial: &Partial,
        record: &LayerRecord,
        implied: &[LayerPath],
    ) -> io::Result<()> {
        if !implied.is_empty() {
            let paths: Vec<_> = implied.iter().map(LayerPath::bytes).collect();
            fs::write(partial.path.join("implied"), paths.join(&0))?;
        }
        let path = partial.path.join("layer.json");
        fs::write(&path, serde_json::to_vec(record)?)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(&partial.path, flags, Mode::empty())?;
        // One call instead of one for each file. A name that survives a loss of power must not stand for less.
        Ok(rustix::fs::syncfs(directory)?)
    }

    /// The directories of a layer that its archive does not mention.
    pub(super) fn implied(&self, layer: Digest) -> io::Result<BTreeSet<LayerPath>> {
        let paths = match fs::read(self.layer(layer).join("implied")) {
            Ok(paths) => paths,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(error) => return Err(error),
        };
        let paths = paths.split(|byte| *byte == 0);
        let parsed = paths.map(|path| LayerPath::parse(path).map_err(io::Error::other));
        parsed.collect()
    }

    /// Gives a finished layer its name.
    pub(super) fn keep_layer(&self, partial: &Partial, layer: Digest) -> io::Result<()> {
        fs::rename(&partial.path, self.layer(layer))
    }

    /// Takes a layer's name away; what is left of it goes with what is returned.
    pub(super) fn discard_layer(self: &Arc<Self>, layer: Digest) -> io::Result<Partial> {
        let partial = self.partial();
        fs::rename(self.layer(layer), &partial.path)?;
        Ok(partial)
    }

    pub(super) fn keep_image(&self, image: Digest, record: &ImageRecord) -> io::Result<()> {
        self.write(&self.image(image), record)
    }

    pub(super) fn discard_image(&self, image: Digest) -> io::Result<()> {
        fs::remove_file(self.image(image))
    }

    /// Notes that it has been used now.
    pub(super) fn touch_image(&self, image: Digest) -> io::Result<()> {
        let file = File::open(self.image(image))?;
        let now = rustix::fs::Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_NOW,
        };
        let times = rustix::fs::Timestamps {
            last_access: now,
            last_modification: now,
        };
        Ok(rustix::fs::futimens(file, &times)?)
    }

    fn layer(&self, layer: Digest) -> PathBuf {
        self.root.join("layers").join(layer.hex())
    }

    fn image(&self, image: Digest) -> PathBuf {
        self.root.join("images").join(image.hex())
    }

    fn partial(self: &Arc<Self>) -> Partial {
        let number = self.next_partial.fetch_add(1, Ordering::Relaxed);
        Partial {
            path: self.root.join("partial").join(number.to_string()),
            _disk: Arc::clone(self),
        }
    }

    fn write(&self, path: &Path, record: &impl Serialize) -> io::Result<()> {
        let number = self.next_partial.fetch_add(1, Ordering::Relaxed);
        let aside = self.root.join("partial").join(number.to_string());
        let mut file = File::create(&aside)?;
        file.write_all(&serde_json::to_vec(record)?)?;
        file.sync_all()?;
        fs::rename(aside, path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Closing is not enough: a child that is just being forked has the same open file until it executes.
        if let Err(error) = rustix::fs::flock(&self.lock, FlockOperation::Unlock) {
            tracing::warn!(%error, "the directory of images could not be unlocked");
        }
    }
}

fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn children(path: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect()
}

fn digest_of(path: &Path) -> Option<Digest> {
    Digest::from_hex(path.file_name()?.to_str()?)
}

/// `None` if it is not there or not whole.
fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
