//! The machine: its clock, randomness, variables, signals and programs. The one place where they
//! are read; everything else takes them as arguments.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use outwork_domain::Timestamp;
use outwork_git::Git;
use outwork_server::{Clock, FreeSpace, Random};
use tokio::signal::unix::{Signal, SignalKind, signal};
use uuid::Uuid;

use crate::failure::{Failure, FailureExt};

/// The time now.
#[expect(clippy::disallowed_methods, reason = "this is the composition root")]
pub(crate) fn now() -> Timestamp {
    let since_epoch = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("the clock stands after 1970");
    let millis = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(millis + outwork_failpoint::clock_offset_ms())
}

/// The wall clock as it stood at the start, carried on by the monotonic one: a clock that somebody
/// sets while the server runs moves no lease.
pub(crate) struct ServerClock {
    wall: Timestamp,
    started: Instant,
}

impl ServerClock {
    pub(crate) fn start() -> Self {
        Self {
            wall: now(),
            started: Instant::now(),
        }
    }
}

impl Clock for ServerClock {
    fn now(&self) -> Timestamp {
        self.wall + self.started.elapsed()
    }
}

/// The operating system's randomness.
pub(crate) struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system has randomness");
    }
}

/// Random bytes.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom.fill(&mut bytes);
    bytes
}

/// A new id: time-ordered (version 7).
pub(crate) fn new_uuid() -> Uuid {
    Uuid::now_v7()
}

/// A variable of the environment; an empty one counts as unset.
#[expect(clippy::disallowed_methods, reason = "this is the composition root")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where programs are looked for.
pub(crate) fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/local/bin:/usr/bin:/bin"))
}

/// The path of a program.
pub(crate) fn find_program(name: &str) -> Result<PathBuf, Failure> {
    let runs = |path: &PathBuf| {
        path.metadata()
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(&search_path())
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(runs)
        .ok_or_else(|| {
            Failure::new(format!("`{name}` is not installed"))
                .with_hint(format!("Install {name} and see that it is on the PATH."))
        })
}

/// Git for repositories that are not the user's own: it reads no configuration but ours, which is
/// kept in `private_dir`.
pub(crate) fn git(private_dir: &Path) -> Result<Git, Failure> {
    let git = Git::isolated(find_program("git")?, &search_path(), private_dir)
        .failure("git cannot be set up")?;
    Ok(git.with_network_environment(std::env::vars_os()))
}

/// Where data is kept unless told otherwise.
pub(crate) fn default_data_dir() -> Result<PathBuf, Failure> {
    if let Some(dir) = variable("OUTWORK_DATA_DIR") {
        return Ok(PathBuf::from(dir));
    }
    let base = variable("XDG_DATA_HOME").map(PathBuf::from);
    base.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".local/share")))
        .map(|base| base.join("outwork"))
        .ok_or_else(|| {
            Failure::new("neither HOME nor XDG_DATA_HOME is set")
                .with_hint("Name a directory with --data-dir.")
        })
}

/// The host's name, which is what people call its worker.
pub(crate) fn host_name() -> String {
    let name = rustix::system::uname();
    let name = name.nodename().to_string_lossy().into_owned();
    if name.is_empty() {
        "worker".to_owned()
    } else {
        name
    }
}

/// How many bytes an ordinary user can still write to the file system of `path`.
pub(crate) fn free_space(path: &Path) -> FreeSpace {
    let path = path.to_path_buf();
    Arc::new(move || {
        let found = rustix::fs::statvfs(&path).ok()?;
        Some(found.f_bavail.saturating_mul(found.f_frsize))
    })
}

/// How large the file system of `path` is, in bytes.
pub(crate) fn disk_size(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some(found.f_blocks.saturating_mul(found.f_frsize))
}

/// Requests to stop, from when this is made on: before them one ends the process at once.
pub(crate) struct StopRequests {
    interrupt: Signal,
    terminate: Signal,
}

impl StopRequests {
    /// To be made before anybody is told that the process is ready.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let on = |kind| signal(kind).failure("signals cannot be received");
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
        })
    }

    /// Returns at the first one. A second ends the process at once.
    pub(crate) async fn first(mut self) {
        self.next().await;
        tokio::spawn(async move {
            self.next().await;
            std::process::exit(130);
        });
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
