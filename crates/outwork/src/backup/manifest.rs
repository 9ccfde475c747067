//! The list of what is in a backup, written last.

use std::fs;
use std::io::{self, Write};
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, FailureExt, HintExt};

/// The version of a backup's layout.
pub(super) const VERSION: u32 = 1;
/// The file's name in a backup.
const MANIFEST: &str = "backup.json";

/// What is in a backup.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) outwork_backup: u32,
    /// The version of Outwork.
    pub(crate) made_by: String,
    /// Milliseconds since 1970 UTC.
    pub(crate) made_at_ms: i64,
    /// The number of the database's schema.
    pub(crate) schema: i64,
    pub(crate) tasks: u64,
    pub(crate) ended_attempts: u64,
    pub(crate) has_secret_key: bool,
    pub(crate) database: FileDigest,
    /// By key, below `objects`.
    pub(crate) objects: Vec<FileDigest>,
}

/// A file and what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileDigest {
    pub(crate) path: String,
    pub(crate) size_bytes: u64,
    /// Hexadecimal.
    pub(crate) sha256: String,
}

/// What every version has.
#[derive(Deserialize)]
struct Marked {
    outwork_backup: u32,
}

impl Manifest {
    pub(super) fn write(&self, to: &Path) -> Result<(), Failure> {
        let text = serde_json::to_vec_pretty(self).expect("texts and numbers");
        let path = to.join(MANIFEST);
        let write = || -> io::Result<()> {
            let mut file = fs::File::create_new(&path)?;
            file.write_all(&text)?;
            file.sync_all()
        };
        write().failure(format!("{} cannot be written", path.display()))
    }

    /// Of the backup at `backup`. Nothing in it is trusted yet.
    pub(crate) fn read(backup: &Path) -> Result<Self, Failure> {
        let path = backup.join(MANIFEST);
        let no_backup = || format!("{} is not a whole backup of Outwork", backup.display());
        let bytes = fs::read(&path).failure(no_backup()).hint(
            "Name a directory that `outwork backup` made; one that ends with .partial was never finished.",
        )?;
        let Marked { outwork_backup } =
            serde_json::from_slice(&bytes).failure(format!("{} cannot be read", path.display()))?;
        if outwork_backup != VERSION {
            return Err(Failure::new(format!(
                "the backup has version {outwork_backup} of its layout, and this version of Outwork reads {VERSION}"
            ))
            .with_hint("Restore it with the version of Outwork that made it, or a newer one."));
        }
        let manifest: Self =
            serde_json::from_slice(&bytes).failure(format!("{} cannot be read", path.display()))?;
        let mut paths = manifest.objects.iter().map(|object| &object.path);
        match paths.find(|path| !is_plain(path)) {
            None => Ok(manifest),
            Some(path) => Err(Failure::new(format!(
                "the backup names an object {path:?}, which is outside of it"
            ))),
        }
    }

    /// The size of all files.
    pub(crate) fn bytes(&self) -> u64 {
        let objects = self.objects.iter().map(|object| object.size_bytes);
        self.database.size_bytes + objects.sum::<u64>()
    }
}

fn is_plain(path: &str) -> bool {
    let mut parts = Path::new(path).components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}
