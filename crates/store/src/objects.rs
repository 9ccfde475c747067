//! What is too large for a row: diffs and sessions, by their key.

use std::path::Path;

use bytes::Bytes;
use outwork_domain::ObjectKey;

use crate::error::{OpenError, StoreError};

/// Objects in a directory. Clones share it.
#[derive(Clone, Debug)]
pub struct Objects {}

impl Objects {
    /// Opens the directory; makes it unless it exists.
    pub fn open_directory(path: &Path) -> Result<Self, OpenError> {
        let _ = path;
        unimplemented!()
    }

    /// Stores an object, in place of one of the same key. When this returns it is durable; until
    /// then the old one is there whole.
    pub async fn put(&self, key: &ObjectKey, content: Bytes) -> Result<(), StoreError> {
        let _ = (key, content);
        unimplemented!()
    }

    /// The object.
    pub async fn get(&self, key: &ObjectKey) -> Result<Option<Bytes>, StoreError> {
        let _ = key;
        unimplemented!()
    }

    /// Removes the object; no error if there is none.
    pub async fn delete(&self, key: &ObjectKey) -> Result<(), StoreError> {
        let _ = key;
        unimplemented!()
    }
}
