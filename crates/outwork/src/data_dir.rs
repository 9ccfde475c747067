//! The data directory of a server: held by one process at a time, readable by its owner only.
//!
//! ```text
//! DIR/lock            held while a server runs; names its process
//! DIR/secret.key      32 random bytes in hexadecimal: seals stored credentials
//! DIR/admin.token     the token for people
//! DIR/worker.token    the token for workers
//! DIR/server.json     where the server that runs on DIR listens
//! DIR/outwork.sqlite  the store, unless a database is named
//! DIR/objects/        diffs and sessions, unless a bucket is named
//! DIR/agents/         installed agents
//! DIR/worker/         the worker of `outwork up`
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::failure::{Failure, FailureExt, HintExt};

/// A data directory that this process holds.
pub(crate) struct DataDir {
    path: PathBuf,
    /// The lock ends with the process, however that ends.
    _lock: File,
}

impl DataDir {
    /// Makes the directory where it is missing, and takes its lock.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let path = own_directory(path)?;
        let lock = lock(&path.join("lock"))?;
        Ok(Self { path, _lock: lock })
    }

    /// The same, without waiting; `None` while another process holds it.
    pub(crate) fn open_if_free(path: &Path) -> Result<Option<Self>, Failure> {
        let path = own_directory(path)?;
        let shown = path.join("lock");
        let file = lock_file(&shown)?;
        match file.try_lock() {
            Ok(()) => {
                let lock = signed(file, &shown)?;
                Ok(Some(Self { path, _lock: lock }))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(error).failure(format!("{} cannot be locked", shown.display()))
            }
        }
    }

    /// Whether it is the directory at `path`.
    pub(crate) fn is(&self, path: &Result<PathBuf, Failure>) -> bool {
        let path = path.as_ref().ok().and_then(|path| path.canonicalize().ok());
        path.as_ref() == Some(&self.path)
    }

    /// A path inside.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The text of a file that is made once, by `make`, and kept: a key or a token.
    pub(crate) fn secret(
        &self,
        name: &str,
        make: impl FnOnce() -> String,
    ) -> Result<String, Failure> {
        let path = self.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = make();
                write_secret(&path, &text)
                    .failure(format!("{} cannot be written", path.display()))
                    .hint("Free some space on the disk of the data directory.")?;
                Ok(text)
            }
            Err(error) => Err(error).failure(format!("{} cannot be read", path.display())),
        }
    }

    /// Says where the server listens, for the commands that run on this machine.
    pub(crate) fn publish(&self, url: &str, token_file: &Path) -> Result<(), Failure> {
        let text = serde_json::json!({ "url": url, "token_file": token_file }).to_string();
        let path = self.join("server.json");
        write_secret(&path, &text).failure(format!("{} cannot be written", path.display()))
    }
}

/// Makes the directory where it is missing, for its owner alone. Its real path.
fn own_directory(path: &Path) -> Result<PathBuf, Failure> {
    let shown = path.display();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .failure(format!("the data directory {shown} cannot be made"))
        .hint("Name another with --data-dir, or make the one above writable.")?;
    let path = path
        .canonicalize()
        .failure(format!("the data directory {shown} cannot be opened"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700))
        .failure(format!("the data directory {shown} does not belong to you"))
        .hint("Name a directory of your own with --data-dir.")?;
    Ok(path)
}

/// How long a lock may be held by nobody: a child that a killed server had just forked has it, too, until it
/// executes its program.
const HELD_BY_NOBODY: Duration = Duration::from_secs(2);

fn try_lock(file: &File) -> Result<(), TryLockError> {
    let begin = Instant::now();
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if begin.elapsed() < HELD_BY_NOBODY => {
                std::thread::sleep(Duration::from_millis(20));
            }
            locked => return locked,
        }
    }
}

fn lock(path: &Path) -> Result<File, Failure> {
    let shown = path.display();
    let mut file = lock_file(path)?;
    match try_lock(&file) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // The number is a courtesy; the lock itself is what counts.
            let _ = file.read_to_string(&mut holder);
            return Err(Failure::new(format!(
                "another Outwork server uses this data directory (process {})",
                holder.trim()
            ))
            .with_hint("Stop it first, or name another directory with --data-dir."));
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).failure(format!("{shown} cannot be locked"));
        }
    }
    signed(file, path)
}

fn lock_file(path: &Path) -> Result<File, Failure> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .failure(format!("{} cannot be opened", path.display()))
}

/// With the number of this process in it.
fn signed(mut file: File, path: &Path) -> Result<File, Failure> {
    let shown = path.display();
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .failure(format!("{shown} cannot be written"))
        .hint("Free some space on the disk of the data directory.")?;
    Ok(file)
}

/// Writes beside the target and renames, so that a crash leaves no half file.
pub(crate) fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_held_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let held = DataDir::open(dir.path()).expect("free");
        let refused = DataDir::open(dir.path()).err().expect("held");
        assert!(
            refused
                .to_string()
                .contains(&std::process::id().to_string()),
            "{refused}"
        );
        drop(held);
        DataDir::open(dir.path()).expect("free again");
    }

    #[test]
    fn a_secret_is_made_once_and_private() {
        let dir = tempfile::tempdir().expect("a directory");
        let data = DataDir::open(dir.path()).expect("free");
        let first = data.secret("secret.key", || "abc".into()).expect("made");
        let second = data.secret("secret.key", || "def".into()).expect("kept");
        assert_eq!((first.as_str(), second.as_str()), ("abc", "abc"));
        let mode = fs::metadata(data.join("secret.key"))
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
