//! Space that is kept for a disk that others fill: what must be written then (a cancel, an end) still can be.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A cancel takes some 40 kB of the log that SQLite writes before the file.
const BYTES: usize = 16 << 20;
/// What stays free beside it: others that write in that moment must not find the disk full.
const BESIDE: usize = 1 << 20;

/// A file beside the database, which holds nothing.
#[derive(Clone, Debug)]
pub(super) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    pub(super) fn beside(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push(".reserve");
        Self { path: path.into() }
    }

    /// Makes it unless it is there. Where there is no space for it there is none: nothing of it stays.
    pub(super) fn keep(&self) {
        if self.path.exists() {
            return;
        }
        if let Err(error) = self.fill() {
            tracing::warn!(
                path = %self.path.display(),
                error = &error as &dyn std::error::Error,
                "no space can be kept for a disk that gets full"
            );
            self.give_up();
        }
    }

    fn fill(&self) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let disk = rustix::fs::statvfs(folder)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < (BYTES + BESIDE) as u64 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.path)?;
        let part = [0; 64 << 10];
        for _ in 0..BYTES / part.len() {
            file.write_all(&part)?;
        }
        // Some file systems only then say that there is none.
        File::sync_all(&file)
    }

    /// Says whether there is more space now.
    pub(super) fn give_up(&self) -> bool {
        std::fs::remove_file(&self.path).is_ok()
    }
}
