//! Directories that are there whole or not at all, and files with their digests.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::manifest::FileDigest;
use super::{make_parent, parent};
use crate::failure::{Failure, FailureExt};

const BLOCK: usize = 1024 * 1024;
/// Held while the directory is written.
const LOCK: &str = ".writing";

/// A directory that is being written beside where it is to be.
pub(crate) struct Partial {
    target: PathBuf,
    path: PathBuf,
    _lock: File,
}

impl Partial {
    /// Makes `TARGET.partial`, in place of one that a killed process left. `TARGET` must not exist, or be empty.
    pub(crate) fn begin(target: &Path) -> Result<Self, Failure> {
        free(target)?;
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let path = target.with_file_name(name);
        let shown = path.display();
        make_parent(&path.join("x"))?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join(LOCK))
            .failure(format!("{shown} cannot be written"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::new(format!("another command writes {shown}"))
                    .with_hint("Wait for it, or name another directory."));
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).failure(format!("{shown} cannot be locked"));
            }
        }
        empty(&path).failure(format!("what is left in {shown} cannot be removed"))?;
        Ok(Self {
            target: target.to_owned(),
            path,
            _lock: lock,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let Self {
            target,
            path,
            _lock,
        } = self;
        let named = fs::remove_file(path.join(LOCK))
            .and_then(|()| sync_tree(&path))
            .and_then(|()| fs::rename(&path, &target))
            .and_then(|()| sync_directory(parent(&target)));
        named.failure(format!("{} cannot be made", target.display()))
    }
}

/// Refuses what is there, unless it is an empty directory.
fn free(target: &Path) -> Result<(), Failure> {
    let taken = |what: &str| {
        Err(Failure::new(format!("{} {what}", target.display()))
            .with_hint("Name a directory that does not exist."))
    };
    match fs::read_dir(target) {
        Ok(mut entries) => match entries.next() {
            Some(_) => taken("is not empty"),
            None => Ok(()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) => taken("is there already"),
    }
}

fn empty(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

fn sync_tree(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    sync_directory(directory)
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Copies a file, flushed and for its owner only; nothing may be at `to`. The digest's path is empty.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<FileDigest, Failure> {
    make_parent(to)?;
    let copied = || -> io::Result<FileDigest> {
        let source = plain_file(from)?;
        let mut target = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(to)?;
        let digest = digest(source, |block| target.write_all(block))?;
        target.sync_all()?;
        Ok(digest)
    };
    copied().failure(format!("{} cannot be copied", from.display()))
}

/// The digest of `directory/name`, which is on the disk then.
pub(super) fn flushed(directory: &Path, name: &str) -> Result<FileDigest, Failure> {
    let path = directory.join(name);
    let read = || -> io::Result<FileDigest> {
        let file = plain_file(&path)?;
        file.sync_all()?;
        digest(file, |_| Ok(()))
    };
    let digest = read().failure(format!("{} cannot be read", path.display()))?;
    Ok(FileDigest {
        path: name.to_owned(),
        ..digest
    })
}

/// Refuses what is not as the list says.
pub(crate) fn check_digest(listed: &FileDigest, found: &FileDigest) -> Result<(), Failure> {
    if (listed.size_bytes, &listed.sha256) == (found.size_bytes, &found.sha256) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} in the backup is not as its list says ({} bytes instead of {}, or other ones)",
        listed.path, found.size_bytes, listed.size_bytes
    ))
    .with_hint("The backup is damaged: take another one."))
}

/// Not a link, a pipe or a device: a backup may come from anywhere.
fn plain_file(path: &Path) -> io::Result<File> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a file",
        ));
    }
    File::open(path)
}

fn digest(mut file: File, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<FileDigest> {
    let mut hasher = Sha256::new();
    let mut block = vec![0; BLOCK];
    let mut size_bytes = 0;
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            break;
        }
        hasher.update(&block[..read]);
        each(&block[..read])?;
        size_bytes += read as u64;
    }
    let sha256 = hasher.finalize();
    Ok(FileDigest {
        path: String::new(),
        size_bytes,
        sha256: sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}
