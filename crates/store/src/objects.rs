//! What is too large for a row: diffs and sessions, by their key, in a directory or a bucket.

mod error;
mod s3;

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};
use outwork_domain::{AttemptId, ObjectKey};
use outwork_failpoint as failpoint;

use crate::error::{OpenError, StoreError};

pub use error::ObjectsError;
pub use s3::{S3Address, S3Addressing, S3Config, S3Credentials};

/// Objects in a directory or a bucket. Clones share it.
#[derive(Clone, Debug)]
pub struct Objects(Arc<dyn ObjectStore>);

impl Objects {
    /// Opens the directory; makes it, for its owner only, unless it exists. Removes what a killed process
    /// had begun to write there: the directory may have one process at a time.
    pub fn open_directory(path: &Path) -> Result<Self, OpenError> {
        let unusable = |source: io::Error| OpenError::File {
            path: path.to_owned(),
            source,
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(unusable)?;
        sweep(path).map_err(unusable)?;
        let directory = LocalFileSystem::new_with_prefix(path)
            .map_err(|error| unusable(io::Error::other(error)))?
            .with_fsync(true)
            .with_automatic_cleanup(true);
        Ok(Self(Arc::new(directory)))
    }

    /// Opens the bucket. Nothing is sent yet: [`Self::probe`] tells whether it can be used.
    pub fn open_bucket(config: &S3Config) -> Result<Self, ObjectsError> {
        let bucket = config.client()?;
        Ok(Self(Arc::new(PrefixStore::new(
            bucket,
            config.address.prefix().clone(),
        ))))
    }

    /// Writes, reads and deletes an object that is named by `name`, which nobody else may use at
    /// the same time, and looks for it once more.
    pub async fn probe(&self, name: &str) -> Result<(), ObjectsError> {
        const CONTENT: &[u8] = b"Outwork sees whether it can use this place. It can be deleted.";
        let key = object_store::path::Path::from_iter(["health", name]);
        let at = ObjectsError::during;
        let put = self.0.put(&key, Bytes::from_static(CONTENT).into());
        put.await.map_err(|error| at("written", error))?;
        let read = async { self.0.get(&key).await?.bytes().await };
        let read = read.await.map_err(|error| at("read", error))?;
        if read != CONTENT {
            return Err(ObjectsError::Differs);
        }
        let deleted = self.0.delete(&key).await;
        deleted.map_err(|error| at("deleted", error))?;
        match self.0.get(&key).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            Ok(_) => Err(ObjectsError::Differs),
            // Who may not list is told that he may not read what is not there.
            Err(error) => Err(at("missed", error)),
        }
    }

    /// Reads something trivial: `Ok` means that it answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let key = ObjectKey::from_stored("health/probe".to_owned());
        self.get(&key).await.map(drop)
    }

    /// Stores an object, in place of one of the same key. When this returns it is durable; until
    /// then the old one is there whole. Errors: [`StoreError::DiskFull`],
    /// [`StoreError::ObjectsUnavailable`].
    pub async fn put(&self, key: &ObjectKey, content: Bytes) -> Result<(), StoreError> {
        let path = location(key)?;
        failpoint::pass("store.object.before");
        let put = self.0.put(&path, content.into()).await;
        put.map_err(error::failed)?;
        failpoint::pass("store.object.after");
        Ok(())
    }

    /// The object. Errors: [`StoreError::ObjectsUnavailable`].
    pub async fn get(&self, key: &ObjectKey) -> Result<Option<Bytes>, StoreError> {
        let path = location(key)?;
        let found = match self.0.get(&path).await {
            Ok(found) => found,
            Err(error) if error::is_missing(&error) => return Ok(None),
            Err(error) => return Err(error::failed(error)),
        };
        Ok(Some(found.bytes().await.map_err(error::failed)?))
    }

    /// How long the object is, in bytes; its content is not read. Errors:
    /// [`StoreError::ObjectsUnavailable`].
    pub async fn size(&self, key: &ObjectKey) -> Result<Option<u64>, StoreError> {
        match self.0.head(&location(key)?).await {
            Ok(found) => Ok(Some(found.size)),
            Err(error) if error::is_missing(&error) => Ok(None),
            Err(error) => Err(error::failed(error)),
        }
    }

    /// The keys of all that was handed in for the attempt. Errors: [`StoreError::ObjectsUnavailable`].
    pub async fn of_attempt(&self, attempt: AttemptId) -> Result<Vec<ObjectKey>, StoreError> {
        let prefix = object_store::path::Path::from_iter(ObjectKey::directory(attempt));
        let found = self.0.list(Some(&prefix)).map_ok(|found| found.location);
        let keys = found.map_ok(|location| ObjectKey::from_stored(location.into()));
        keys.try_collect().await.map_err(error::failed)
    }

    /// Removes the object; no error if there is none. Errors:
    /// [`StoreError::ObjectsUnavailable`].
    pub async fn delete(&self, key: &ObjectKey) -> Result<(), StoreError> {
        match self.0.delete(&location(key)?).await {
            Ok(()) => Ok(()),
            Err(error) if error::is_missing(&error) => Ok(()),
            Err(error) => Err(error::failed(error)),
        }
    }
}

/// Removes files that were not given their name yet. The driver writes `NAME#NUMBER` first, and no key has
/// a `#`.
fn sweep(directory: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sweep(&entry.path())?;
        } else if entry.file_name().as_encoded_bytes().contains(&b'#') {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn location(key: &ObjectKey) -> Result<object_store::path::Path, StoreError> {
    object_store::path::Path::parse(key.as_str())
        .map_err(|error| StoreError::Object(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use outwork_domain::{AttemptId, Epoch};

    use super::*;

    #[tokio::test]
    async fn what_a_killed_process_began_is_removed_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let objects = Objects::open_directory(place.path()).unwrap();
        let attempt: AttemptId = "att_00000000000000000000000000000001".parse().unwrap();
        let key = ObjectKey::diff(attempt, Epoch::new(1));
        objects
            .put(&key, Bytes::from_static(b"whole"))
            .await
            .unwrap();
        let begun = place.path().join(format!("{}#1", key.as_str()));
        std::fs::write(&begun, "who").unwrap();
        let objects = Objects::open_directory(place.path()).unwrap();
        assert!(!begun.exists());
        let kept = objects.get(&key).await.unwrap();
        assert_eq!(kept.as_deref(), Some(b"whole".as_slice()));
    }
}
