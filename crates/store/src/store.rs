//! Opening a database, and the two ways to use it: reading and writing.

use std::path::Path;

use tokio::sync::broadcast;

use crate::error::{OpenError, StoreError};
use crate::record::Change;

/// The database. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {}

impl Store {
    /// Opens the SQLite database at `path`; makes it, and brings its schema up to date.
    pub async fn open_sqlite(path: &Path) -> Result<Self, OpenError> {
        let _ = path;
        unimplemented!()
    }

    /// Opens the PostgreSQL database at `url` and brings its schema up to date.
    pub async fn open_postgres(url: &str) -> Result<Self, OpenError> {
        let _ = url;
        unimplemented!()
    }

    /// Ends what was begun and closes the database.
    pub async fn close(&self) {
        unimplemented!()
    }

    /// Reads and writes something trivial.
    pub async fn ping(&self) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// What is committed from now on by this process.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        unimplemented!()
    }
}
