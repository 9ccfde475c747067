//! Where things lie in the cache's directory, and the few things that are done to whole directories there.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::recipe::Key;

/// Why the cache's directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// There is no room, or no room for this user.
    #[error("the disk of {path} is full: free some space there, or let snapshots take less of it")]
    DiskFull {
        /// Where.
        path: PathBuf,
    },
    /// Something else.
    #[error("the directory of snapshots cannot be used at {path}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl CacheError {
    pub(crate) fn at(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::Io { path, source },
        }
    }
}

/// The cache's directory.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn open(root: &Path) -> Result<Self, CacheError> {
        let directory = Self(root.to_owned());
        for path in [
            root.to_owned(),
            directory.snapshots(),
            directory.building(),
            directory.trash(),
            directory.scopes(),
        ] {
            make_private(&path, true).map_err(|error| CacheError::at(&path, error))?;
        }
        Ok(directory)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    pub(crate) fn snapshots(&self) -> PathBuf {
        self.0.join("snapshots")
    }

    pub(crate) fn building(&self) -> PathBuf {
        self.0.join("building")
    }

    pub(crate) fn trash(&self) -> PathBuf {
        self.0.join("trash")
    }

    pub(crate) fn scopes(&self) -> PathBuf {
        self.0.join("scopes")
    }

    /// A place for a new snapshot, with its empty `data/`.
    pub(crate) fn begin(&self) -> Result<Place, CacheError> {
        let building = self.building();
        let fault = |error| CacheError::at(&building, error);
        let fresh = tempfile::Builder::new()
            .prefix("")
            .rand_bytes(16)
            .tempdir_in(&building)
            .map_err(fault)?;
        make_private(&fresh.path().join("data"), false).map_err(fault)?;
        Ok(Place(fresh.keep()))
    }

    /// Where the finished snapshot at `place` belongs. Not by its key alone: an older one of that key may still be in use.
    pub(crate) fn named(&self, place: &Place, key: &Key) -> Place {
        Place(self.snapshots().join(format!("{key}.{}", place.name())))
    }

    /// Moves a directory out of the way at once and says where it can be removed at leisure.
    pub(crate) fn discard(&self, path: &Path) -> PathBuf {
        let fresh = self.trash().join(path.file_name().unwrap_or_default());
        match fs::rename(path, &fresh) {
            Ok(()) => fresh,
            Err(_) => path.to_owned(),
        }
    }

    /// What an ordinary user may still write there, in bytes.
    pub(crate) fn free_bytes(&self) -> Result<u64, CacheError> {
        let stat =
            rustix::fs::statvfs(&self.0).map_err(|error| CacheError::at(&self.0, error.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Waits until everything that was written on the file system is on the disk.
    pub(crate) fn sync_everything(root: &Path) -> io::Result<()> {
        Ok(rustix::fs::syncfs(File::open(root)?)?)
    }
}

/// The directory of one snapshot, finished or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn name(&self) -> String {
        let name = self.0.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// The key in the name of a finished snapshot.
    pub(crate) fn key(&self) -> Option<Key> {
        Key::parse(self.name().split_once('.')?.0).ok()
    }

    pub(crate) fn meta(&self) -> PathBuf {
        self.0.join("meta.json")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// Exists once the tree is known to be on the disk.
    pub(crate) fn synced(&self) -> PathBuf {
        self.0.join("synced")
    }

    /// Takes the snapshot's name away for good, while its tree stays where it is.
    pub(crate) fn unname(&self) {
        match fs::remove_file(self.meta()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %self.0.display(), %error, "a snapshot that was given up may come back at the next start");
            }
        }
    }
}

/// What lies in a directory; nothing if it cannot be read.
pub(crate) fn children(path: &Path) -> Vec<PathBuf> {
    fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}

/// Writes a file that is there whole or not at all, as long as the machine keeps running.
pub(crate) fn write_whole(path: &Path, text: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    fs::write(&fresh, text)?;
    fs::rename(fresh, path)
}

/// Waits until the directory's entries are on the disk.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Nobody else may come near: trees hold set-user-id files, and whatever a setup script left readable.
fn make_private(path: &Path, may_exist: bool) -> io::Result<()> {
    DirBuilder::new()
        .recursive(may_exist)
        .mode(0o700)
        .create(path)
}
