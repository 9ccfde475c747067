//! The worker's directory: who uses it, what lies where, and what a killed worker left.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use outwork_sandbox::PidNamespace;
use outwork_snapshot::remove_tree;
use rustix::fs::FlockOperation;

use crate::lease::ClaimId;

/// How long the processes of a killed worker's sandboxes may take to go; the kernel kills them with the worker.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// Why a worker cannot use its directory.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// Another worker uses it.
    #[error("another worker uses {path}; stop it, or give this one a data directory of its own")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// It cannot be made, read or written.
    #[error(
        "the directory {path} cannot be used; check that it is writable and that its disk is not full"
    )]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

#[derive(Debug)]
pub(crate) struct StateDir {
    root: PathBuf,
    lock: File,
}

/// Sockets and certificates of one command, removed with this.
#[derive(Debug)]
pub(crate) struct RunDir(PathBuf);

impl RunDir {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

/// How long the lock may be held by nobody: a child that a killed worker had just forked has it, too, until it executes its program.
const HELD_BY_NOBODY: Duration = Duration::from_secs(2);

fn try_lock(file: &File) -> rustix::io::Result<()> {
    let begin = Instant::now();
    loop {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) if begin.elapsed() < HELD_BY_NOBODY => {
                std::thread::sleep(Duration::from_millis(20));
            }
            locked => return locked,
        }
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        // What is left is removed before the slot is used again.
        if let Err(error) = remove_tree(&self.0) {
            tracing::warn!(directory = %self.0.display(), %error, "an attempt's sockets cannot be removed");
        }
    }
}

impl StateDir {
    /// Makes the directory if need be and takes it for this process.
    pub(crate) fn open(root: &Path) -> Result<Self, StateDirError> {
        let fault = |source| StateDirError::Io {
            path: root.to_owned(),
            source,
        };
        make_private(root).map_err(fault)?;
        // Git and the sandbox are told absolute paths only.
        let root = root.canonicalize().map_err(fault)?;
        // A set-user-id file of an agent is a file of the worker: nobody else may come near it.
        fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).map_err(fault)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(root.join("lock"))
            .map_err(fault)?;
        match try_lock(&lock) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(StateDirError::InUse { path: root }),
            Err(error) => return Err(fault(error.into())),
        }
        let state = Self { root, lock };
        for directory in [state.mirrors(), state.attempts(), state.root.join("run")] {
            make_private(&directory).map_err(fault)?;
        }
        spread(&state.attempts());
        Ok(state)
    }

    pub(crate) fn mirrors(&self) -> PathBuf {
        self.root.join("mirrors")
    }

    pub(crate) fn git(&self) -> PathBuf {
        self.root.join("git")
    }

    /// Trees after setup, kept by key.
    pub(crate) fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    /// Unpacked images.
    pub(crate) fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// What is below snapshots on the worker's own system.
    pub(crate) fn base(&self) -> PathBuf {
        self.root.join("base")
    }

    /// What an ordinary user may still write on the disk; unknown where the system does not say.
    pub(crate) fn free_bytes(&self) -> Option<u64> {
        let stat = rustix::fs::statvfs(&self.root).ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// An empty directory for what a command of the attempt in `slot` reaches outside its sandbox.
    pub(crate) fn fresh_run_dir(&self, slot: u32) -> io::Result<RunDir> {
        let path = self.root.join("run").join(slot.to_string());
        remove_tree(&path)?;
        make_private(&path)?;
        Ok(RunDir(path))
    }

    pub(crate) fn attempt(&self, claim: ClaimId) -> AttemptDir {
        AttemptDir(
            self.attempts()
                .join(claim.attempt.to_string())
                .join(claim.epoch.get().to_string()),
        )
    }

    /// The id that the server gave to the worker of this directory.
    pub(crate) fn id(&self) -> Option<String> {
        let text = fs::read_to_string(self.root.join("id")).ok()?;
        Some(text.trim().to_owned()).filter(|id| !id.is_empty())
    }

    pub(crate) fn save_id(&self, id: &str) -> io::Result<()> {
        let fresh = self.root.join("id.new");
        fs::write(&fresh, format!("{id}\n"))?;
        fs::rename(fresh, self.root.join("id"))
    }

    fn attempts(&self) -> PathBuf {
        self.root.join("attempts")
    }

    /// Removes what a killed worker left, but for outboxes that may still have to be delivered: those of the claims that are
    /// given back. What cannot be removed is logged and left for the next time.
    pub(crate) fn sweep(&self) -> Vec<ClaimId> {
        let mut undelivered = Vec::new();
        for attempt in children(&self.attempts()) {
            for epoch in children(&attempt) {
                let claim = || ClaimId::parse(&name(&attempt)?, name(&epoch)?.parse().ok()?);
                let directory = AttemptDir(epoch.clone());
                directory.wait_for_processes();
                let kept = directory.keep_outbox_only();
                match (claim(), kept) {
                    (Some(claim), Ok(true)) => undelivered.push(claim),
                    (_, Ok(_)) => directory.remove(),
                    (_, Err(error)) => {
                        tracing::warn!(path = %epoch.display(), %error, "cannot sweep what an earlier worker left");
                    }
                }
            }
            // Stays if something in it stayed.
            let _ = fs::remove_dir(&attempt);
        }
        for run in children(&self.root.join("run")) {
            if let Err(error) = remove_tree(&run) {
                tracing::warn!(path = %run.display(), %error, "cannot sweep what an earlier worker left");
            }
        }
        undelivered
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        // Closing is not enough: a child that is just being forked has the same open file until it executes.
        if let Err(error) = rustix::fs::flock(&self.lock, FlockOperation::Unlock) {
            tracing::warn!(%error, "the worker's directory could not be unlocked");
        }
    }
}

/// The directory of one claim.
#[derive(Clone, Debug)]
pub(crate) struct AttemptDir(PathBuf);

impl AttemptDir {
    /// Makes it, empty.
    pub(crate) fn create(&self) -> io::Result<()> {
        remove_tree(&self.0)?;
        make_private(&self.0)?;
        make_private(&self.outbox())
    }

    /// What the attempt's commands write, a directory for each volume.
    pub(crate) fn upper(&self) -> PathBuf {
        self.0.join("upper")
    }

    /// What the maintenance script wrote.
    pub(crate) fn maintained(&self) -> PathBuf {
        self.0.join("maintained")
    }

    /// What the verify command writes in its first run, and in the next.
    pub(crate) fn verified(&self, run: u32) -> PathBuf {
        self.0.join(format!("verified-{run}"))
    }

    /// Git directories that no sandbox sees, one for each repository.
    pub(crate) fn git(&self) -> PathBuf {
        self.0.join("git")
    }

    /// Makes room for another beginning on the same claim.
    pub(crate) fn clear(&self) -> io::Result<()> {
        let verified = [self.verified(1), self.verified(2)];
        for part in [self.upper(), self.maintained(), self.git()]
            .into_iter()
            .chain(verified)
        {
            remove_tree(&part)?;
        }
        Ok(())
    }

    pub(crate) fn outbox(&self) -> PathBuf {
        self.0.join("outbox")
    }

    /// Notes a sandbox, so that the next worker can wait until it is gone.
    pub(crate) fn note_namespace(&self, namespace: PidNamespace) -> io::Result<()> {
        fs::write(self.0.join("pid_namespace"), namespace.0.to_string())
    }

    pub(crate) fn remove(&self) {
        if let Err(error) = remove_tree(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "an attempt's directory cannot be removed");
        }
        // Of the attempt, if this was its only claim here.
        if let Some(parent) = self.0.parent() {
            let _ = fs::remove_dir(parent);
        }
    }

    pub(crate) fn remove_all_but_outbox(&self) {
        if let Err(error) = self.keep_outbox_only() {
            tracing::warn!(path = %self.0.display(), %error, "an attempt's directory cannot be removed");
        }
    }

    fn wait_for_processes(&self) {
        let noted = fs::read_to_string(self.0.join("pid_namespace")).ok();
        let Some(number) = noted.and_then(|text| text.trim().parse().ok()) else {
            return;
        };
        let give_up_at = Instant::now() + GONE_WITHIN;
        loop {
            let left = PidNamespace(number).processes();
            if left.is_empty() {
                return;
            }
            if Instant::now() > give_up_at {
                tracing::error!(path = %self.0.display(), ?left, "processes of an earlier worker's sandbox are still there");
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether there is an outbox worth keeping; removes everything else then.
    fn keep_outbox_only(&self) -> io::Result<bool> {
        if !self.outbox().join("entries").exists() {
            return Ok(false);
        }
        self.clear()?;
        Ok(true)
    }
}

/// Asks ext4 to keep the directories in this one apart on the disk. Attempts come and go, and where many files were removed
/// in the last minutes, making one takes it fifty times as long.
fn spread(path: &Path) {
    let set = || -> io::Result<()> {
        let directory = File::open(path)?;
        let flags = rustix::fs::ioctl_getflags(&directory)?;
        rustix::fs::ioctl_setflags(&directory, flags | rustix::fs::IFlags::TOPDIR)?;
        Ok(())
    };
    // Other file systems have no such wish.
    if let Err(error) = set() {
        tracing::debug!(path = %path.display(), %error, "directories are not spread");
    }
}

fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn children(path: &Path) -> Vec<PathBuf> {
    fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}

fn name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_worker_and_keeps_its_id() {
        let data = tempfile::tempdir().unwrap();
        let root = data.path().join("worker");
        let first = StateDir::open(&root).unwrap();
        assert!(matches!(
            StateDir::open(&root),
            Err(StateDirError::InUse { .. })
        ));
        assert_eq!(first.id(), None);
        first.save_id("wkr_1").unwrap();
        drop(first);
        assert_eq!(
            StateDir::open(&root).unwrap().id().as_deref(),
            Some("wkr_1")
        );
        assert_eq!(
            fs::metadata(&root).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }

    #[test]
    fn sweeping_keeps_only_outboxes() {
        let data = tempfile::tempdir().unwrap();
        let state = StateDir::open(&data.path().join("worker")).unwrap();
        let claim = ClaimId::parse("att_00000000000000000000000000000001", 2).unwrap();
        let other = ClaimId::parse("att_00000000000000000000000000000002", 1).unwrap();
        for claim in [claim, other] {
            state.attempt(claim).create().unwrap();
            fs::create_dir(state.attempt(claim).upper()).unwrap();
        }
        fs::write(state.attempt(claim).outbox().join("entries"), "").unwrap();
        assert_eq!(state.sweep(), [claim]);
        assert!(!state.attempt(claim).upper().exists());
        assert!(!state.attempts().join(other.attempt.to_string()).exists());
    }
}
